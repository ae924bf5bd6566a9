"""Section M of the pitfalls: weights without the internet."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any, NoReturn
from urllib.error import URLError

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

from zoo.builtin import backbone_efficientnet, backbone_scratch_cnn
from zoo.errors import WeightsError

EFFICIENTNET = backbone_efficientnet.zoo_backbones()[0]
(SCRATCH,) = backbone_scratch_cnn.zoo_backbones()
FILE = backbone_efficientnet.APPLICATIONS[0].file


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Keras cache; downloads are not forbidden."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv("ZOO_OFFLINE", raising=False)
    return tmp_path / "keras" / "models"


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Forbids connections and look-ups of names; lists the attempts."""
    attempts: list[str] = []

    def forbid(what: str) -> Any:
        def refuse(*arguments: object, **options: object) -> NoReturn:
            attempts.append(what)
            raise OSError(101, "Network is unreachable")

        return refuse

    monkeypatch.setattr(socket, "getaddrinfo", forbid("getaddrinfo"))
    monkeypatch.setattr(socket, "create_connection", forbid("create_connection"))
    monkeypatch.setattr(socket, "socket", forbid("socket"))
    return attempts


def build_imagenet() -> Any:
    """The backbone with its declared weights."""
    return EFFICIENTNET.build(size=32, weights=EFFICIENTNET.weights[0])


def test_pitfall_102_offline_opens_no_socket(cache: Path, sockets: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """With ZOO_OFFLINE the file, its folder, its hash and its address are named at once; nothing is tried."""
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    start = time.perf_counter()
    with pytest.raises(WeightsError, match="ZOO_OFFLINE is set") as caught:
        build_imagenet()
    assert time.perf_counter() - start < 1
    assert sockets == []
    for part in (str(cache / "efficientnetb0_notop.h5"), FILE.url, FILE.digest, "weights=none"):
        assert part in str(caught.value)
    assert not cache.exists()


def test_pitfall_102_without_a_network_it_says_so_within_a_second(cache: Path, sockets: list[str]) -> None:
    """Without a connection the cause is named, and nothing is left in the cache."""
    start = time.perf_counter()
    with pytest.raises(WeightsError, match=r"cannot be fetched: .*Network is unreachable") as caught:
        build_imagenet()
    assert time.perf_counter() - start < 1
    assert sockets
    for part in (str(cache / "efficientnetb0_notop.h5"), FILE.url, FILE.digest):
        assert part in str(caught.value)
    assert list(cache.iterdir()) == []


def test_pitfall_102_random_weights_need_no_network(sockets: list[str]) -> None:
    """Without weights every built-in backbone is built."""
    for backbone in (EFFICIENTNET, SCRATCH):
        assert backbone.build(size=32, weights=None).count_params() > 0
    assert sockets == []


def test_pitfall_102_a_file_with_top_is_refused(tmp_path: Path) -> None:
    """`efficientnetb0.h5` given where `efficientnetb0_notop.h5` is needed: the message names what is too much."""
    stock = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(32, 32, 3))
    pooled = keras.layers.GlobalAveragePooling2D(name="avg_pool")(stock.output)
    topped = keras.Model(stock.input, keras.layers.Dense(10, name="predictions")(pooled))
    path = tmp_path / "efficientnetb0.h5"
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, topped)
    content = path.read_bytes()
    with pytest.raises(WeightsError, match="it also holds 'predictions'; it was saved with its classification top"):
        EFFICIENTNET.build(size=32, weights=path)
    assert path.read_bytes() == content


def test_pitfall_103_a_file_with_the_wrong_hash_is_kept(cache: Path, sockets: list[str]) -> None:
    """A damaged or hand-copied file in the cache is reported with both hashes, and stays byte for byte."""
    cache.mkdir(parents=True)
    path = cache / "efficientnetb0_notop.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(1000))
    with pytest.raises(WeightsError, match=f"wrong hash: its MD5 is [0-9a-f]{{32}}, expected {FILE.digest}") as caught:
        build_imagenet()
    assert path.read_bytes() == b"\x89HDF\r\n\x1a\n" + bytes(1000)
    assert sockets == []
    assert "It was left as it is" in caught.value.hint
    assert FILE.url in caught.value.hint


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 16705208\n", "it is a Git LFS pointer"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "it is a web page, not weights"),
    ],
    ids=["pointer", "sign-in page"],
)
def test_pitfall_103_what_lies_in_the_cache_instead_is_named(content: bytes, fact: str, cache: Path) -> None:
    """A pointer or a page that was saved under the file's name is told apart from a damaged file."""
    cache.mkdir(parents=True)
    (cache / "efficientnetb0_notop.h5").write_bytes(content)
    with pytest.raises(WeightsError, match=fact):
        build_imagenet()
    assert (cache / "efficientnetb0_notop.h5").read_bytes() == content


def test_pitfall_103_a_truncated_file_given_by_its_path_is_kept(tmp_path: Path) -> None:
    """A sentence instead of a traceback of h5py, and the file is left as it is."""
    path = tmp_path / "efficientnetb0_notop.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.zeros(10_000))
    path.write_bytes(path.read_bytes()[:3000])
    content = path.read_bytes()
    with pytest.raises(WeightsError, match=r"efficientnetb0_notop\.h5 cannot be read: .*truncated file") as caught:
        EFFICIENTNET.build(size=32, weights=path)
    assert "left as it is" in caught.value.hint
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "cause",
    [
        URLError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate"),
        OSError("Tunnel connection failed: 407 Proxy Authentication Required"),
        TimeoutError("The read operation timed out"),
        Exception("URL fetch failure on https://…: 503 -- Service Unavailable"),
    ],
    ids=["certificate", "proxy", "time-out", "server"],
)
def test_pitfall_104_the_cause_and_the_way_by_hand_are_in_the_message(
    cause: Exception, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever ends the download becomes a WeightsError, which a grid survives."""

    def get_file(fname: str, origin: str, *, cache_subdir: str, file_hash: str) -> str:
        Path(cache_subdir, fname).write_bytes(b"half a fi")
        raise cause

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", get_file)
    with pytest.raises(WeightsError) as caught:
        build_imagenet()
    assert str(cause) in caught.value.message
    assert caught.value.__cause__ is cause
    for part in (f"Fetch {FILE.url}", f"save it as {cache / FILE.name}", "HTTPS_PROXY", "SSL_CERT_FILE"):
        assert part in caught.value.hint
    assert list(cache.iterdir()) == []


def test_pitfall_104_an_interrupted_download_leaves_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is passed on, and half a file is not taken for a whole one next time."""

    def get_file(fname: str, origin: str, *, cache_subdir: str, file_hash: str) -> str:
        Path(cache_subdir, fname).write_bytes(b"half a fi")
        raise KeyboardInterrupt

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", get_file)
    with pytest.raises(KeyboardInterrupt):
        build_imagenet()
    assert list(cache.iterdir()) == []
