"""Optimiser, decay, schedule and precision of a recipe: what reaches the training."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

import keras
import numpy as np
import pytest

import zoo
from zoo.artefact import load_model
from zoo.backend import is_accelerated
from zoo.building import plan_phases
from zoo.compiling import compile_tail
from zoo.contracts import Phase
from zoo.errors import DivergedError
from zoo.forward import value_of
from zoo.optimiser import WeightRule, _keras_kind, blockwise, optimiser_of
from zoo.precision import building_in, dtype_policy, precision_note
from zoo.proof import early_notes
from zoo.schedules import RATE_FACTORS
from zoo.settings import OPTIONS
from zoo.store import Store
from zoo.values import Optimiser

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Bench

    from zoo.registry import Catalog

KINDS = {"adam": "Adam", "adamw": "Adam", "sgd": "SGD", "rmsprop": "RMSprop", "lion": "Lion"}
PLAIN = Phase(name="p", epochs=1, learning_rate=0.01, open_blocks=4)


def test_every_optimiser_has_a_factor_for_the_policys_rates(bench: Bench) -> None:
    """They are meant for Adam; a rate that is given is taken as it is."""
    assert set(RATE_FACTORS) == set(get_args(Optimiser)) == set(KINDS)
    assert RATE_FACTORS["adam"] == 1
    for name, factor in RATE_FACTORS.items():
        recipe = bench.recipe("lp-ft", optimiser=name, epochs=3)
        own = plan_phases(replace(recipe, optimiser="adam"), bench.catalog, blocks=4)
        for phase, plain in zip(plan_phases(recipe, bench.catalog, blocks=4), own, strict=True):
            assert phase.learning_rate == pytest.approx(factor * plain.learning_rate)
        given = plan_phases(replace(recipe, learning_rate=0.5), bench.catalog, blocks=4)
        assert max(phase.learning_rate for phase in given) == 0.5


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one-cycle"])
def test_a_schedule_goes_over_that_of_every_phase(bench: Bench, schedule: str) -> None:
    """And nothing else of the phases changes; `policy` leaves them alone."""
    own = plan_phases(bench.recipe("fine-tune", epochs=4), bench.catalog, blocks=4)
    over = plan_phases(bench.recipe("fine-tune", epochs=4, schedule=schedule), bench.catalog, blocks=4)
    assert {phase.schedule for phase in over} == {schedule}
    assert tuple(replace(phase, schedule=plain.schedule) for phase, plain in zip(over, own, strict=True)) == own


@pytest.mark.parametrize("name", list(KINDS))
def test_a_plain_phase_gets_keras_own_optimiser(bench: Bench, name: Any) -> None:
    """Without factor, decay or average nothing of ours is before it; SGD has Nesterov's momentum of 0.9."""
    assembly = bench.build(bench.recipe("unfreeze-all")).assembly
    found = optimiser_of(assembly, PLAIN, name=name, accumulate=3)
    assert type(found) is _keras_kind(name)[0]
    assert isinstance(found, getattr(keras.optimizers, KINDS[name]))
    assert found.gradient_accumulation_steps == 3
    if name == "sgd":
        assert (found.momentum, found.nesterov) == (0.9, True)
    changed = optimiser_of(assembly, PLAIN, name=name, ema=0.5)
    assert type(changed) is blockwise(_keras_kind(name)[0])


def test_pitfall_18_each_phase_of_each_run_has_an_optimiser_of_its_own(bench: Bench) -> None:
    """Two phases of one network, and the same phase of another, never share an object or a slot."""
    recipe = bench.recipe("unfreeze-all", ema=0.9, weight_decay=0.1)
    seen = []
    for _ in range(2):
        assembly = bench.build(recipe).assembly
        for _ in range(2):
            with assembly.opened(PLAIN) as tail:
                compile_tail(tail, assembly, PLAIN, recipe)
                seen.append(tail.optimizer)
                slots = [value_of(variable) for variable in tail.optimizer.variables if "velocity" in variable.path]
                assert slots
                assert not any(slot.any() for slot in slots)
    assert len({id(optimiser) for optimiser in seen}) == 4
    variables = [id(variable) for optimiser in seen for variable in optimiser.variables]
    assert len(variables) == len(set(variables))


def test_decay_takes_kernels_and_spares_biases_gammas_and_betas(bench: Bench) -> None:
    """Every weight with two or more dimensions that is no part of a BatchNorm layer decays, in the head, too."""
    assembly = bench.build(bench.recipe("unfreeze-all")).assembly
    optimiser = optimiser_of(assembly, PLAIN, weight_decay=0.25)
    weights = [weight for weight in assembly.weights if weight.trainable]
    optimiser.build([weight.variable for weight in weights])
    decays = {weight.path: decay for weight, decay in zip(weights, optimiser._decays, strict=True)}
    assert {path for path, decay in decays.items() if decay} == {path for path in decays if path.endswith("kernel")}
    assert set(decays.values()) == {0.0, 0.25}
    assert {path.rpartition("/")[2] for path, decay in decays.items() if not decay} == {"bias", "gamma", "beta"}


def test_decay_is_that_of_adamw() -> None:
    """Five steps as Keras' AdamW makes them, and with a factor the decay is scaled with the step."""
    draw = np.random.default_rng(0)
    start = draw.normal(size=(3, 2)).astype(np.float32)
    slopes = draw.normal(size=(5, 3, 2)).astype(np.float32)

    def run(optimiser: Any, variable: Any) -> np.ndarray:
        optimiser.build([variable])
        for slope in slopes:
            optimiser.apply([keras.ops.convert_to_tensor(slope)], [variable])
        return value_of(variable)

    expected = run(keras.optimizers.AdamW(0.01, weight_decay=0.3), keras.Variable(start))
    mine = keras.Variable(start)
    found = run(blockwise(keras.optimizers.Adam)(0.01, rules={id(mine): WeightRule(decay=0.3)}), mine)
    assert found == pytest.approx(expected, rel=1e-5)
    still = keras.Variable(start)
    rule = WeightRule(factor=0.0, decay=0.3)
    assert run(blockwise(keras.optimizers.Adam)(0.01, rules={id(still): rule}), still).tobytes() == start.tobytes()


def test_adamw_without_decay_is_said(bench: Bench) -> None:
    """It is adam then, which nobody who asks for it expects."""
    for recipe, said in ((bench.recipe(optimiser="adamw"), True), (bench.recipe(optimiser="adam"), False)):
        notes = early_notes(recipe, bench.build(recipe), 48)
        assert any("adamw without weight_decay is adam" in note for note in notes) is said


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_features_of_a_prefix_in_mixed_precision_train_the_head(bench: Bench, precision: str) -> None:
    """Frozen features have the type's size, the head computes in float32, and the loss falls."""
    recipe = bench.recipe(precision=precision, learning_rate=0.05, epochs=4, patience=None)
    built = bench.build(recipe)
    from zoo.prefix import FeatureCache

    features = FeatureCache().features((built.assembly.prefix(4),), bench.pixels, key="k")
    assert features.stored is not None
    assert [str(tensor.dtype) for tensor in features.stored] == [precision]
    assert built.assembly.model.output.dtype == "float32"
    history = bench.train(built, recipe).history
    assert history[-1].loss < history[0].loss


def test_only_backbones_are_built_in_mixed_precision(bench: Bench) -> None:
    """Head and augmentation keep float32, and the global policy is float32 again."""
    built = bench.build(bench.recipe(precision="bfloat16", backbone="scratch-cnn:size=32"))
    for block in built.assembly.blocks:
        for leaf in block.leaves:
            assert leaf.dtype_policy.name == "mixed_bfloat16", leaf.name
    head = [weight.layer for weight in built.assembly.weights if weight.block == len(built.assembly.blocks)]
    assert {layer.dtype_policy.name for layer in head} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"


def test_pitfall_76_a_policy_is_given_back_also_after_an_error() -> None:
    """Whatever goes wrong while a backbone is built."""

    def fail() -> None:
        assert keras.config.dtype_policy().name == dtype_policy("float16") == "mixed_float16"
        raise RuntimeError

    with pytest.raises(RuntimeError), building_in("float16"):
        fail()
    assert keras.config.dtype_policy().name == "float32"


def test_pitfall_83_a_loss_that_is_not_finite_ends_the_run_in_mixed_precision(bench: Bench) -> None:
    """Loss scaling leaves out steps that overflow, but does not hide a loss that is no number."""
    recipe = bench.recipe("unfreeze-all", precision="float16", epochs=2)
    built = bench.build(recipe)
    kernel = next(weight for weight in built.assembly.weights if weight.path == "head_logits/kernel")
    kernel.variable.assign(np.full(kernel.variable.shape, np.nan, np.float32))
    with pytest.raises(DivergedError, match="nan"):
        bench.train(built, recipe)


def test_a_precision_that_gains_nothing_on_a_cpu_is_said(bench: Bench) -> None:
    """Before the run begins, for both 16-bit types, and not where there is something faster than a CPU."""
    for precision in ("bfloat16", "float16"):
        recipe = bench.recipe(precision=precision)
        said = any(precision in note for note in early_notes(recipe, bench.build(recipe), 48))
        assert said is not is_accelerated()
        assert precision_note(precision, accelerated=True) == ""  # type: ignore[arg-type]
    assert precision_note("float32", accelerated=False) == ""


def test_pitfall_76_every_row_of_a_grid_has_the_precision(photos: Path, tmp_path: Path, catalog: Catalog) -> None:
    """Not the first row only: the backbone of each saved model computes in bfloat16, and the board tells rows apart."""
    options: dict[str, Any] = {"backbones": ["tiny"], "epochs": 1, "batch_size": 8, "store": tmp_path}
    policies = ["freeze-all", "bn-affine", "unfreeze-all"]
    board = zoo.compare(
        photos, **options, policies=policies, precision="bfloat16", observe=lambda _: None, catalog=catalog
    )
    assert len(board.rows) >= 3
    folders = sorted((tmp_path / "runs").iterdir())
    assert len(folders) == 3
    for folder in folders:
        model = load_model(folder)
        kinds = {layer.compute_dtype for layer in model.layers if layer.weights and layer.name != "head"}
        assert kinds == {"bfloat16"}
        assert model.output.dtype == "float32"
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        assert card["dtype_policies"] == {"backbone": "mixed_bfloat16", "head": "float32"}
        assert card["recipe"]["precision"] == "bfloat16"


def test_pitfall_78_patience_starts_anew_in_each_run_and_phase(bench: Bench) -> None:
    """A second training stops where it stops when it is alone; nothing counts epochs across runs or phases."""
    recipe = bench.recipe("lp-ft:head_epochs=3", epochs=6, patience=1, learning_rate=1e-30)
    lengths = [[epoch.phase for epoch in bench.train(bench.build(recipe), recipe).history] for _ in range(2)]
    assert lengths[0] == lengths[1]
    assert len(set(lengths[0])) == 2
    assert len(lengths[0]) == 4  # an epoch that is the best of its phase, and one that is not, twice


def test_stored_runs_of_version_1_are_read(photos: Path, tmp_path: Path, catalog: Catalog) -> None:
    """A run whose recipe was stored before the options existed is found, with all of them off, and is not repeated."""
    options: dict[str, Any] = {"backbone": "tiny", "policy": "freeze-all", "epochs": 1, "batch_size": 8}
    options |= {"store": tmp_path, "observe": lambda _: None, "catalog": catalog}
    first = zoo.fit(photos, **options)
    with contextlib.closing(sqlite3.connect(tmp_path / "zoo.sqlite")) as database, database:
        ((text,),) = database.execute("SELECT record FROM runs").fetchall()
        record = json.loads(text)
        for name in OPTIONS:
            del record["recipe"][name]
        database.execute("UPDATE runs SET record = ?", (json.dumps(record),))
    with Store(tmp_path) as store:
        assert store.get(first.id).recipe == first.recipe
    assert zoo.fit(photos, **options).id == first.id
    assert zoo.fit(photos, **options, ema=0.5).id != first.id
