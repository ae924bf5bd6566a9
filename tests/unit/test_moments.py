"""What BatchNorm layers see in one pass."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from zoo.moments import Moments, Watch, batch_features, has_batch_norm, measure
from zoo.testing import tiny_backbone


@pytest.fixture
def pictures() -> np.ndarray:
    """Twenty pictures of 32 px, more than half a batch and less than one."""
    return np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), np.uint8)


@pytest.fixture
def tiny() -> keras.Model:
    """The tiny backbone with statistics and scales that are not those of a new layer."""
    keras.utils.set_random_seed(0)
    model = tiny_backbone().build(size=32, weights=None)
    draw = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            width = layer.moving_mean.shape[0]
            layer.set_weights(
                [
                    draw.uniform(0.5, 2, width),
                    draw.normal(0, 1, width),
                    draw.normal(0, 1, width),
                    draw.uniform(0.5, 2, width),
                ]
            )
    return model


def seen_by(model: keras.Model, name: str, pictures: np.ndarray, *, output: bool = False) -> np.ndarray:
    """A layer's input, or its output, computed by Keras itself."""
    layer = model.get_layer(name)
    part = keras.Model(model.input, layer.output if output else layer.input)
    return np.asarray(part.predict(pictures, verbose=0))


def assert_exact(found: Moments, model: keras.Model, pictures: np.ndarray) -> None:
    """Compares all layers with what Keras computes in one batch."""
    for layer in found.layers:
        whole = seen_by(model, layer.name, pictures)
        np.testing.assert_allclose(layer.mean, whole.mean((1, 2)), atol=1e-4)
        np.testing.assert_allclose(layer.square, (whole**2).mean((1, 2)), rtol=1e-4, atol=1e-4)


def test_moments_are_those_of_each_pictures_input(tiny: keras.Model, pictures: np.ndarray) -> None:
    """In depth order, over all places, in batches that are filled up and cut."""
    found = measure(tiny, pictures, batch_size=8, places=None)
    assert [layer.name for layer in found.layers] == ["stem_bn", "unit1_bn", "unit2_bn", "top_bn"]
    assert [layer.places for layer in found.layers] == [256, 256, 64, 64]
    assert_exact(found, tiny, pictures)
    np.testing.assert_allclose(found.features, tiny.predict(pictures, verbose=0).mean((1, 2)), atol=1e-5)


def test_large_maps_are_looked_at_on_a_grid(tiny: keras.Model, pictures: np.ndarray) -> None:
    """With 4 places on a side, 16 evenly spaced places count; maps that are no larger are taken whole."""
    found = measure(tiny, pictures, places=4)
    chosen = [2, 6, 10, 14]
    whole = seen_by(tiny, "stem_bn", pictures)[:, chosen][:, :, chosen]
    np.testing.assert_allclose(found.layers[0].mean, whole.mean((1, 2)), atol=1e-4)
    assert [layer.places for layer in found.layers] == [16, 16, 16, 16]
    assert measure(tiny, pictures, places=8).layers[3].places == 64


def test_stored_statistics_come_along(tiny: keras.Model, pictures: np.ndarray) -> None:
    """As the layer has them."""
    layer = measure(tiny, pictures).layers[2]
    own = tiny.get_layer("unit2_bn")
    np.testing.assert_array_equal(layer.stored_mean, own.get_weights()[2])
    np.testing.assert_array_equal(layer.stored_variance, own.get_weights()[3])
    assert (layer.momentum, layer.epsilon) == (0.99, 0.001)


def test_rows_are_chosen_in_their_order(tiny: keras.Model, pictures: np.ndarray, tmp_path: object) -> None:
    """Also from a memory map, and twice where a row is named twice."""
    path = f"{tmp_path}/pictures.npy"
    np.save(path, pictures)
    whole, part = measure(tiny, pictures), measure(tiny, np.load(path, mmap_mode="r"), rows=[7, 3, 7], batch_size=2)
    np.testing.assert_allclose(part.layers[1].mean, whole.layers[1].mean[[7, 3, 7]], atol=1e-5)
    np.testing.assert_allclose(part.features, whole.features[[7, 3, 7]], atol=1e-5)


def test_nothing_is_left_behind(tiny: keras.Model, pictures: np.ndarray) -> None:
    """Weights, classes and results of the network are what they were."""
    before, weights = tiny.predict(pictures, verbose=0), tiny.get_weights()
    kinds = [type(layer) for layer in tiny.layers]
    measure(tiny, pictures)
    batch_features(tiny, pictures)
    assert [type(layer) for layer in tiny.layers] == kinds
    for old, new in zip(weights, tiny.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    np.testing.assert_array_equal(tiny.predict(pictures, verbose=0), before)


def test_activations_are_told_where_they_follow_directly(tiny: keras.Model, pictures: np.ndarray) -> None:
    """The tiny backbone has a ReLU after three of its four layers; a channel with a low beta is dead."""
    gamma, beta, *rest = tiny.get_layer("stem_bn").get_weights()
    gamma[2], beta[2] = 0.0, -1.0
    tiny.get_layer("stem_bn").set_weights([gamma, beta, *rest])
    layers = measure(tiny, pictures).layers
    assert [layer.activation for layer in layers] == ["relu", "", "relu", "relu"]
    assert layers[0].dead == pytest.approx(1 / 6)
    assert layers[1].dead is None
    assert [layer.saturated for layer in layers] == [None] * 4


@pytest.mark.parametrize(
    ("activation", "bound"),
    [(keras.layers.ReLU(max_value=6.0), 6.0), (keras.layers.Activation("sigmoid"), 0.99), (keras.ops.relu6, 6.0)],
)
def test_bounded_activations_tell_how_much_is_at_the_bound(
    activation: object, bound: float, pictures: np.ndarray
) -> None:
    """For layers and for plain operations."""
    entry = keras.Input((32, 32, 3))
    normal = keras.layers.BatchNormalization(name="bn", gamma_initializer=keras.initializers.Constant(0.05))(entry)
    model = keras.Model(entry, activation(normal))
    found = measure(model, pictures, places=None).layers[0]
    assert found.saturated == pytest.approx((model.predict(pictures, verbose=0) >= bound).mean(), abs=1e-6)
    assert 0 < found.saturated < 1


def test_nested_models_are_seen_and_shared_layers_are_not(pictures: np.ndarray) -> None:
    """A layer that is called twice has statistics of two places; one that is never called has none to compare."""
    inner_entry = keras.Input((32, 32, 3))
    inner = keras.Model(inner_entry, keras.layers.BatchNormalization(name="inner")(inner_entry))
    entry = keras.Input((32, 32, 3))
    shared = keras.layers.BatchNormalization(name="shared")
    x = keras.layers.Conv2D(3, 1)(shared(inner(entry)))
    model = keras.Model(entry, keras.layers.BatchNormalization(name="last")(shared(x)))
    found = measure(model, pictures)
    assert [layer.name for layer in found.layers] == ["inner", "last"]
    assert has_batch_norm(model)


def test_channels_may_come_first(pictures: np.ndarray) -> None:
    """In a layer's input and in the features."""
    entry = keras.Input((32, 32, 3))
    x = keras.layers.Permute((3, 1, 2))(entry)
    x = keras.layers.BatchNormalization(axis=1, name="bn")(x)
    pooled = keras.layers.UpSampling2D(2, data_format="channels_first")(x)
    found = measure(keras.Model(entry, pooled), pictures, places=None)
    np.testing.assert_allclose(found.layers[0].mean, pictures.mean((1, 2)), rtol=1e-5)
    assert found.features.shape == (20, 3)


@pytest.mark.parametrize("shape", [(32, 32, 4), (1024, 3), (5,)])
def test_features_of_any_shape_become_vectors(shape: tuple[int, ...], pictures: np.ndarray) -> None:
    """Maps and tokens are averaged over their places; a network without BatchNorm has features only."""
    entry = keras.Input((32, 32, 3))
    if len(shape) == 3:
        x = keras.layers.Conv2D(4, 1)(entry)
    else:
        x = keras.layers.Reshape((1024, 3))(entry)
        x = x if len(shape) == 2 else keras.layers.Dense(5)(keras.layers.Flatten()(x))
    model = keras.Model(entry, x)
    found = measure(model, pictures)
    assert found.layers == ()
    assert found.features.shape == (20, shape[-1])
    assert not has_batch_norm(model)


def test_batch_features_are_those_of_training_mode(pictures: np.ndarray) -> None:
    """Where nothing drops, they are what the network gives in training, and no statistic moves."""
    entry = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(4, 3, use_bias=False)(entry)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(scale=False)(x))
    x = keras.layers.BatchNormalization(center=False)(keras.layers.Conv2D(5, 3)(x))
    model = keras.Model(entry, x)
    weights = model.get_weights()
    found = batch_features(model, pictures, batch_size=32)
    for old, new in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    expected = keras.ops.convert_to_numpy(model(pictures.astype("float32"), training=True)).mean((1, 2))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_by_batch_layers_see_what_they_would_in_training(pictures: np.ndarray) -> None:
    """The second layer's input is normalised with the batch's statistics, not with stored ones that are far off."""
    entry = keras.Input((32, 32, 3))
    x = keras.layers.BatchNormalization(name="first", moving_mean_initializer="ones")(entry)
    model = keras.Model(entry, keras.layers.BatchNormalization(name="second")(x))
    first, second = measure(model, pictures, places=None, by_batch=True, batch_size=32).layers
    np.testing.assert_allclose(first.mean, pictures.mean((1, 2)), rtol=1e-4)
    np.testing.assert_allclose(second.mean.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(second.square.mean(0), 1, atol=1e-3)


def test_estimated_statistics_are_used_for_the_time_of_the_call(tiny: keras.Model, pictures: np.ndarray) -> None:
    """With those of one whole batch, features are those that the batch has; the network's own are back afterwards."""
    before = tiny.get_weights()
    adapting = measure(tiny, pictures, by_batch=True, batch_size=20, places=None)
    found = Watch(tiny).re_estimated_features(pictures, adapting.layers, rows=[3, 1])
    np.testing.assert_allclose(found, adapting.features[[3, 1]], atol=1e-3)
    assert np.abs(found - measure(tiny, pictures).features[[3, 1]]).max() > 0.01
    for old, new in zip(before, tiny.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_one_function_serves_several_looks(tiny: keras.Model, pictures: np.ndarray) -> None:
    """After others have looked, and with other statistics in between, it sees what it saw; it is built once."""
    watch, calls = Watch(tiny), []
    original = watch._probe.call
    watch._probe.call = lambda tensors: calls.append(1) or original(tensors)
    first = watch.measure(pictures)
    adapting = measure(tiny, pictures, by_batch=True, batch_size=20, places=None)
    built = len(calls)
    again = watch.re_estimated_features(pictures, adapting.layers)
    assert np.abs(again - first.features).max() > 0.01
    if keras.backend.backend() != "torch":  # which builds nothing
        assert len(calls) == built
    second = watch.measure(pictures)
    np.testing.assert_array_equal(second.features, first.features)
    for one, other in zip(first.layers, second.layers, strict=True):
        assert one.name == other.name
        np.testing.assert_array_equal(one.mean, other.mean)
        np.testing.assert_array_equal(one.square, other.square)
