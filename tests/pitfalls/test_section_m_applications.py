"""Section M of the pitfalls for all networks of keras.applications: weights without the internet."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any, NoReturn

import h5py
import keras
import pytest
from keras.src.legacy.saving import legacy_h5_format

from zoo.errors import WeightsError
from zoo.plugins import load_catalog

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.contracts import Backbone

CATALOG = load_catalog(only=[])
NAMES = sorted(
    backbone.name
    for backbone in CATALOG.items("backbone")
    if any("keras-applications" in weights.origin for weights in backbone.weights)
)


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Forbids connections and look-ups of names; lists the attempts."""
    attempts: list[str] = []

    def refuse(*arguments: object, **options: object) -> NoReturn:
        attempts.append("tried")
        raise OSError(101, "Network is unreachable")

    for name in ("getaddrinfo", "create_connection", "socket"):
        monkeypatch.setattr(socket, name, refuse)
    return attempts


@pytest.mark.parametrize("offline", [True, False], ids=["ZOO_OFFLINE", "no network"])
@pytest.mark.parametrize("name", NAMES)
def test_pitfall_102_without_a_network_the_file_is_named_at_once(
    name: str, *, offline: bool, tmp_path: Path, sockets: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """File, folder, address, hash and the way out; nothing is built before, and with ZOO_OFFLINE nothing is tried."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("ZOO_OFFLINE", "1" if offline else "0")

    def never(*arguments: object, **options: object) -> NoReturn:
        raise AssertionError("a network was built before the file was looked for")

    monkeypatch.setattr("zoo.builtin._applications.network", never)
    backbone: Backbone = CATALOG.backbone(name)
    start = time.thread_time()
    with pytest.raises(WeightsError) as caught:
        backbone.build(size=backbone.image_size, weights=backbone.weights[0])
    assert time.thread_time() - start < 1  # of this thread's own work, however busy the machine is
    assert bool(sockets) is not offline
    file = backbone.build.args[0].file
    for part in (str(tmp_path / "models" / file.name), file.url, file.digest or "no hash is published", "weights=none"):
        assert part in str(caught.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("name", ["vgg16", "mobilenetv3small"])
@pytest.mark.parametrize("newer", [False, True], ids=["h5", "weights.h5"])
def test_pitfall_102_a_file_with_top_is_refused(name: str, *, newer: bool, tmp_path: Path) -> None:
    """The message says that there is more in it than the network without its top can take; the file stays."""
    model: Any = CATALOG.backbone(name).build(size=32, weights=None)
    pooled = keras.layers.GlobalAveragePooling2D()(model.output)
    topped = keras.Model(model.input, keras.layers.Dense(10, name="predictions")(pooled))
    path = tmp_path / ("top.weights.h5" if newer else "top.h5")
    if newer:
        topped.save_weights(path)
    else:
        with h5py.File(path, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, topped)
    content = path.read_bytes()
    expected = "it holds 2 more tensors" if newer else "it also holds 'predictions'"
    with pytest.raises(WeightsError, match=expected) as caught:
        CATALOG.backbone(name).build(size=32, weights=path)
    assert "without" in caught.value.hint
    assert path.read_bytes() == content
