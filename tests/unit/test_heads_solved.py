"""Heads that are solved where the backbone is fixed: probe and multi-stage."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from importlib.metadata import version
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest
from scipy.special import softmax

import zoo
from zoo.augmenting import Augmenter
from zoo.building import codes_of
from zoo.builtin import head_multi_stage
from zoo.errors import ContractError, DivergedError
from zoo.experiment import identify
from zoo.forward import forward, value_of
from zoo.solving import last_layer

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Bench

    from zoo.registry import Catalog

HEADS = ("probe", "multi-stage:stages=3")


def logits_of(assembly: Any) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias of the head."""
    layer = last_layer(assembly.head)
    return value_of(layer.kernel), value_of(layer.bias)


@pytest.mark.parametrize("head", HEADS)
def test_it_is_solved_in_one_epoch_without_a_step(head: str, bench: Bench) -> None:
    """One line of history at rate 0, nothing but the head moved, and the same solution again for another seed."""
    recipe = bench.recipe(head=head, epochs=7)
    built = bench.build(recipe)
    before = {w.path: value_of(w.variable) for w in built.assembly.weights}
    trained = bench.train(built, recipe, solve=built.solve)
    (record,) = trained.history
    assert (record.learning_rate, trained.steps, trained.best_epoch) == (0.0, 0, 1)
    moved = {w.path for w in built.assembly.weights if (value_of(w.variable) != before[w.path]).any()}
    assert moved == {"logits/kernel", "logits/bias"}
    other = dataclasses.replace(recipe, seed=5)
    again = bench.build(other)
    for mine, first in zip(again.assembly.weights, built.assembly.weights, strict=True):
        if mine.block < len(again.assembly.blocks):
            mine.variable.assign(value_of(first.variable))
    bench.train(again, other, solve=again.solve)
    np.testing.assert_array_equal(logits_of(again.assembly)[0], logits_of(built.assembly)[0])


def test_the_probe_is_the_regularised_minimum(bench: Bench) -> None:
    """With a given strength, the gradient of the penalised loss over the pooled features is 0."""
    recipe = bench.recipe(head="probe:l2=0.03", label_smoothing=0.1)
    built = bench.build(recipe)
    bench.train(built, recipe, solve=built.solve)
    assembly = built.assembly
    maps = forward(assembly.prefix(len(assembly.blocks)), [bench.pixels])[0]
    features = maps.mean(axis=(1, 2)).astype(np.float64)
    deviation = features.std(axis=0)
    deviation[deviation < 1e-6] = 1.0
    kernel, bias = logits_of(assembly)
    targets = np.eye(2)[bench.labels] * 0.9 + 0.05
    excess = softmax(features @ kernel + bias, axis=1) - targets
    standard = (features - features.mean(axis=0)) / deviation
    slope = standard.T @ excess / len(features) + 0.03 * kernel * deviation[:, None]
    assert np.abs(slope).max() < 1e-4
    assert np.abs(excess.mean(axis=0)).max() < 1e-4


@pytest.mark.parametrize("head", HEADS)
def test_solving_warns_of_nothing(head: str, bench: Bench, recwarn: pytest.WarningsRecorder) -> None:
    """Keras finds inputs in the structure that the graph declares."""
    recipe = bench.recipe(head=head)
    built = bench.build(recipe)
    recwarn.clear()
    bench.train(built, recipe, solve=built.solve)
    assert not [str(one.message) for one in recwarn if "structure" in str(one.message)]


def test_it_fits_better_than_steps(bench: Bench) -> None:
    """On the same fixed features, its validation loss is below that of ten epochs of steps."""
    losses = {}
    for head in ("gap:dropout=0.0", "probe"):
        recipe = bench.recipe(head=head, epochs=10)
        built = bench.build(recipe)
        losses[head] = bench.train(built, recipe, solve=built.solve).history[-1].val_loss
    assert losses["probe"] < losses["gap:dropout=0.0"]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("policy", ["bn-affine", "lp-ft", "bn-stats"])
def test_where_blocks_are_open_it_is_trained_by_steps(head: str, policy: str, bench: Bench) -> None:
    """Phases of steps begin with what a solved phase before them left."""
    recipe = bench.recipe(policy, head=head, epochs=4, patience=None)
    built = bench.build(recipe)
    trained = bench.train(built, recipe, solve=built.solve)
    rates = [record.learning_rate for record in trained.history]
    expected = {"bn-affine": [False] * 4, "lp-ft": [True, False, False], "bn-stats": [True]}[policy]
    assert [rate == 0 for rate in rates] == expected
    assert trained.steps == 3 * expected.count(False)


def test_with_augmentation_it_sees_every_version(bench: Bench) -> None:
    """As many versions of each picture as the phase has epochs, each once, with their own targets."""
    seen: list[tuple[int, ...]] = []

    class Mix(keras.layers.Layer):
        """Swaps the targets and remembers the batches."""

        def call(self, batch: dict[str, Any]) -> dict[str, Any]:
            seen.append(tuple(batch["images"].shape))
            return {"images": batch["images"], "labels": batch["labels"][:, ::-1]}

    recipe = bench.recipe(head="probe", epochs=3)
    built = bench.build(recipe)
    trained = bench.train(built, recipe, solve=built.solve, augment=Augmenter((Mix(),), mixes_labels=True))
    assert seen == [(32, 16, 16, 3), (16, 16, 16, 3)] * 3
    assert trained.history[0].accuracy > 0.6  # on the swapped targets
    assert trained.history[0].val_accuracy < 0.4  # validation keeps its labels


def test_a_run_with_it_is_kept_and_loaded_like_any_other(photos: Path, tmp_path: Path, catalog: Catalog) -> None:
    """Receipt, file and predictions."""
    for head in HEADS:
        run = zoo.fit(photos, backbone="tiny", head=head, policy="freeze-all", store=tmp_path / "s", catalog=catalog)
        assert run.record.status == "finished"
        assert run.receipt.verdict == "PASS"
        assert run.record.trainable_weights == {"probe": 26, "multi-stage:stages=3": 2 * (6 + 6 + 8 + 12) + 2}[head]
        labels = [prediction.label for prediction in run.predict(photos / "dark")]
        assert labels.count("dark") > len(labels) / 2


@pytest.mark.parametrize(
    ("blocks", "stages", "taps"),
    [(18, 8, (1, 3, 5, 7, 10, 12, 14, 16)), (4, 8, (0, 1, 2)), (4, 1, (2,)), (1, 8, ()), (9, 4, (1, 3, 5, 7))],
)
def test_stages_are_spread_evenly_below_the_top(blocks: int, stages: int, taps: tuple[int, ...]) -> None:
    """Never the top block, whose map the head has anyway; never one twice."""
    found = head_multi_stage.taps(blocks, stages=stages)
    assert len(set(found)) == len(found) == min(stages, blocks - 1)
    assert max(found, default=-1) == blocks - 2
    assert found == taps


def test_multi_stage_leaves_out_what_does_not_matter() -> None:
    """Rows of features of noise are exactly 0 where a few features tell the classes apart."""
    draw = np.random.default_rng(2)
    features = draw.normal(size=(300, 100)).astype(np.float32)
    labels = (features[:, 3] + features[:, 70] > 0).astype(np.int64)
    kernel, bias = head_multi_stage.solve(features[:200], np.eye(2)[labels[:200]], features[200:], labels[200:])
    assert (kernel.shape, bias.shape) == ((100, 2), (2,))
    kept = set(np.flatnonzero(np.abs(kernel).sum(axis=1)))
    assert {3, 70} <= kept
    assert len(kept) <= 25
    assert ((features[200:] @ kernel + bias).argmax(axis=1) == labels[200:]).mean() > 0.9


def solved_by(solution: Any, bench: Bench) -> None:
    """Trains a probe whose solver gives this."""
    recipe = bench.recipe(head="probe")
    bench.train(bench.build(recipe), recipe, solve=lambda *_: solution)


def test_a_solver_that_breaks_its_contract_is_named(bench: Bench) -> None:
    """Wrong shapes, values that are not finite, and heads that end otherwise."""
    with pytest.raises(ContractError, match=r"shapes \(3, 2\) and \(2,\) for weights of shapes \(12, 2\)"):
        solved_by((np.zeros((3, 2)), np.zeros(2)), bench)
    for odd in (None, (np.zeros((12, 2)),), "ab"):
        with pytest.raises(ContractError, match="no pair of kernel and bias"):
            solved_by(odd, bench)
    with pytest.raises(DivergedError, match="not finite") as caught:
        solved_by((np.full((12, 2), np.nan), np.zeros(2)), bench)
    assert caught.value.learning_rate == 0  # no rate is to blame
    recipe = bench.recipe(head="mlp")
    with pytest.raises(ContractError, match="head_hidden_1"):
        bench.train(bench.build(recipe), recipe, solve=lambda *_: None)


def test_what_solves_is_part_of_what_makes_runs_the_same(bench: Bench, tmp_path: Path) -> None:
    """SciPy's version counts where the head is solved; a solver in a file of its own is hashed, too."""
    solved, stepped = (identify(bench.recipe(head=head), bench.catalog)[0] for head in ("probe", "gap"))
    assert solved["packages"]["scipy"] == version("scipy")
    assert "scipy" not in stepped["packages"]
    assert set(solved["code"]) == set(stepped["code"]) == {"backbone", "head", "policy", "augmentation"}
    codes = []
    for text in ("def solve(*given, l2):\n    return 1\n", "def solve(*given, l2):\n    return 1  # changed\n"):
        path = tmp_path / "solver.py"
        path.write_text(text, encoding="utf-8")
        space: dict[str, Any] = {}
        exec(compile(text, str(path), "exec"), space)  # noqa: S102 - a plugin's second file
        probe = dataclasses.replace(bench.catalog.head("probe"), solve=space["solve"])
        items = SimpleNamespace(
            backbone=bench.catalog.backbone,
            policy=bench.catalog.policy,
            augmentation=bench.catalog.augmentation,
            head=lambda _, probe=probe: probe,
        )
        codes.append(codes_of(bench.recipe(head="probe"), items))  # type: ignore[arg-type]
    assert codes[0]["head"] == codes[1]["head"]
    assert codes[0]["head.solve"] != codes[1]["head.solve"]


CHILD = """
import sys
sys.path.insert(0, {folder!r})
import zoo
from conftest import TinyPlugin
from zoo.plugins import load_catalog
catalog = load_catalog(only=[], extra=[TinyPlugin])
for head in {heads!r}:
    run = zoo.fit(sys.argv[1], backbone="tiny", head=head, policy="lp-ft", epochs=2, store="s", catalog=catalog)
    assert run.record.history[0].learning_rate == 0 and run.receipt.verdict in ("PASS", "WARN"), head
    assert run.record.validation.accuracy > 0.6, run.record.validation
print("done")
"""


@pytest.mark.backends
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_solved_on_other_backends(backend: str, photos: Path, tmp_path: Path) -> None:
    """On JAX and torch too a solved phase comes first and steps follow."""
    pytest.importorskip(backend)
    folder = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120 - a text for the child
    done = subprocess.run(
        [sys.executable, "-c", CHILD.format(folder=folder, heads=HEADS), str(photos)],
        env={**os.environ, "KERAS_BACKEND": backend, "ZOO_LOAD_PLUGINS": ""},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["done"]
