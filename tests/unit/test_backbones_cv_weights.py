"""Weights and channels of keras_cv's backbones: files, presets at Kaggle without Kaggle, pictures of other depth."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

from zoo.builtin import _cv, _cv_presets, backbone_cv_mobilenetv3, backbone_cv_resnet
from zoo.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zoo.contracts import Backbone

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="keras_cv needs TensorFlow")

SMALL, _ = backbone_cv_mobilenetv3.zoo_backbones()
RESNETS = {record.name: record for record in backbone_cv_resnet.zoo_backbones()}
HANDLE = "keras/mobilenetv3/keras/mobilenet_v3_small_imagenet/2"


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Two pictures of 32 pixels, float32, 0–255."""
    return np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("float32")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, pictures: np.ndarray) -> dict[str, Any]:
    """A `.weights.h5` in keras_cv's layout and one in the flat layout, of the same weights, and their features."""
    folder = tmp_path_factory.mktemp("weights")
    keras.utils.set_random_seed(5)
    source = _cv._source(SMALL.build.args[0], size=32, channels=3)
    draw = np.random.default_rng(1)
    for weight in source.weights:  # at the initial statistics the features are nearly zero
        if weight.name == "moving_variance":
            weight.assign(draw.uniform(0.001, 0.01, weight.shape))
        elif weight.name == "beta":
            weight.assign(draw.normal(0, 0.5, weight.shape))
    source.save_weights(folder / "model.weights.h5")
    features = keras.ops.convert_to_numpy(source(pictures, training=False))
    flat = _cv._flat(SMALL.build.args[0], source, grey=False)
    flat.save_weights(folder / "flat.weights.h5")
    return {"keras_cv": folder / "model.weights.h5", "flat": folder / "flat.weights.h5", "features": features}


@pytest.fixture
def kagglehub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of kagglehub's; downloads are allowed and Kaggle answers at once."""
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ZOO_OFFLINE", raising=False)
    monkeypatch.setattr(_cv_presets, "unanswered", lambda _: "")
    return tmp_path / "cache" / "models" / HANDLE


def _features(record: Backbone, weights: Any, pictures: np.ndarray) -> np.ndarray:
    keras.utils.set_random_seed(6)
    return keras.ops.convert_to_numpy(record.build(size=32, weights=weights)(pictures, training=False))


@pytest.mark.parametrize("layout", ["keras_cv", "flat"])
def test_a_file_of_either_layout_is_loaded(files: dict[str, Any], pictures: np.ndarray, layout: str) -> None:
    """What keras_cv's own model saved, and what the rebuilt one saved, gives the features of that model."""
    scale = np.abs(files["features"]).max()
    assert np.abs(_features(SMALL, None, pictures) - files["features"]).max() > 0.1 * scale > 0.01
    np.testing.assert_allclose(_features(SMALL, files[layout], pictures), files["features"], rtol=0, atol=1e-5 * scale)


def test_the_same_seed_gives_the_same_random_weights() -> None:
    """Two builds from one seed have equal weights, bit for bit, and one from another seed has not."""
    found = []
    for seed in (3, 3, 4):
        keras.utils.set_random_seed(seed)
        found.append(np.concatenate([w.ravel() for w in SMALL.build(size=32, weights=None).get_weights()]))
    assert (found[0] == found[1]).all()
    assert (found[0] != found[2]).any()


def test_the_layouts_are_told_apart(files: dict[str, Any]) -> None:
    """Groups named after classes of keras_cv's are its layout."""
    source = _cv._source(SMALL.build.args[0], size=32, channels=3)
    assert _cv_presets.is_nested(files["keras_cv"], source)
    assert not _cv_presets.is_nested(files["flat"], source)


@pytest.mark.parametrize("layout", ["keras_cv", "flat"])
def test_weights_of_another_network_are_refused(files: dict[str, Any], layout: str) -> None:
    """A file of MobileNetV3 for a ResNet raises with the name of the backbone, whatever its layout."""
    with pytest.raises(WeightsError, match="does not fit backbone 'cv-resnet18'"):
        RESNETS["cv-resnet18"].build(size=32, weights=files[layout])


def test_a_damaged_file_is_named(tmp_path: Path, files: dict[str, Any]) -> None:
    """Half a file raises with its path and is left as it is."""
    path = tmp_path / "half.weights.h5"
    path.write_bytes(files["keras_cv"].read_bytes()[:50_000])
    with pytest.raises(WeightsError, match=r"half\.weights\.h5 cannot be read"):
        SMALL.build(size=32, weights=path)
    assert path.stat().st_size == 50_000


@pytest.fixture
def kaggle(monkeypatch: pytest.MonkeyPatch, kagglehub_cache: Path, files: dict[str, Any]) -> list[tuple[str, str]]:
    """Replaces kagglehub's download by one that puts the files in its cache; lists what was asked for."""
    import kagglehub

    calls: list[tuple[str, str]] = []

    def model_download(handle: str, path: str) -> str:
        calls.append((handle, path))
        target = kagglehub_cache / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if path == "config.json":
            target.write_text(json.dumps({"weights": "model.weights.h5"}), encoding="utf-8")
        else:
            target.write_bytes(files["keras_cv"].read_bytes())
        return str(target)

    monkeypatch.setattr(kagglehub, "model_download", model_download)
    return calls


def test_a_preset_is_downloaded_and_loaded(
    kaggle: list[tuple[str, str]], files: dict[str, Any], pictures: np.ndarray
) -> None:
    """The handle is that of keras_cv's table, and the features are those of the published weights."""
    (imagenet,) = SMALL.weights
    assert imagenet.origin == f"kaggle://{HANDLE}"
    features = _features(SMALL, imagenet, pictures)
    assert kaggle == [(HANDLE, "config.json"), (HANDLE, "model.weights.h5")]
    np.testing.assert_allclose(features, files["features"], rtol=0, atol=1e-5 * np.abs(features).max())


def test_handles_are_those_of_keras_cv(every_record: dict[str, Backbone]) -> None:
    """Each declared handle is in keras_cv's tables of presets with weights, and each ImageNet one there is declared."""
    import keras_cv

    kinds = {record.build.args[0].class_name for record in every_record.values()}
    tables = [getattr(keras_cv.models, kind).presets_with_weights for kind in kinds]
    published = {preset["kaggle_handle"] for table in tables for preset in table.values()}
    declared = {weights.origin for record in every_record.values() for weights in record.weights}
    assert declared == published


@pytest.fixture(scope="module")
def every_record() -> dict[str, Backbone]:
    """All backbones of keras_cv."""
    from zoo.plugins import load_catalog

    catalog = load_catalog(only=[])
    return {name: catalog.backbone(name) for name in catalog.names("backbone") if name.startswith("cv-")}


def test_without_a_network_the_handle_is_named(kagglehub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that does not answer: the message names the handle, the hint a page, a file name and weights=none."""
    monkeypatch.setattr(_cv_presets, "unanswered", lambda url: f"{url} does not answer")
    with pytest.raises(WeightsError, match=f"{HANDLE} of cv-mobilenetv3-small .* does not answer") as caught:
        SMALL.build(size=32, weights=SMALL.weights[0])
    assert f"https://www.kaggle.com/models/{HANDLE}" in caught.value.hint
    assert "weights=/path/to/model.weights.h5" in caught.value.hint
    assert "weights=none" in caught.value.hint


def test_without_a_network_a_file_put_into_the_cache_by_hand_is_used(
    kagglehub_cache: Path, files: dict[str, Any], pictures: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the description that kagglehub puts beside it, and without kagglehub."""
    import kagglehub

    monkeypatch.setattr(_cv_presets, "unanswered", lambda url: f"{url} does not answer")
    monkeypatch.setattr(kagglehub, "model_download", lambda *_: pytest.fail("kagglehub was called"))
    kagglehub_cache.mkdir(parents=True)
    (kagglehub_cache / "model.weights.h5").write_bytes(files["keras_cv"].read_bytes())
    features = _features(SMALL, SMALL.weights[0], pictures)
    np.testing.assert_allclose(features, files["features"], rtol=0, atol=1e-5 * np.abs(features).max())


def test_pitfall_101_what_kagglehub_raises_is_told(kagglehub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal by Kaggle becomes a WeightsError with its text."""
    import kagglehub

    def refuse(handle: str, path: str) -> str:
        raise RuntimeError(f"403 for {handle}")

    monkeypatch.setattr(kagglehub, "model_download", refuse)
    with pytest.raises(WeightsError, match=f"RuntimeError: 403 for {HANDLE}"):
        SMALL.build(size=32, weights=SMALL.weights[0])


def test_offline_opens_no_socket(
    kagglehub_cache: Path,
    files: dict[str, Any],
    pictures: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """ZOO_OFFLINE asks neither Kaggle nor the host; a file in the cache, also one put there by hand, is used."""
    import kagglehub

    monkeypatch.setenv("ZOO_OFFLINE", "1")
    monkeypatch.setattr(kagglehub, "model_download", lambda *_: pytest.fail("kagglehub was called"))
    monkeypatch.setattr(_cv_presets, "unanswered", lambda _: pytest.fail("the host was asked"))
    with pytest.raises(WeightsError, match="ZOO_OFFLINE is set"):
        SMALL.build(size=32, weights=SMALL.weights[0])
    kagglehub_cache.mkdir(parents=True)
    (kagglehub_cache / "model.weights.h5").write_bytes(files["keras_cv"].read_bytes())
    features = _features(SMALL, SMALL.weights[0], pictures)
    np.testing.assert_allclose(features, files["features"], rtol=0, atol=1e-5 * np.abs(features).max())


def test_grey_pictures_are_repeated(files: dict[str, Any], pictures: np.ndarray) -> None:
    """With one channel the features are those of the same picture in three equal channels."""
    colour = np.repeat(pictures[..., :1], 3, axis=-1)
    model = SMALL.build(size=32, weights=files["keras_cv"], channels=1)
    assert model.input.shape == (None, 32, 32, 1)
    grey = keras.ops.convert_to_numpy(model(pictures[..., :1], training=False))
    wanted = _features(SMALL, files["keras_cv"], colour)
    assert np.abs(wanted - files["features"]).max() > 0.01
    np.testing.assert_allclose(grey, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("channels", [2, 5])
def test_the_first_convolution_has_as_many_channels(channels: int) -> None:
    """Pictures of any other depth go into a first convolution of that depth; the rest is as ever."""
    model = RESNETS["cv-resnet18"].build(size=32, weights=None, channels=channels)
    assert model.input.shape == (None, 32, 32, channels)
    assert model.get_layer("conv1_conv").kernel.shape == (7, 7, channels, 64)
    assert model.count_params() == RESNETS["cv-resnet18"].parameters + (channels - 3) * 7 * 7 * 64


def test_published_weights_are_for_colour(build_fails: Callable[..., str]) -> None:
    """With four channels they are refused before anything is fetched or built."""
    assert "not of 4" in build_fails(weights=SMALL.weights[0], channels=4)


def test_weights_of_another_backbone_are_refused(build_fails: Callable[..., str]) -> None:
    """A record of weights that this backbone does not declare raises with the declared ones in the hint."""
    assert "has no weights" in build_fails(weights=RESNETS["cv-resnet50"].weights[0])


@pytest.fixture
def build_fails(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Builds with what must be refused before keras_cv is asked; returns the message."""
    monkeypatch.setattr(_cv, "_source", lambda *_, **__: pytest.fail("keras_cv was asked"))

    def refused(**options: Any) -> str:
        with pytest.raises(WeightsError) as caught:
            SMALL.build(size=32, **options)
        return caught.value.message

    return refused
