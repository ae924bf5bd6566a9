"""Weights of keras.applications: the files are Keras' own, and every number arrives where Keras puts it."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

from zoo.builtin import (
    backbone_convnext,
    backbone_densenet,
    backbone_efficientnet,
    backbone_efficientnetv2,
    backbone_inception,
    backbone_mobilenet,
    backbone_nasnet,
    backbone_resnet,
    backbone_vgg,
    backbone_xception,
)
from zoo.errors import WeightsError
from zoo.plugins import load_catalog
from zoo.weights import WeightsFile, fetch

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.builtin._applications import Application
    from zoo.contracts import Backbone

MODULES = (
    backbone_convnext,
    backbone_densenet,
    backbone_efficientnet,
    backbone_efficientnetv2,
    backbone_inception,
    backbone_mobilenet,
    backbone_nasnet,
    backbone_resnet,
    backbone_vgg,
    backbone_xception,
)
APPLICATIONS: dict[str, Application] = {one.name: one for module in MODULES for one in module.APPLICATIONS}
BACKBONES: dict[str, Backbone] = {one.name: one for module in MODULES for one in module.zoo_backbones()}
PREPROCESSING = {
    "vgg": "vgg16",
    "resnet": "resnet",
    "resnetv2": "resnet_v2",
    "inception": "inception_v3",
    "xception": "xception",
    "mobilenet": "mobilenet",
    "mobilenetv2": "mobilenet_v2",
    "mobilenetv3": "mobilenet_v3",
    "densenet": "densenet",
    "nasnet": "nasnet",
    "efficientnet": "efficientnet",
    "efficientnetv2": "efficientnet_v2",
    "convnext": "convnext",
}
"""The module of keras.applications with each family's `preprocess_input`."""

SAMPLE = ("vgg16", "resnet50v2", "inceptionv3", "xception", "mobilenet", "mobilenetv3small", "convnexttiny")


@dataclass
class Shop:
    """Stands in for Keras' downloads: gives one file, and lists what was asked for."""

    file: str
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)

    def get_file(self, fname: str, origin: str, file_hash: str | None = None, **_: Any) -> str:
        """As Keras' function of this name."""
        self.asked.append((fname, origin, file_hash))
        return self.file


def stock(application: Application, weights: str | None) -> Any:
    """Keras' own network, at the size that its weights are meant for where that makes a difference to Keras."""
    side = 224 if application.family.startswith("mobilenet") else application.min_size
    make = getattr(keras.applications, application.keras_name)
    return make(include_top=False, weights=weights, input_shape=(side, side, 3))


def randomise(model: Any) -> None:
    """Other numbers in every weight, statistics too; those of EfficientNet's Normalization as published."""
    draw = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            if layer.weights:
                count = layer.get_weights()[2]
                layer.set_weights([np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]), count])
            continue
        layer.set_weights(
            [
                draw.uniform(0.8, 1.2, w.shape) if w.ndim == 1 else w * draw.uniform(0.8, 1.2, w.shape)
                for w in layer.get_weights()
            ]
        )


def output(model: Any, pictures: Any) -> Any:
    """Features in inference mode."""
    return np.asarray(keras.ops.convert_to_numpy(model(pictures, training=False)))


def compare(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Our network from both layouts and from the declared weights, against Keras' own `imagenet`."""
    application, backbone = APPLICATIONS[name], BACKBONES[name]
    keras.utils.set_random_seed(0)
    source = stock(application, None)
    randomise(source)
    with h5py.File(folder / "x_notop.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, source)
    source.save_weights(folder / "x_notop.weights.h5")
    del source
    shop = Shop(str(folder / "x_notop.h5"))
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", shop.get_file)
    monkeypatch.setenv("KERAS_HOME", str(folder / "keras"))
    monkeypatch.delenv("ZOO_OFFLINE", raising=False)
    monkeypatch.setattr("zoo.weights._silent", lambda *_, **__: False)  # every host answers
    theirs = stock(application, "imagenet")
    side = theirs.input_shape[1]
    pictures = np.random.default_rng(1).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    module = importlib.import_module(f"keras.applications.{PREPROCESSING[application.family]}")
    expected = output(theirs, module.preprocess_input(pictures.astype("float32")))
    del theirs
    assert np.abs(expected[0] - expected[1]).max() > 0
    for weights in (backbone.weights[0], folder / "x_notop.h5", folder / "x_notop.weights.h5"):
        found = output(backbone.build(size=side, weights=weights), pictures)
        assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    return shop


@pytest.mark.parametrize("name", SAMPLE)
def test_pitfall_28_weights_are_those_of_keras_under_their_own_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File, address and hash are what Keras asks for, and each tensor gives what it gives in Keras' network."""
    keras_asked, we_asked = compare(name, tmp_path, monkeypatch).asked
    assert keras_asked == we_asked


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", sorted(set(APPLICATIONS) - set(SAMPLE)))
def test_pitfall_28_all_weights_are_those_of_keras(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for all the others, one after another."""
    keras_asked, we_asked = compare(name, tmp_path, monkeypatch).asked
    assert keras_asked == we_asked
    for path in tmp_path.glob("*.h5"):
        path.unlink()


def test_every_architecture_of_keras_is_there() -> None:
    """Whatever keras.applications offers, under its name in lower case."""
    offered = {name for name, value in vars(keras.applications).items() if callable(value) and name[0].isupper()}
    assert {one.keras_name for one in APPLICATIONS.values()} == offered
    assert set(BACKBONES) == {name.lower() for name in offered}


@pytest.mark.parametrize("name", SAMPLE)
def test_parameters_are_counted(name: str) -> None:
    """The number in the record is that of a real network; the conformance table compares all of them."""
    backbone = BACKBONES[name]
    assert backbone.build(size=backbone.min_size, weights=None).count_params() == backbone.parameters


@pytest.mark.parametrize("name", sorted(APPLICATIONS))
def test_a_user_is_told_what_he_ships(name: str) -> None:
    """Origin, licence, data and size of the weights, and an accuracy that is a share."""
    (weights,) = BACKBONES[name].weights
    assert weights.id == "imagenet"
    assert weights.origin.startswith("https://storage.googleapis.com/")
    assert weights.licence
    assert weights.trained_on.endswith("ImageNet-1k (ILSVRC 2012)")
    assert weights.megabytes is not None
    assert weights.megabytes > BACKBONES[name].parameters * 4e-6 * 0.98
    assert weights.top1 is None or 0.6 < weights.top1 < 0.9
    assert not weights.bundled


def test_a_file_without_a_published_hash_is_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MobileNet's has none: a page saved under its name is refused and kept, an HDF5 file is taken."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    file = APPLICATIONS["mobilenet"].file
    assert file.digest is None
    path = tmp_path / "models" / file.name
    path.parent.mkdir()
    path.write_bytes(b"<!DOCTYPE html><html>Sign in</html>")
    with pytest.raises(WeightsError, match="is not what it should be: it is a web page") as caught:
        fetch(file)
    assert "no hash is published" in caught.value.hint
    assert path.read_bytes().startswith(b"<!DOCTYPE")
    path.write_bytes(b"\x89HDF\r\n\x1a\n")
    assert fetch(file) == path


def test_names_of_hashes() -> None:
    """For people; nothing where there is none."""
    assert [WeightsFile(name="", url="", digest=d, megabytes=1).algorithm for d in (None, "0" * 32, "0" * 64)] == [
        "",
        "MD5",
        "SHA-256",
    ]


def test_a_record_is_equal_to_itself_in_another_catalog() -> None:
    """Loading twice gives equal records, as with every other built-in."""
    first, second = (load_catalog(only=[]).items("backbone") for _ in range(2))
    assert first == second
