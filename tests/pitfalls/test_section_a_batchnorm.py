"""Pitfalls of section A: BatchNorm and freezing. Every test is named after its number in the specification."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

from zoo import statistics
from zoo.batching import order
from zoo.contracts import Phase
from zoo.errors import TrainingError
from zoo.forward import forward, value_of
from zoo.lag import lag_warning, not_learning, steps_needed, way_out
from zoo.prefix import FeatureCache
from zoo.proof import early_notes
from zoo.values import Scores, Side, Spec

if TYPE_CHECKING:
    from conftest import Bench

STILL = "gap:dropout=0.0"


def values(built: Any) -> list[np.ndarray]:
    """Every weight of a network, as it is now."""
    return [value_of(weight.variable) for weight in built.assembly.weights]


def test_pitfall_1_features_seen_in_fit_are_those_of_predict(bench: Bench) -> None:
    """Under freeze-all the loss of an epoch at a rate of almost nothing is the loss of an evaluation."""
    recipe = bench.recipe(head=STILL, epochs=1, learning_rate=1e-30)
    built = bench.build(recipe)
    sides = (bench.sides()[0], Side(bench.pixels, bench.labels, "same"))
    record = bench.train(built, recipe, sides=sides).history[0]
    assert record.loss == pytest.approx(record.val_loss, abs=1e-5)


@pytest.mark.parametrize("policy", ["unfreeze-top-k:k=2", "unfreeze-all", "bn-affine"])
def test_pitfall_2_statistics_stay_on_fixed_policies(bench: Bench, policy: str) -> None:
    """Every policy that does not say otherwise leaves moving means and variances bit for bit as they were."""
    recipe = bench.recipe(policy)
    built = bench.build(recipe)
    before = values(built)
    bench.train(built, recipe)
    for weight, old, new in zip(built.assembly.weights, before, values(built), strict=True):
        if weight.role == "statistic":
            assert old.tobytes() == new.tobytes(), weight.path


def test_pitfall_3_frozen_means_all_weights(bench: Bench) -> None:
    """Under freeze-all no weight or statistic of the backbone moves."""
    recipe = bench.recipe()
    built = bench.build(recipe)
    before = values(built)
    bench.train(built, recipe)
    head = len(built.assembly.blocks)
    pairs = zip(built.assembly.weights, before, values(built), strict=True)
    moved = {weight.path for weight, old, new in pairs if old.tobytes() != new.tobytes()}
    assert moved
    assert moved <= {weight.path for weight in built.assembly.weights if weight.block == head}


def test_pitfall_4_training_and_inference_agree_on_an_unlike_batch(bench: Bench) -> None:
    """With fixed statistics, a batch unlike all others has the same outputs in training and in inference mode."""
    recipe = bench.recipe("bn-affine", head=STILL)
    built = bench.build(recipe)
    odd = np.full((4, 16, 16, 3), 255, np.float32)
    with built.assembly.opened(built.phases[0]) as tail:
        pair = [keras.ops.convert_to_numpy(tail(odd, training=mode)) for mode in (True, False)]
    assert np.abs(pair[0] - pair[1]).max() <= 1e-6


def test_pitfall_5_too_few_steps_for_the_statistics_are_said(bench: Bench) -> None:
    """40 pictures, 3 epochs: a warning names BatchNorm, the steps and how many are needed; 300 steps are silent."""
    recipe = bench.recipe("bn-trainable:stats=moving", epochs=3, batch_size=32)
    note = early_notes(recipe, bench.build(recipe), 40)[0]
    assert note.startswith("Too few steps for the moving statistics of BatchNorm: 3 steps are planned")
    assert "about 300 are needed" in note
    long = bench.recipe("bn-trainable:stats=moving", epochs=300, batch_size=32)
    assert not any("BatchNorm" in text for text in early_notes(long, bench.build(long), 40))


@pytest.mark.parametrize(
    ("policy", "head", "told"),
    [
        ("bn-trainable", "gap", None),
        ("unfreeze-all", "gap", None),
        ("bn-trainable:stats=moving", "gap", "or take bn-trainable with stats=precise."),
        ("unfreeze-all:bn=adapting", "gap", "or take unfreeze-all with bn=fixed."),
        ("gradual:bn=adapting,stages=2", "gap", "or take gradual with bn=fixed."),
        ("from-scratch", "gap", "Train longer or use smaller batches."),
        ("freeze-all", "mlp", "or take a head without BatchNorm."),
        ("bn-trainable", "mlp", "or take a head without BatchNorm."),
    ],
)
def test_pitfall_5_the_remedy_is_one_that_the_policy_has(
    bench: Bench, policy: str, head: str, told: str | None
) -> None:
    """Where no statistic lags there is no warning; else it names what helps here, with random weights."""
    recipe = bench.recipe(policy, head=head, epochs=2)
    notes = [note for note in early_notes(recipe, bench.build(recipe), 40) if "moving statistics" in note]
    assert len(notes) == (told is not None)
    assert told is None or told in notes[0]


def test_pitfall_5_stored_statistics_are_a_way_out_where_there_are_some() -> None:
    """Policies that stay on them are named with pretrained weights only, and only for the backbone's layers."""
    moving, scratch = Spec("bn-trainable", (("stats", "moving"),)), Spec("from-scratch")
    for policy in (moving, scratch):
        assert "such as bn-affine" in way_out(policy, backbone=True, pretrained=True)
        assert "bn-affine" not in way_out(policy, backbone=True, pretrained=False)
        assert "bn-affine" not in way_out(policy, backbone=False, pretrained=True)


def test_pitfall_6_the_warning_knows_each_momentum() -> None:
    """0.999 needs 3,000 steps, 0.99 300, 0.9 30; the slowest layer decides."""
    assert [steps_needed(momentum) for momentum in (0.999, 0.99, 0.9)] == [3000, 300, 30]
    assert lag_warning({"a": 0.9, "b": 0.9}, steps=31, remedy="Wait.") == ""
    text = lag_warning({"a": 0.9, "b": 0.999}, steps=31, remedy="Wait.")
    assert "rises. Wait. That" in text
    assert "momentum 0.999 (1 of 2 layers) about 3000" in text


@pytest.mark.parametrize(("count", "batch"), [(17, 16), (33, 32), (5, 4), (64, 32)])
def test_pitfall_7_no_batch_of_one_reaches_training(count: int, batch: int) -> None:
    """All training batches are full, and over the epochs every picture is used equally often."""
    epochs = order(count, batch_size=batch, seed=0)
    seen = np.zeros(count, int)
    for _ in range(batch):
        for rows in next(epochs):
            assert len(rows) == batch
            np.add.at(seen, rows, 1)
    assert seen.min() == seen.max() == batch


def test_pitfall_7_predictions_come_for_all(bench: Bench) -> None:
    """Prediction drops nothing: 17 pictures, 17 rows, equal to those of single pictures."""
    built = bench.build(bench.recipe())
    model = built.assembly.deliverable()
    together = forward(model, [bench.pixels[:17]])[0]
    assert together.shape == (17, 2)
    alone = forward(model, [bench.pixels[16:17]])[0]
    assert np.abs(together[16:] - alone).max() <= 1e-6


@pytest.mark.parametrize("policy", ["bn-trainable", "bn-trainable:stats=moving"])
def test_pitfall_8_fewer_pictures_than_a_batch_still_train(bench: Bench, policy: str) -> None:
    """5 pictures with batches of 32: the batch is clipped, weights change, there is a loss."""
    recipe = bench.recipe(policy, batch_size=32)
    built = bench.build(recipe)
    before = values(built)
    side = Side(bench.pixels[:5], bench.labels[:5], "few")
    trained = bench.train(built, recipe, sides=(side, bench.sides()[1]))
    assert trained.steps == 2
    assert math.isfinite(trained.history[-1].loss)
    assert any(old.tobytes() != new.tobytes() for old, new in zip(before, values(built), strict=True))


def test_pitfall_8_one_picture_is_refused(bench: Bench) -> None:
    """A single training picture has no variance: an error says so."""
    recipe = bench.recipe("bn-trainable")
    side = Side(bench.pixels[:1], bench.labels[:1], "one")
    with pytest.raises(TrainingError, match="1 training picture is too few"):
        bench.train(bench.build(recipe), recipe, sides=(side, bench.sides()[1]))


def test_pitfall_11_a_later_phase_does_not_wake_batchnorm(bench: Bench) -> None:
    """All closed, then all open on fixed statistics: in the second phase no statistic moves."""
    phases = (
        Phase(name="head", epochs=1, learning_rate=1e-2),
        Phase(name="all", epochs=1, learning_rate=1e-2, open_blocks=4),
    )
    recipe = bench.recipe()
    built = bench.build(recipe)
    before = values(built)
    bench.train(built, recipe, phases=phases)
    for weight, old, new in zip(built.assembly.weights, before, values(built), strict=True):
        if weight.role == "statistic":
            assert old.tobytes() == new.tobytes(), weight.path


def test_pitfall_13_two_epochs_without_a_rate_have_one_loss(bench: Bench) -> None:
    """Drop layers of a frozen backbone are off: nothing random is left, so two epochs agree."""
    recipe = bench.recipe(head=STILL, learning_rate=1e-30)
    first, second = bench.train(bench.build(recipe), recipe).history
    assert first.loss == pytest.approx(second.loss, abs=1e-6)


def test_pitfall_13_cached_features_are_those_inside_fit(bench: Bench) -> None:
    """Training from the cache and from features computed anew in every step give the same history."""
    recipe = bench.recipe(head=STILL)
    kept = bench.train(bench.build(recipe), recipe, cache=FeatureCache())
    anew = bench.train(bench.build(recipe), recipe, cache=FeatureCache(limit=1))
    for one, other in zip(kept.history, anew.history, strict=True):
        assert one.loss == pytest.approx(other.loss, abs=1e-5)
        assert one.val_loss == pytest.approx(other.val_loss, abs=1e-5)


def test_pitfall_14_feature_layers_can_be_reached(bench: Bench) -> None:
    """From the delivered model the last convolution's activation can be had by its layer's name."""
    model = bench.build(bench.recipe()).assembly.deliverable()
    inner = keras.Model(model.input, model.get_layer("top_relu").output)
    assert inner.predict(bench.pixels[:3], verbose=0).shape == (3, 4, 4, 12)


def test_not_learning_in_inference_mode_has_a_cause() -> None:
    """Training accuracy 0.95 and validation 0.50 at 144 steps of momentum 0.99 is never a bare 0.50."""
    scores = Scores(n=160, accuracy=0.5, balanced_accuracy=0.5, loss=0.9, recalls=(1.0, 0.0))
    facts = {"validation": scores, "majority": 0.5, "momenta": {"bn": 0.99}, "steps": 144, "remedy": "Wait."}
    reason = not_learning(training_accuracy=0.95, **facts)
    assert "training accuracy 0.95 (batch statistics) but validation 0.50 (moving statistics)" in reason
    assert reason.endswith("need about 300 steps and had 144. Wait.")
    assert not_learning(training_accuracy=0.55, **facts) == ""
    assert not_learning(training_accuracy=0.95, **(facts | {"momenta": {}})) == ""


def test_a_judge_is_fed_the_validation_pictures_in_order(bench: Bench) -> None:
    """Scores of the history are those of the delivered model on the same pictures."""
    recipe = bench.recipe("unfreeze-all", epochs=1)
    built = bench.build(recipe)
    trained = bench.train(built, recipe)
    side = bench.sides()[1]
    again = statistics.score(forward(built.assembly.deliverable(), [side.pixels])[0], side.labels)
    assert again.loss == pytest.approx(trained.history[0].val_loss, abs=1e-5)
    assert again.accuracy == trained.history[0].val_accuracy
