"""Files of pretrained weights, compared with the model that they should fill."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

from zoo.errors import WeightsError
from zoo.weights import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def network(units: int = 3) -> Any:
    """A small network whose layers have automatic names."""
    x = entry = keras.Input((4, 4, 2))
    x = keras.layers.Conv2D(units, 1)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dropout(0.5)(x)
    return keras.Model(entry, keras.layers.Conv2D(2, 1)(x))


def topped(model: Any) -> Any:
    """The same network with a classification top."""
    pooled = keras.layers.GlobalAveragePooling2D()(model.output)
    return keras.Model(model.input, keras.layers.Dense(5, name="predictions")(pooled))


def save_older(model: Any, path: Path) -> Path:
    """Writes the layout of the published files."""
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return path


def save_newer(model: Any, path: Path) -> Path:
    """Writes the layout of `save_weights`."""
    model.save_weights(path)
    return path


def same(one: Any, other: Any) -> bool:
    """Whether two models hold the same numbers."""
    return all(np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))


def cut(model: Any) -> Any:
    """The network without its last layer."""
    return keras.Model(model.input, model.layers[-2].output)


@pytest.mark.parametrize(("save", "name"), [(save_older, "w.h5"), (save_newer, "w.weights.h5")], ids=["older", "newer"])
def test_both_layouts_are_loaded(save: Any, name: str, tmp_path: Path) -> None:
    """Every number arrives, whatever automatic names the layers have, and the file stays as it is."""
    source, target = network(), network()
    source.set_weights([np.random.default_rng(0).normal(size=w.shape) for w in source.get_weights()])
    path = save(source, tmp_path / name)
    before = path.read_bytes()
    assert not same(source, target)
    load(target, path, backbone="net")
    assert same(source, target)
    assert path.read_bytes() == before


def test_a_whole_saved_model_of_the_older_kind_is_loaded(tmp_path: Path) -> None:
    """`model.save("….h5")` keeps the weights one level deeper."""
    source, target = network(), network()
    source.save(tmp_path / "whole.h5")
    load(target, tmp_path / "whole.h5", backbone="net")
    assert same(source, target)


def test_long_lists_of_names_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras cuts lists that do not fit into one attribute of HDF5 into several."""
    monkeypatch.setattr(legacy_h5_format, "HDF5_OBJECT_HEADER_LIMIT", 60)
    source, target = network(), network()
    path = save_older(source, tmp_path / "w.h5")
    with h5py.File(path) as file:
        assert "layer_names1" in file.attrs
    load(target, path, backbone="net")
    assert same(source, target)


def test_optimiser_state_in_the_file_is_no_difference(tmp_path: Path) -> None:
    """A model that was trained before it was saved holds more than its layers; that does not count."""
    source, target = network(), network()
    source.compile(optimizer=keras.optimizers.Adam(), loss="mse")
    source.train_on_batch(np.ones((2, 4, 4, 2)), np.ones((2, 4, 4, 2)))
    load(target, save_newer(source, tmp_path / "w.weights.h5"), backbone="net")
    assert same(source, target)


MISFITS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "older with top": (
        "w.h5",
        lambda path: save_older(topped(network()), path),
        "it also holds 'predictions'; it was saved with its classification top",
    ),
    "newer with top": (
        "w.weights.h5",
        lambda path: save_newer(topped(network()), path),
        "it holds 2 more tensors, such as 2×5, 5",
    ),
    "older of another width": (
        "w.h5",
        lambda path: save_older(network(4), path),
        "has shapes 1×1×2×4, 4 where 'conv2d.*' has 1×1×2×3, 3",
    ),
    "newer of another width": (
        "w.weights.h5",
        lambda path: save_newer(network(4), path),
        "it holds 7 more tensors, such as 1×1×2×4, 1×1×4×2, 4; it lacks 7 tensors",
    ),
    "older of a part": ("w.h5", lambda path: save_older(cut(network()), path), "it holds 2 layers .* needed are 3"),
    "older named newer": ("w.weights.h5", lambda path: save_older(network(), path), "it has Keras' older layout"),
    "newer named older": (
        "w.h5",
        lambda path: save_newer(network(), path.with_name("a.weights.h5")).rename(path),
        "it has Keras' newer layout",
    ),
    "empty": ("w.h5", lambda path: path.touch(), "it is empty"),
    "pointer": ("w.h5", lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n"), "Git LFS"),
    "web page": ("w.h5", lambda path: path.write_bytes(b"\n<!DOCTYPE html><html>404</html>"), "it is a web page"),
    "zip archive": ("w.h5", lambda path: path.write_bytes(b"PK\x03\x04rest"), "it is a zip archive"),
    "zeros": ("w.h5", lambda path: path.write_bytes(b"\x00" * 4000), "it is no HDF5 file"),
    "first bytes only": ("w.h5", lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n"), "cannot be read: "),
    "truncated": ("w.h5", lambda path: truncate(save_older(network(), path)), "cannot be read: .*truncated"),
    "folder": ("w.h5", lambda path: path.mkdir(), "are a folder, not a file"),
    "missing": ("w.h5", lambda path: path.parent, r"There is no weights file .*w\.h5"),
    "other suffix": ("w.keras", lambda path: path.touch(), r"does not end in \.h5"),
}
"""What may be wrong with a file: its name, how it comes to be, and what is said."""


def truncate(path: Path) -> None:
    """Cuts a file in half, as a broken download does."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("case", sorted(MISFITS))
def test_files_that_do_not_fit_are_refused_and_kept(case: str, tmp_path: Path) -> None:
    """Each gets a sentence of its own, no weight of the model changes, and the file stays byte for byte."""
    name, make, message = MISFITS[case]
    path = tmp_path / name
    make(path)
    content = path.read_bytes() if path.is_file() else None
    model = network()
    before = model.get_weights()
    with pytest.raises(WeightsError, match=message) as caught:
        load(model, path, backbone="net")
    assert str(path) in caught.value.message
    assert caught.value.hint
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert (path.read_bytes() if path.is_file() else None) == content
