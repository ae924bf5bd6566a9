"""The learning-rate range test: its rule, its state, its file, and what the run does with it."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

import zoo
from zoo import range_test, training
from zoo.backend import clean_state
from zoo.contracts import Phase
from zoo.errors import RunFormatError
from zoo.events import RateTested
from zoo.forward import value_of
from zoo.range_test import FIRST, LAST, STEPS, middle_of_fall, unchanged
from zoo.rate_curve import FILE, RangeTest, read_curve, write_curve
from zoo.recipe import complete_augmentation

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Bench

    from zoo.registry import Catalog


def test_the_middle_of_the_longest_fall_is_chosen() -> None:
    """A short early fall does not count, single rises inside the long one do not end it."""
    rates = [10.0**power for power in range(-9, 3)]
    losses = [2.0, 1.9, 2.1, 2.0, 1.8, 1.6, 1.7, 1.4, 1.2, 1.0, 3.0, 9.0]
    assert middle_of_fall(rates, losses) == rates[5]  # 2.0 1.9 1.8 1.6 1.4 1.2 1.0, at 0 1 4 5 7 8 9: the fourth


@pytest.mark.parametrize("losses", [[], [1.0], [1.0] * 20, list(range(20)), [4.0, 3.0, 2.0, 1.0]])
def test_without_a_fall_nothing_is_chosen(losses: list[float]) -> None:
    """A flat or rising loss, or fewer than five falling steps, says nothing on rates."""
    assert middle_of_fall([1.0] * len(losses), losses) is None


def _tested(bench: Bench, **changes: Any) -> tuple[RangeTest, Any, Any]:
    events: list[Any] = []
    recipe = bench.recipe(**{"learning_rate": "auto", "epochs": 1, "batch_size": 8, **changes})
    built = bench.build(recipe)
    with clean_state(recipe.seed):
        trained = bench.train(built, recipe, observe=events.append)
    return next(event.test for event in events if isinstance(event, RateTested)), trained, built


def test_rates_grow_by_a_constant_factor_from_1e6_to_10(bench: Bench) -> None:
    """At most 100 steps; the smoothed loss is the bias-corrected average; the chosen rate is one that was tried."""
    test, trained, _ = _tested(bench)
    assert len(test.rates) == len(test.losses) == len(test.smoothed) <= STEPS
    expected = np.geomspace(FIRST, LAST, STEPS)[: len(test.rates)]
    assert np.allclose(test.rates, expected, rtol=1e-6)
    total = 0.0
    for number, loss in enumerate(test.losses, start=1):
        total = 0.9 * total + 0.1 * loss
        assert test.smoothed[number - 1] == pytest.approx(total / (1 - 0.9**number))
    assert test.chosen in test.rates
    assert [epoch.learning_rate for epoch in trained.history] == [pytest.approx(test.chosen)]
    assert f"the learning rate {test.chosen:.3g} was chosen by a range test" in trained.notes[0]


def test_it_repeats_bit_for_bit_and_depends_on_the_seed(bench: Bench) -> None:
    """Equal seeds, equal curves; another seed, another curve."""
    first, again, other = (_tested(bench, policy="bn-trainable", seed=seed)[0] for seed in (0, 0, 1))
    assert first == again
    assert first.losses != other.losses


@pytest.mark.parametrize("policy", ["bn-trainable", "bn-stats", "auto-rgn", "lora"])
def test_the_training_is_the_one_that_this_rate_would_have_given(bench: Bench, policy: str) -> None:
    """Weights, statistics, random states and optimiser are put back: the history is that of a rate given by hand."""
    test, trained, tested = _tested(bench, policy=policy, epochs=2)
    recipe = bench.recipe(policy, learning_rate=test.chosen, epochs=2, batch_size=8)
    by_hand = bench.build(recipe)
    with clean_state(recipe.seed):
        expected = bench.train(by_hand, recipe)
    for one, other in zip(trained.history, expected.history, strict=True):
        assert (one.loss, one.val_loss, one.accuracy) == (other.loss, other.val_loss, other.accuracy)
    for weight, same in zip(tested.assembly.weights, by_hand.assembly.weights, strict=True):
        assert value_of(weight.variable).tobytes() == value_of(same.variable).tobytes()


@pytest.mark.parametrize("augmentation", ["randaugment", "augmix", "mixup", "strong"])
def test_augmentations_draw_as_if_there_had_been_no_test(bench: Bench, augmentation: str) -> None:
    """Also those that draw from NumPy's generators, which are no Keras variables."""
    augmented = {"augmentation": complete_augmentation(bench.catalog, augmentation), "epochs": 1, "batch_size": 8}
    recipe = bench.recipe("bn-affine", learning_rate="auto", **augmented)
    built = bench.build(recipe)
    events: list[Any] = []
    with clean_state(0):
        trained = bench.train(built, recipe, augment=built.augment, observe=events.append)
    chosen = next(event.test for event in events if isinstance(event, RateTested)).chosen
    by_hand = bench.recipe("bn-affine", learning_rate=chosen, **augmented)
    again = bench.build(by_hand)
    with clean_state(0):
        expected = bench.train(again, by_hand, augment=again.augment)
    assert trained.history[0].loss == expected.history[0].loss


def test_a_solved_phase_does_not_count_for_the_rate_by_hand_either(bench: Bench) -> None:
    """The rate that the test chose for the phase after it leads, given as a number, to the same rates."""
    events: list[Any] = []
    recipe = bench.recipe("lp-ft", head="probe", learning_rate="auto", epochs=2, batch_size=8)
    built = bench.build(recipe)
    with clean_state(0):
        trained = bench.train(built, recipe, solve=built.solve, observe=events.append)
    chosen = next(event.test for event in events if isinstance(event, RateTested)).chosen
    assert trained.history[1].learning_rate == pytest.approx(chosen)
    by_hand = bench.build(bench.recipe("lp-ft", head="probe", learning_rate=chosen, epochs=2))
    assert by_hand.phases[1].learning_rate == pytest.approx(chosen)
    stepped = bench.build(bench.recipe("lp-ft", learning_rate=0.01, epochs=2))
    assert [phase.learning_rate for phase in stepped.phases] == pytest.approx([0.01, 0.0003])


def test_the_network_is_put_back_also_after_an_error(bench: Bench) -> None:
    """Every variable of the model, random states among them, has its bits again."""
    assembly = bench.build(bench.recipe("unfreeze-all")).assembly
    layer = keras.layers.Dropout(0.5)
    layer.build((None, 3))
    before = [value_of(variable).tobytes() for variable in (*assembly.model.variables, *layer.variables)]

    def spoil() -> None:
        for variable in (*assembly.model.variables, *layer.variables):
            variable.assign(value_of(variable) * 0 + 3)
        raise RuntimeError

    with pytest.raises(RuntimeError), unchanged(assembly, [layer], seed=0):
        spoil()
    assert [value_of(variable).tobytes() for variable in (*assembly.model.variables, *layer.variables)] == before


def test_the_phase_with_the_highest_rate_is_tried_and_the_others_keep_their_proportion(bench: Bench) -> None:
    """As with a rate that is given: the second phase has the highest, so it is tried, on the weights of the start."""
    phases = (
        Phase(name="warm", epochs=1, learning_rate=1e-4),
        Phase(name="main", epochs=1, learning_rate=1e-3, open_blocks=2),
        Phase(name="last", epochs=1, learning_rate=1e-3),
    )
    events: list[Any] = []
    recipe = bench.recipe(learning_rate="auto", epochs=3, batch_size=8)
    trained = bench.train(bench.build(recipe), recipe, phases=phases, observe=events.append)
    test = next(event.test for event in events if isinstance(event, RateTested))
    assert test.phase == "main"
    assert test.chosen is not None
    rates = [epoch.learning_rate for epoch in trained.history]
    assert rates == pytest.approx([0.1 * test.chosen, test.chosen, test.chosen], rel=1e-5)


def test_without_a_fall_the_policys_rates_are_used(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The note says so, and the rate is the policy's own."""
    monkeypatch.setattr(range_test, "middle_of_fall", lambda *_: None)
    test, trained, _ = _tested(bench)
    assert test.chosen is None
    assert "no rate at which the loss falls" in trained.notes[0]
    assert trained.history[0].learning_rate == 1e-3


def test_it_ends_where_the_loss_diverges(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """At four times the least smoothed loss, or at one that is not finite, which is not kept."""
    losses = iter([1.0] * 10 + [50.0, 60.0])
    monkeypatch.setattr(range_test, "take_step", lambda *_: (next(losses), 0.0))
    test, _, _ = _tested(bench)
    assert len(test.losses) == 11
    losses = iter([1.0, 0.9, math.nan])
    assert _tested(bench)[0].losses == (1.0, 0.9)


def test_a_run_keeps_its_curve(photos: Path, tmp_path: Path, catalog: Catalog) -> None:
    """In its folder, in Python, in the card and in its notes."""
    options: dict[str, Any] = {"backbone": "tiny", "policy": "freeze-all", "epochs": 1, "batch_size": 8}
    run = zoo.fit(photos, **options, learning_rate="auto", store=tmp_path, observe=lambda _: None, catalog=catalog)
    assert run.range_test == read_curve(run.folder)
    assert run.range_test is not None
    document = json.loads((run.folder / FILE).read_text(encoding="utf-8"))
    assert set(document) == {"phase", "rates", "losses", "smoothed", "chosen"}
    card = json.loads((run.folder / "card.json").read_text(encoding="utf-8"))
    assert card["range_test"]["chosen"] == document["chosen"] == run.range_test.chosen
    assert any("range test" in note for note in run.record.notes)
    plain = zoo.fit(photos, **options, store=tmp_path, observe=lambda _: None, catalog=catalog)
    assert plain.range_test is None


def test_a_damaged_curve_is_refused(tmp_path: Path) -> None:
    """What cannot be read is an error with a way out."""
    write_curve(RangeTest("p", (1e-6,), (1.0,), (1.0,), None), tmp_path)
    assert read_curve(tmp_path) == RangeTest("p", (1e-6,), (1.0,), (1.0,), None)
    (tmp_path / FILE).write_text("{", encoding="utf-8")
    with pytest.raises(RunFormatError, match=FILE):
        read_curve(tmp_path)


def test_a_given_rate_makes_no_test(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody pays for what was not asked for."""
    monkeypatch.setattr(training, "range_test", lambda *_: pytest.fail("tested"))
    recipe = bench.recipe(learning_rate=0.01, epochs=1)
    bench.train(bench.build(recipe), recipe)
