"""Pitfalls of sections G and H: seeds, order, callbacks and selection. Named after their numbers."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

import zoo
from zoo import statistics
from zoo.artefact import load_model
from zoo.batching import order
from zoo.contracts import Phase
from zoo.evaluation import predict
from zoo.hookspecs import hookimpl
from zoo.plugins import load_catalog
from zoo.store import Store
from zoo.testing import tiny_backbone

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Bench

    from zoo.registry import Catalog
    from zoo.runs import Run

QUICK: dict[str, Any] = {"epochs": 2, "batch_size": 8, "backbone": "tiny", "learning_rate": 0.01}


def numbers(run: Run) -> list[tuple[float, float, float]]:
    """A run's history without its times."""
    return [(record.loss, record.accuracy, record.val_loss) for record in run.history]


SCRIPT = """
import hashlib, json, sys
import numpy as np
import zoo
from zoo.hookspecs import hookimpl
from zoo.plugins import load_catalog
from zoo.testing import tiny_backbone

class Tiny:
    @staticmethod
    @hookimpl
    def zoo_backbones():
        return [tiny_backbone()]

run = zoo.fit(sys.argv[1], backbone="tiny", policy="bn-trainable", augment="light", epochs=2, batch_size=8,
              store=sys.argv[2], observe=lambda event: None, catalog=load_catalog(only=[], extra=[Tiny]))
digest = hashlib.sha256(b"".join(np.array(w).tobytes() for w in run.model.get_weights())).hexdigest()
print(json.dumps([[(r.loss, r.accuracy, r.val_loss) for r in run.history], digest]))
"""


def test_pitfall_73_two_processes_give_the_same_bits(photos: Path, tmp_path: Path) -> None:
    """The same call in two fresh processes: equal history and equal weights, bit for bit."""
    outputs = []
    for name in ("one", "two"):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", SCRIPT, str(photos), str(tmp_path / name)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        assert done.returncode == 0, done.stderr[-2000:]
        outputs.append(json.loads(done.stdout.splitlines()[-1]))
    assert outputs[0] == outputs[1]


def test_pitfall_74_a_row_does_not_depend_on_what_ran_before(photos: Path, tmp_path: Path, catalog: Catalog) -> None:
    """Grid [A, B], grid [B, A] and B alone: row B has the same bits."""

    def history(name: str, policies: tuple[str, ...]) -> list[Any]:
        with_b = zoo.compare(
            photos,
            backbones=["tiny"],
            policies=policies,
            epochs=2,
            batch_size=8,
            store=tmp_path / name,
            observe=lambda _: None,
            catalog=catalog,
        )
        row = next(row for row in with_b.rows if row.policy == "unfreeze-all")
        return numbers(zoo.load(row.run_ids[0], store=tmp_path / name))

    first = history("ab", ("bn-trainable", "unfreeze-all"))
    assert first == history("ba", ("unfreeze-all", "bn-trainable"))
    assert first == history("b", ("unfreeze-all",))


def test_pitfall_75_rows_with_one_seed_see_one_order() -> None:
    """The order of pictures depends on seed, count and batch size alone; another seed has another order."""
    first = [rows.tolist() for rows in next(order(40, batch_size=8, seed=3))]
    assert first == [rows.tolist() for rows in next(order(40, batch_size=8, seed=3))]
    assert first != [rows.tolist() for rows in next(order(40, batch_size=8, seed=4))]


def test_pitfall_76_the_persons_own_state_is_given_back(photos: Path, tmp_path: Path, catalog: Catalog) -> None:
    """A global precision, NumPy's and Python's generators are as before after a run, which itself used float32."""
    import random

    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        np.random.seed(5)  # noqa: NPY002 - the state that must survive
        random.seed(5)
        run = zoo.fit(photos, **QUICK, policy="freeze-all", store=tmp_path, observe=lambda _: None, catalog=catalog)
        after = (float(np.random.random()), random.random())  # noqa: NPY002, S311 - as above
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    np.random.seed(5)  # noqa: NPY002 - as above
    random.seed(5)
    assert after == (float(np.random.random()), random.random())  # noqa: NPY002, S311 - as above
    assert {layer.compute_dtype for layer in run.model.layers} == {"float32"}


def test_pitfall_77_the_best_epoch_is_delivered_at_the_last_epoch_too(bench: Bench) -> None:
    """Best at an early epoch, patience longer than the run: the delivered weights are those of the best epoch."""
    recipe = bench.recipe("unfreeze-all", epochs=4, patience=10, learning_rate=3.0)
    built = bench.build(recipe)
    trained = bench.train(built, recipe)
    side = bench.sides()[1]
    again = statistics.score(predict(built.assembly.deliverable(), side.pixels).probabilities, side.labels)
    kept = trained.history[trained.best_epoch - 1]
    best = max(trained.history, key=lambda record: (record.val_accuracy, -record.val_loss))
    assert kept == best
    assert again.loss == pytest.approx(kept.val_loss, rel=1e-4)


def test_pitfall_79_two_phases_deliver_the_row_that_is_stored(photos: Path, tmp_path: Path) -> None:
    """A wild second phase: the reloaded model has the stored score, which is the best of both phases."""

    class Wild:
        """A policy that spoils everything in its second phase."""

        @staticmethod
        @hookimpl
        def zoo_policies() -> list[Any]:
            """The one policy."""

            def plan(blocks: int, epochs: int) -> tuple[Phase, ...]:
                calm = Phase(name="calm", epochs=epochs - 2, learning_rate=0.05, open_blocks=blocks)
                return calm, Phase(name="wild", epochs=2, learning_rate=10.0, open_blocks=blocks)

            return [zoo.Policy(name="wild", title="two phases", plan=plan)]

        @staticmethod
        @hookimpl
        def zoo_backbones() -> list[Any]:
            """The tiny one."""
            return [tiny_backbone()]

    run = zoo.fit(
        photos,
        backbone="tiny",
        policy="wild",
        epochs=6,
        batch_size=8,
        store=tmp_path,
        observe=lambda _: None,
        catalog=load_catalog(only=[], extra=[Wild]),
    )
    with Store(tmp_path) as store:
        kept = store.load_predictions(run.id, "validation")
        again = predict(load_model(store.folder(run.id)), _pixels(photos, kept.ids)).probabilities
    np.testing.assert_allclose(again, kept.probabilities, atol=1e-5)  # the whole graph, and its two parts
    assert run.scores is not None
    assert statistics.score(again, kept.labels).accuracy == run.scores.accuracy
    assert statistics.score(kept.probabilities, kept.labels) == run.scores
    assert run.scores.accuracy >= max(r.val_accuracy for r in run.history if r.phase == "calm") - 1e-9
    assert any(note.startswith("degraded in phase 'wild'") for note in run.record.notes)


def _pixels(photos: Path, ids: tuple[str, ...]) -> np.ndarray:
    from zoo.pixels import prepare

    return np.stack([prepare(photos / name, size=16) for name in ids])


def test_pitfall_80_the_stored_metric_is_evaluated_again(photos: Path, tmp_path: Path, catalog: Catalog) -> None:
    """What the record holds is the score of the delivered model, not a number from inside training."""
    run = zoo.fit(photos, **QUICK, policy="unfreeze-all", store=tmp_path, observe=lambda _: None, catalog=catalog)
    with Store(tmp_path) as store:
        kept = store.load_predictions(run.id, "validation")
    pixels = _pixels(photos, kept.ids)
    assert statistics.score(run.model.predict(pixels, verbose=0), kept.labels).loss == pytest.approx(
        run.scores.loss if run.scores else -1, abs=1e-6
    )


def test_pitfall_81_without_validation_there_is_no_run(photos: Path, tmp_path: Path, catalog: Catalog) -> None:
    """A split without validation pictures is refused before anything is trained."""
    with pytest.raises(zoo.ZooError, match="validation"):
        zoo.fit(photos, **QUICK, split=(0.9, 0.0, 0.1), store=tmp_path, observe=lambda _: None, catalog=catalog)


def test_a_finished_run_is_not_repeated(photos: Path, tmp_path: Path, catalog: Catalog) -> None:
    """The same call twice trains once; another seed trains again."""
    events: list[Any] = []
    options = {**QUICK, "policy": "freeze-all", "store": tmp_path, "observe": events.append, "catalog": catalog}
    first = zoo.fit(photos, **options)
    epochs = sum(type(event).__name__ == "EpochEnded" for event in events)
    second = zoo.fit(photos, **options)
    assert second.record == first.record
    assert sum(type(event).__name__ == "EpochEnded" for event in events) == epochs == 2
    assert zoo.fit(photos, **options, seed=1).id != first.id


def test_a_digest_knows_threads_and_plugins(photos: Path, tmp_path: Path, catalog: Catalog) -> None:
    """What changes the bits, the number of threads among it, belongs to the digest."""
    from zoo.experiment import identify
    from zoo.recipe import recipe_digest

    run = zoo.fit(photos, **QUICK, policy="freeze-all", store=tmp_path, observe=lambda _: None, catalog=catalog)
    surroundings, digest = identify(run.recipe, catalog)
    assert digest == run.record.digest
    assert {"packages", "variables", "weights", "plugins", "backend"} <= set(surroundings)
    changed = {**surroundings, "variables": {"OMP_NUM_THREADS": "1"}}
    assert recipe_digest(run.recipe, changed) != digest
    assert recipe_digest(dataclasses.replace(run.recipe, seed=9), surroundings) != digest
