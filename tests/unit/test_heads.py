"""The built-in heads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

from zoo.builtin import head_flatten, head_gap
from zoo.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.contracts import Head

HEADS: dict[str, Head] = {head.name: head for head in (*head_gap.zoo_heads(), *head_flatten.zoo_heads())}


@pytest.fixture
def features() -> np.ndarray[Any, np.dtype[np.float32]]:
    """Feature maps of three pictures, 4 by 5 places, 6 channels."""
    return np.random.default_rng(0).normal(size=(3, 4, 5, 6)).astype("float32")


@pytest.fixture
def half_precision() -> Iterator[None]:
    """The global policy that mixed-precision training sets, put back afterwards."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


def names(model: Any) -> list[str]:
    """Names of a model's layers, without the input's."""
    return [layer.name for layer in model.layers[1:]]


def test_gap_is_the_mean_over_places_times_a_matrix(features: np.ndarray[Any, Any]) -> None:
    """In inference: logits = mean over height and width · kernel + bias."""
    head = HEADS["gap"].build((4, 5, 6), 3)
    kernel, bias = (keras.ops.convert_to_numpy(weight) for weight in head.get_layer("head_logits").weights)
    expected = features.mean(axis=(1, 2)) @ kernel + (bias + 0)
    np.testing.assert_allclose(head.predict(features, verbose=0), expected, rtol=1e-4, atol=1e-5)


def test_flatten_tells_places_apart_and_gap_does_not(features: np.ndarray[Any, Any]) -> None:
    """Mirrored features change the logits of flatten, and not those of gap."""
    mirrored = features[:, :, ::-1]
    for name, same in (("gap", True), ("flatten", False)):
        head = HEADS[name].build((4, 5, 6), 3)
        one, other = head.predict(features, verbose=0), head.predict(mirrored, verbose=0)
        assert np.allclose(one, other, atol=1e-5) is same


def test_layers_have_fixed_names() -> None:
    """However often a head is built, its layers are called the same, each with the prefix `head_`."""
    for _ in range(2):
        assert names(HEADS["gap"].build((4, 5, 6), 2)) == ["head_mean", "head_dropout", "head_logits"]
        assert names(HEADS["flatten"].build((4, 5, 6), 2, width=7)) == [
            "head_flatten",
            "head_hidden",
            "head_dropout",
            "head_logits",
        ]


@pytest.mark.parametrize("name", sorted(HEADS))
def test_no_dropout_leaves_the_layer_out(name: str) -> None:
    """dropout=0 builds no drop layer, so training and inference are the same function."""
    assert "head_dropout" not in names(HEADS[name].build((4, 5, 6), 2, dropout=0.0))


@pytest.mark.parametrize("name", sorted(HEADS))
def test_dropout_has_the_rate_that_was_asked_for(name: str) -> None:
    """The option reaches the layer, and its default is the declared one."""
    head = HEADS[name]
    declared = next(option.default for option in head.options if option.name == "dropout")
    assert head.build((4, 5, 6), 2).get_layer("head_dropout").rate == declared
    assert head.build((4, 5, 6), 2, dropout=0.5).get_layer("head_dropout").rate == 0.5


@pytest.mark.parametrize("width", [0, 8])
def test_flatten_has_a_hidden_layer_if_asked(width: int) -> None:
    """width=8 puts eight ReLU units before the logits; 0 none."""
    head = HEADS["flatten"].build((4, 5, 6), 3, width=width)
    expected = (4 * 5 * 6 + 1) * 8 + (8 + 1) * 3 if width else (4 * 5 * 6 + 1) * 3
    assert head.count_params() == expected


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("shape", [(6,), (4, 5, 6), (None, None, 6)], ids=["vector", "map", "any size"])
@pytest.mark.parametrize("name", sorted(HEADS))
def test_pitfall_37_heads_take_vectors_maps_and_unknown_sizes(
    name: str, shape: tuple[int | None, ...], classes: int
) -> None:
    """Only flatten with an unknown size is refused, with a sentence; all else gives one logit for each class."""
    if name == "flatten" and None in shape:
        with pytest.raises(ContractError, match="needs a known height and width") as caught:
            HEADS[name].build(shape, classes)
        assert "gap" in caught.value.hint
        return
    head = HEADS[name].build(shape, classes)
    batch = np.ones((2, *(side or 4 for side in shape)), "float32")
    assert head.predict(batch, verbose=0).shape == (2, classes)


@pytest.mark.parametrize("name", sorted(HEADS))
def test_pitfall_54_one_class_is_refused(name: str) -> None:
    """A single softmax output is always 1, so a head with one class is never built."""
    with pytest.raises(ContractError, match=f"Head '{name}' was asked for 1 classes"):
        HEADS[name].build((4, 5, 6), 1)


@pytest.mark.parametrize("shape", [(4, 5), (), (1, 2, 3, 4), (4, 5, None)], ids=str)
@pytest.mark.parametrize("name", sorted(HEADS))
def test_impossible_features_are_refused(name: str, shape: tuple[int | None, ...]) -> None:
    """Shapes that are neither a map nor a vector of known channels are named in the message."""
    with pytest.raises(ContractError, match="got features of shape") as caught:
        HEADS[name].build(shape, 2)
    assert str(shape) in caught.value.message


@pytest.mark.parametrize("name", sorted(HEADS))
def test_pitfall_82_logits_are_float32_under_mixed_precision(
    name: str, features: np.ndarray[Any, Any], half_precision: None
) -> None:
    """The global policy halves the head's other layers, never its output."""
    head = HEADS[name].build((4, 5, 6), 3, dropout=0.3)
    assert head.get_layer("head_dropout").compute_dtype == "bfloat16"
    assert keras.backend.standardize_dtype(head.output.dtype) == "float32"
    assert head.predict(features, verbose=0).dtype == np.float32


@pytest.mark.parametrize("name", sorted(HEADS))
def test_channels_first_as_global_format_changes_nothing(name: str, features: np.ndarray[Any, Any]) -> None:
    """Heads say themselves that channels come last."""
    expected = HEADS[name].build((4, 5, 6), 2)
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        other = HEADS[name].build((4, 5, 6), 2)
    finally:
        keras.config.set_image_data_format(before)
    other.set_weights(expected.get_weights())
    np.testing.assert_array_equal(other.predict(features, verbose=0), expected.predict(features, verbose=0))
