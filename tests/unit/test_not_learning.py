"""The rules that name why a row stays at chance: each from the facts that its cause leaves behind."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from zoo import not_learning
from zoo.explanations import Explanation
from zoo.records import dumps, loads
from zoo.run_facts import Facts, at_chance, trend_of
from zoo.values import EpochRecord, Scores


def epochs(
    losses: list[float],
    accuracies: list[float] | float = 0.5,
    *,
    val: float = 0.5,
    val_losses: list[float] | float = 0.7,
    rate: float = 1e-3,
) -> tuple[EpochRecord, ...]:
    """A history with these training losses; one accuracy or validation loss stands for all epochs."""
    flat = accuracies if isinstance(accuracies, list) else [accuracies] * len(losses)
    others = val_losses if isinstance(val_losses, list) else [val_losses] * len(losses)
    return tuple(
        EpochRecord("head", place, loss, accuracy, val_loss, val, val, rate, 0.1)
        for place, (loss, accuracy, val_loss) in enumerate(zip(losses, flat, others, strict=True), start=1)
    )


def scores(accuracy: float = 0.5, n: int = 200) -> Scores:
    """Of two classes, with equal recalls."""
    return Scores(n, accuracy, accuracy, 0.7, (accuracy, accuracy))


SETTLED = epochs([0.70, 0.694, 0.693, 0.694, 0.693, 0.694, 0.693, 0.694, 0.693, 0.694])

PLAIN = Facts(
    classes=("clean", "damaged"),
    n_train=800,
    train_majority=0.5,
    majority=0.5,
    history=SETTLED,
    epochs=10,
    patience=5,
    validation=scores(),
    answered=(0.45, 0.55),
    best_epoch=10,
    head_change=0.6,
    learning_rate=1e-3,
    steps=250,
    simple={"thumbnails": 0.5, "features": 0.5},
)
"""A row at chance that was trained in earnest."""


def first(**changes: object) -> str:
    """The likeliest cause with some facts changed."""
    return not_learning.explain(replace(PLAIN, **changes)).causes[0].name  # type: ignore[arg-type]


def names(**changes: object) -> list[str]:
    """All causes that are told."""
    return [cause.name for cause in not_learning.explain(replace(PLAIN, **changes)).causes]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cause", "changes"),
    [
        ("wrong input", {"wrong_input": "the pictures look as if divided by 255 twice"}),
        ("learning rate too high", {"history": epochs([90.0, 40.0, 55.0, 35.0]), "learning_rate": 10.0, "epochs": 4}),
        ("learning rate too high", {"history": (), "validation": None, "diverged": "The loss became nan."}),
        ("learning rate too low", {"head_change": 0.0004, "learning_rate": 1e-6}),
        (
            "moving statistics lag",
            {
                "history": epochs([0.6, 0.3, 0.2], [0.7, 0.9, 0.95]),
                "epochs": 3,
                "momenta": {"bn": 0.999},
                "adapting_steps": 60,
                "inference_accuracy": 0.5,
                "answered": (1.0, 0.0),
                "best_epoch": 3,
            },
        ),
        ("patience too short", {"history": epochs([0.72, 0.68], 0.55), "epochs": 60, "patience": 1, "best_epoch": 1}),
        ("too few epochs", {"history": epochs([0.72, 0.69, 0.66]), "epochs": 3, "best_epoch": 3}),
        ("features do not separate", {}),
        ("labels", {"history": epochs([0.6, 0.3, 0.1], [0.7, 0.9, 1.0]), "epochs": 3, "best_epoch": 3}),
        (
            "overfitting",
            {
                "history": epochs([0.6, 0.3, 0.1], [0.7, 0.9, 1.0]),
                "epochs": 3,
                "best_epoch": 3,
                "simple": {"features": 0.8},
            },
        ),
        (
            "one class only",
            {
                "answered": (1.0, 0.0),
                "majority": 0.9,
                "train_majority": 0.9,
                "simple": {"features": 0.98},
                "validation": Scores(200, 0.9, 0.5, 0.3, (1.0, 0.0)),
            },
        ),
        ("too few pictures", {"validation": scores(0.7, n=20), "simple": {"features": 0.8}}),
    ],
)
def test_each_cause_is_named_from_what_it_leaves_behind(cause: str, changes: dict[str, object]) -> None:
    """One fact is changed in a row at chance, and the cause that goes with it comes first."""
    assert first(**changes) == cause


def test_without_a_signal_nothing_is_made_up() -> None:
    """A row that fits no rule gets `unknown`, with what was measured and something to try."""
    found = not_learning.explain(replace(PLAIN, simple={"features": 0.8}))
    assert [cause.name for cause in found.causes] == ["unknown"]
    assert found.line.startswith("no single cause stands out")
    assert found.causes[0].remedy


def test_ambiguity_is_said() -> None:
    """Labels that no features see, and features that see no labels, look the same: both are named."""
    assert {"features do not separate", "labels"} <= set(names(simple={"features": 0.5}))
    line = not_learning.explain(PLAIN).line
    assert "most likely features do not separate" in line
    assert "Not excluded: labels" in line


def test_a_head_that_hardly_moved_had_no_rate_that_is_too_high() -> None:
    """A training loss that wanders around guessing is not blamed on a high rate if the weights stood still."""
    history = epochs([0.69, 0.72, 0.70, 0.73])
    assert "learning rate too high" in names(history=history, epochs=4)
    assert "learning rate too high" not in names(history=history, epochs=4, head_change=0.001)


def test_a_run_that_ended_early_is_not_blamed_for_a_low_rate() -> None:
    """What the head would have moved in all its epochs decides, not what it moved before patience ended it."""
    history = epochs([0.72, 0.70], val_losses=[0.71, 0.70])
    short = {"history": history, "epochs": 60, "patience": 1, "head_change": 0.01, "best_epoch": 1}
    assert first(**short) == "patience too short"
    assert first(**{**short, "head_change": 1e-5}) == "learning rate too low"


def test_a_short_run_is_too_short_before_its_rate_is_wrong() -> None:
    """Two epochs whose loss wanders around that of guessing say nothing of the rate; many steps do."""
    short = {"history": epochs([0.75, 0.78]), "epochs": 2, "steps": 20, "best_epoch": 2}
    assert first(**short) == "too few epochs"
    assert "learning rate too high" not in names(**short)
    assert "20 steps of the optimiser in 2 epochs" in not_learning.explain(replace(PLAIN, **short)).line  # type: ignore[arg-type]
    assert first(**{**short, "history": epochs([9.0, 8.0])}) == "learning rate too high"


def test_patience_of_one_is_named_whatever_the_loss_did() -> None:
    """After two of sixty epochs nobody can tell; with a patience of five and falling losses neither."""
    early = {"history": epochs([0.70, 0.71]), "epochs": 60, "patience": 1, "best_epoch": 1, "steps": 20}
    assert first(**early) == "patience too short"
    later = {"history": epochs([0.72, 0.71, 0.70, 0.69, 0.68, 0.67]), "epochs": 60, "patience": 5, "best_epoch": 1}
    assert first(**later) == "patience too short"


def test_what_is_not_known_by_heart_is_not_overfitted() -> None:
    """A training accuracy of 0.62 with validation at chance is on its way, not at its end."""
    on_its_way = {"history": epochs([0.69, 0.66], 0.62), "epochs": 2, "best_epoch": 2, "simple": {"features": 0.8}}
    assert "overfitting" not in names(**on_its_way)


def test_lag_is_not_named_when_the_network_sees_its_training_pictures() -> None:
    """With enough steps and the same accuracy in both modes it is labels, whatever the momentum."""
    history = epochs([0.6, 0.3, 0.1], [0.7, 0.9, 1.0])
    facts = {"history": history, "epochs": 3, "best_epoch": 3, "momenta": {"bn": 0.9}, "inference_accuracy": 1.0}
    assert first(**facts, adapting_steps=500) == "labels"
    assert "moving statistics lag" not in names(**facts, adapting_steps=500)


def test_contradictions_count_for_labels() -> None:
    """Identical pictures with different labels are told with their number."""
    found = not_learning.explain(replace(PLAIN, simple={}, conflicts=7))
    told = {cause.name: cause for cause in found.causes}
    assert "7 groups of identical pictures have different labels" in told["labels"].measurement
    assert told["labels"].figures["conflicts"] == 7.0


def test_every_measurement_has_a_figure_and_every_remedy_is_there() -> None:
    """A cause without a measurement would be an opinion."""
    for facts in (PLAIN, replace(PLAIN, head_change=0.0004), replace(PLAIN, validation=scores(0.62, n=40))):
        for cause in not_learning.explain(facts).causes:
            assert any(character.isdigit() for character in cause.measurement), cause
            assert not cause.measurement.endswith(".")
            assert cause.remedy.endswith(".")
            assert 0 < cause.weight <= 1


def test_chance_is_told_from_learning() -> None:
    """Noise does not count as learning, a clear lead does; balanced accuracy can save a row below the majority."""
    flat = epochs([0.7] * 10)
    assert at_chance(scores(0.5), 0.5, flat)
    assert at_chance(scores(0.58), 0.5, flat)  # the best of ten epochs, 200 pictures
    assert not at_chance(scores(0.75), 0.5, flat)
    assert not at_chance(scores(0.56, n=2000), 0.5, epochs([0.7], val=0.56))
    below = Scores(1000, 0.85, 0.8, 0.4, (0.86, 0.74))
    assert not at_chance(below, 0.9, epochs([0.3], val=0.85))
    assert at_chance(Scores(1000, 0.9, 0.5, 0.4, (1.0, 0.0)), 0.9, epochs([0.3], val=0.5))


def test_the_best_of_many_epochs_needs_a_median_too() -> None:
    """One lucky epoch among ten is noise; ten epochs that are all a little better are not."""
    n = 400
    lucky = epochs([0.7] * 10)
    steady = epochs([0.7] * 10, val=0.56)
    assert at_chance(scores(0.56, n), 0.5, lucky)
    assert not at_chance(scores(0.56, n), 0.5, steady)


def test_a_course_falls_only_beyond_its_noise() -> None:
    """The slope of the later half, in losses an epoch, and the epochs that it needs."""
    falling = trend_of((1.0, 0.9, 0.8, 0.7))
    assert falling is not None
    assert falling.falls
    assert falling.fall == pytest.approx(0.1)
    assert falling.epochs_to(0.2) == pytest.approx(5.0)
    wandering = trend_of((0.70, 0.69, 0.71, 0.69, 0.71, 0.69, 0.70, 0.695))
    assert wandering is not None
    assert not wandering.falls
    assert trend_of((0.7,)) is None
    flat = trend_of((0.7, 0.7))
    assert flat is not None
    assert math.isinf(flat.epochs_to(0.1))


def test_an_explanation_survives_the_store() -> None:
    """Written as JSON and read again it is equal, figures and all."""
    found = not_learning.explain(PLAIN)
    assert loads(Explanation, dumps(found)) == found


def test_in_a_few_steps_no_rate_is_too_low() -> None:
    """Two epochs of one step each at the rate of the policy: what is missing are steps, whatever the head moved."""
    few = {"history": epochs([0.7, 0.699]), "epochs": 2, "best_epoch": 2, "steps": 2, "head_change": 0.002}
    assert names(**few)[0] == "too few epochs"
    assert "learning rate too low" not in names(**few)
    assert names(**{**few, "steps": 50})[0] == "learning rate too low"
    blamed = not_learning._rate_too_low(replace(PLAIN, **few))  # type: ignore[arg-type]
    assert blamed is not None
    assert blamed.weight <= 0.3
