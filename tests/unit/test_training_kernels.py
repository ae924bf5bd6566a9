"""What layers wear for the time of a phase changes no gradient, no statistic and no result of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

from zoo.forward import value_of
from zoo.fused import AdaptingBatchNormalization, FixedBatchNormalization
from zoo.padded import PaddingDepthwiseConv2D
from zoo.pointwise import PointwiseConv2D

if TYPE_CHECKING:
    from conftest import Bench

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the kernels are TensorFlow's")

TOLERANCE = 2e-4
"""Largest difference of a gradient from stock Keras, relative to the largest entry of that gradient, float32."""

WORN = (AdaptingBatchNormalization, FixedBatchNormalization, PaddingDepthwiseConv2D, PointwiseConv2D)
POLICIES = ("bn-affine", "bn-trainable:stats=moving", "unfreeze-all", "bias-only")


@pytest.fixture(params=["tiny", "scratch-cnn:size=32"])
def backbone(request: pytest.FixtureRequest) -> str:
    """A small network."""
    return str(request.param)


@pytest.fixture(autouse=True)
def onednn(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where TensorFlow has oneDNN's kernels; what is computed is the same without."""
    monkeypatch.setattr("zoo.assembly.computes_with_onednn", lambda: True)


def stock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers wear none of the replacements any more, and Adam is Keras' own."""
    monkeypatch.setattr("zoo.assembly.computes_with_onednn", lambda: False)
    monkeypatch.setattr("zoo.assembly.can_fuse", lambda _: False)
    monkeypatch.setattr("zoo.assembly.padded_pairs", lambda _: [])
    for module in ("folded", "optimiser"):
        monkeypatch.setattr(f"zoo.{module}.computes_on_cpu", lambda: False)


def step(bench: Bench, policy: str, backbone: str, *, shift: float = 0.0) -> tuple[dict[str, np.ndarray], set[type]]:
    """Logits, the gradients of all open weights and all statistics after a step in training; what layers wore."""
    built = bench.build(bench.recipe(policy, backbone=backbone, head="gap:dropout=0.0"))
    size = built.assembly.model.input_shape[1]
    pictures = np.random.default_rng(5).integers(0, 256, (8, size, size, 3)).astype("float32") + shift
    with built.assembly.opened(built.phases[-1]) as tail:
        wore = {type(leaf) for block in built.assembly.blocks for leaf in block.leaves}
        with tf.GradientTape() as tape:
            logits = tail(pictures, training=True)
            loss = tf.reduce_sum(logits[:, 0] - logits[:, 1])
        weights = {weight.path: weight.value for weight in tail.trainable_variables}
        gradients = dict(zip(weights, tape.gradient(loss, list(weights.values())), strict=True))
    found = {name: np.asarray(value) for name, value in {"logits": logits, **gradients}.items()}
    return found | {w.path: value_of(w.variable) for w in built.assembly.weights if w.role == "statistic"}, wore


def compare(bench: Bench, policy: str, backbone: str, monkeypatch: pytest.MonkeyPatch) -> set[type]:
    """Holds a step to that of stock Keras; returns the replacements that it used."""
    found, wore = step(bench, policy, backbone)
    stock(monkeypatch)
    expected, plain = step(bench, policy, backbone)
    assert not plain & set(WORN)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        scale = max(1e-3, float(np.abs(value).max()))
        assert np.abs(found[name] - value).max() <= TOLERANCE * scale, name
    return wore & set(WORN)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_step_equals_stock_keras(bench: Bench, policy: str, backbone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logits, all gradients and all statistics agree with stock Keras within the tolerance."""
    normal = AdaptingBatchNormalization if policy == "bn-trainable:stats=moving" else FixedBatchNormalization
    assert normal in compare(bench, policy, backbone, monkeypatch)


def distance(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> float:
    """Largest difference of any array, each relative to its length."""
    return max(
        float(np.linalg.norm(value - other[name]) / max(1e-3, np.linalg.norm(value))) for name, value in one.items()
    )


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES[:3])
@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("mobilenetv2:weights=none", {PaddingDepthwiseConv2D, PointwiseConv2D}),
        ("resnet50:weights=none", {PointwiseConv2D}),
        ("densenet121:weights=none", {PointwiseConv2D}),
        ("efficientnetb0:weights=none", {PaddingDepthwiseConv2D, PointwiseConv2D}),
    ],
)
def test_a_step_of_a_large_backbone_equals_stock_keras(
    bench: Bench, name: str, wanted: set[type], policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step is as far from stock Keras as rounding makes it.

    A deep network without training enlarges roundings a thousandfold where BatchNorm follows the batch. So the measure
    is what pictures that are brighter by 1e-4 of 255 grey levels do to a step of stock Keras.
    """
    found, wore = step(bench, policy, name)
    stock(monkeypatch)
    expected, _ = step(bench, policy, name)
    nearby, _ = step(bench, policy, name, shift=1e-4)
    assert wanted <= wore
    assert found.keys() == expected.keys()
    assert distance(expected, found) <= max(TOLERANCE, 3 * distance(expected, nearby))


@pytest.mark.parametrize("policy", ["bn-affine", "unfreeze-all"])
def test_a_training_equals_stock_keras(bench: Bench, policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three epochs on fixed statistics: losses within 1e-3, accuracies within one picture."""
    recipe = bench.recipe(policy, head="gap:dropout=0.0", epochs=3)
    found = bench.train(bench.build(recipe), recipe).history
    stock(monkeypatch)
    for one, other in zip(found, bench.train(bench.build(recipe), recipe).history, strict=True):
        assert one.loss == pytest.approx(other.loss, abs=1e-3)
        assert one.val_loss == pytest.approx(other.val_loss, abs=1e-3)
        assert abs(one.val_accuracy - other.val_accuracy) <= 1 / 16 + 1e-9


def test_layers_are_stock_keras_after_a_phase(bench: Bench) -> None:
    """Every layer has the class that it had, and a frozen network wears nothing."""
    built = bench.build(bench.recipe("unfreeze-all"))
    leaves: list[Any] = [leaf for block in built.assembly.blocks for leaf in block.leaves]
    before = [type(leaf) for leaf in leaves]
    with built.assembly.opened(built.phases[0]):
        assert [type(leaf) for leaf in leaves] != before
    assert [type(leaf) for leaf in leaves] == before
    frozen = bench.build(bench.recipe("freeze-all"))
    with frozen.assembly.opened(frozen.phases[0]):
        worn = {type(leaf) for block in frozen.assembly.blocks for leaf in block.leaves}
    assert not worn & set(WORN)
