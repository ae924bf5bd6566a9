"""What a convolution makes at some places is what it makes of the whole map, taken at these places."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from zoo import moments
from zoo.moments import Watch
from zoo.places import convolved_on_grid, is_cheap_on_grid, on_grid

CONVOLUTIONS: dict[str, Any] = {
    "one pixel": lambda: keras.layers.Conv2D(5, 1),
    "one pixel, strided": lambda: keras.layers.Conv2D(5, 1, strides=2, padding="same"),
    "same": lambda: keras.layers.Conv2D(5, 3, padding="same"),
    "same, strided": lambda: keras.layers.Conv2D(5, 3, strides=2, padding="same"),
    "valid": lambda: keras.layers.Conv2D(5, (3, 5), strides=(2, 1)),
    "dilated": lambda: keras.layers.Conv2D(5, 3, dilation_rate=(2, 3), padding="same"),
    "depthwise": lambda: keras.layers.DepthwiseConv2D(5, padding="same"),
    "depthwise, strided": lambda: keras.layers.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False),
}


@pytest.mark.parametrize("kind", CONVOLUTIONS)
@pytest.mark.parametrize("spans", [(40, 31), (17, 64)])
def test_a_convolution_on_the_grid_is_the_grid_of_the_convolution(kind: str, spans: tuple[int, int]) -> None:
    """All kernels, strides, paddings and dilations, at the borders too."""
    convolution = CONVOLUTIONS[kind]()
    draw = np.random.default_rng(1)
    inputs = draw.normal(1, 2, (3, *spans, 4)).astype(np.float32)
    made = convolution(inputs)
    if convolution.use_bias:
        convolution.bias.assign(draw.normal(size=convolution.bias.shape))
        made = convolution(inputs)
    expected, axis, places = on_grid(made, -1, 7)
    found = convolved_on_grid(convolution, keras.ops.convert_to_tensor(inputs), 7)
    assert found[1:] == (axis, places)
    np.testing.assert_allclose(*map(keras.ops.convert_to_numpy, (found[0], expected)), atol=1e-4)


def test_what_is_not_cheap_on_a_grid() -> None:
    """All places, small maps, unknown sizes, groups and multipliers; a large map with few windows is."""

    def cheap(layer: Any, height: int | None, side: int | None = 7) -> bool:
        entry = keras.Input((height, height, 4))
        return is_cheap_on_grid(layer, entry, layer(entry), side)

    assert cheap(keras.layers.Conv2D(4, 3), 64)
    assert not cheap(keras.layers.Conv2D(4, 3), 64, None)
    assert not cheap(keras.layers.Conv2D(4, 3), 16)
    assert not cheap(keras.layers.Conv2D(4, 3), None)
    assert not cheap(keras.layers.Conv2D(4, 3, groups=2), 64)
    assert not cheap(keras.layers.DepthwiseConv2D(3, depth_multiplier=2), 64)


def norm(name: str) -> Any:
    """A BatchNorm layer with weights and statistics that are no round numbers."""
    between = keras.initializers.RandomUniform
    return keras.layers.BatchNormalization(
        name=name,
        gamma_initializer=between(-1.4, 1.4, seed=1),
        beta_initializer=between(-1.4, 1.4, seed=2),
        moving_mean_initializer=between(-1.4, 1.4, seed=3),
        moving_variance_initializer=between(0.2, 1.4, seed=4),
    )


def network() -> Any:
    """Padding, a strided stem, a separable convolution, and two maps that are too small to gain anything."""
    entry = keras.Input((192, 192, 3))
    x = keras.layers.ZeroPadding2D(((0, 1), (0, 1)))(entry)
    x = keras.layers.Conv2D(8, 3, strides=2, use_bias=False)(x)
    x = keras.layers.ReLU(6.0)(norm("stem")(x))
    x = keras.layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
    x = keras.layers.DepthwiseConv2D(3, strides=2, use_bias=False)(x)
    x = keras.layers.ReLU(6.0)(norm("deep")(x))
    x = norm("point")(keras.layers.Conv2D(16, 1, use_bias=False)(x))
    x = keras.layers.Conv2D(16, 3, strides=4, padding="same")(x)
    x = keras.layers.Activation("relu")(norm("small")(x))
    return keras.Model(entry, norm("last")(x))


def test_a_watch_sees_the_same_where_batch_norm_is_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Means, squares, activations and features agree to 1e-4 of their spread, for each layer in its order."""
    model = network()
    pictures = np.random.default_rng(3).integers(0, 256, (40, 192, 192, 3)).astype(np.uint8)
    met = []
    cheap = moments.is_cheap_on_grid
    monkeypatch.setattr(moments, "is_cheap_on_grid", lambda *given: met.append(cheap(*given)) or met[-1])
    found = Watch(model).measure(pictures)
    assert met == ([True, True, True, False] if moments.computes_on_cpu() else [])
    monkeypatch.setattr(moments, "computes_on_cpu", lambda: False)
    plain = Watch(model).measure(pictures)
    assert [layer.name for layer in found.layers] == ["stem", "deep", "point", "small", "last"]
    for one, other in zip(found.layers, plain.layers, strict=True):
        assert (one.name, one.places, one.activation) == (other.name, other.places, other.activation)
        for field in ("mean", "square", "highest", "at_bound"):
            values, expected = getattr(one, field), getattr(other, field)
            assert (values is None) == (expected is None)
            if values is not None:
                assert np.abs(values - expected).max() <= 1e-4 * max(1.0, np.abs(expected).max())
    assert np.abs(found.features - plain.features).max() <= 1e-4 * np.abs(plain.features).max()
