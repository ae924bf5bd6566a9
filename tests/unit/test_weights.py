"""Files of pretrained weights: the cache and the download."""

from __future__ import annotations

import hashlib
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import pytest

from zoo import weights
from zoo.errors import WeightsError
from zoo.weights import WeightsFile, fetch

if TYPE_CHECKING:
    from collections.abc import Callable

CONTENT = b"weights of a network"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Keras cache that downloads may go to."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv("ZOO_OFFLINE", raising=False)
    return tmp_path / "keras" / "models"


@pytest.fixture
def wanted() -> WeightsFile:
    """A published file whose content is `CONTENT`."""
    digest = hashlib.sha256(CONTENT).hexdigest()
    return WeightsFile(name="net_notop.h5", url="https://weights.invalid/net_notop.h5", digest=digest, megabytes=0.1)


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], list[dict[str, Any]]]:
    """Replaces Keras' download by one that writes the given bytes; returns the list of calls that were made."""

    def replace(content: bytes) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = []

        def get_file(fname: str, origin: str, *, cache_subdir: str, file_hash: str) -> str:
            calls.append(
                {"fname": fname, "origin": origin, "file_hash": file_hash, "limit": socket.getdefaulttimeout()}
            )
            print("Downloading")  # noqa: T201 - Keras prints its progress
            path = Path(cache_subdir, fname)
            path.write_bytes(content)
            return str(path)

        monkeypatch.setattr("keras.src.utils.file_utils.get_file", get_file)
        return calls

    return replace


def test_a_download_is_verified_and_moved(
    cache: Path, wanted: WeightsFile, downloads: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file appears whole under its name, nothing else is left, stdout stays clean, and no limit outlives it."""
    calls = downloads(CONTENT)
    assert fetch(wanted) == cache / "net_notop.h5"
    assert [path.name for path in cache.iterdir()] == ["net_notop.h5"]
    assert calls == [{"fname": wanted.name, "origin": wanted.url, "file_hash": wanted.digest, "limit": 30.0}]
    assert socket.getdefaulttimeout() is None
    assert capsys.readouterr().out == ""
    fetch(wanted)
    assert len(calls) == 1


def test_a_download_with_another_hash_is_an_error(cache: Path, wanted: WeightsFile, downloads: Any) -> None:
    """What arrived is named with both hashes."""
    downloads(b"something else")
    with pytest.raises(WeightsError, match="has the wrong hash") as caught:
        fetch(wanted)
    assert wanted.digest in str(caught.value)


def test_a_file_that_another_process_put_there_is_kept(
    cache: Path, wanted: WeightsFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A download that comes second does not touch the first one's file."""

    def get_file(fname: str, origin: str, *, cache_subdir: str, file_hash: str) -> str:
        (cache / fname).write_bytes(CONTENT)
        Path(cache_subdir, fname).write_bytes(b"late and damaged")
        return str(Path(cache_subdir, fname))

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", get_file)
    assert fetch(wanted).read_bytes() == CONTENT


def test_a_public_replacement_of_keras_download_counts_too(
    cache: Path, wanted: WeightsFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mirror may be set at `keras.utils.get_file`, and may keep its files elsewhere."""
    elsewhere = tmp_path / "mirror.h5"
    monkeypatch.setattr(keras.utils, "get_file", lambda *_, **__: str(elsewhere))
    assert fetch(wanted) == elsewhere


def test_md5_is_told_by_its_length(cache: Path, wanted: WeightsFile) -> None:
    """Keras publishes MD5 for its older files."""
    digest = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    file = WeightsFile(name=wanted.name, url=wanted.url, digest=digest, megabytes=0.1)
    cache.mkdir(parents=True)
    (cache / wanted.name).write_bytes(CONTENT)
    assert (file.algorithm, wanted.algorithm) == ("MD5", "SHA-256")
    assert fetch(file) == fetch(wanted) == cache / wanted.name


def test_the_cache_is_keras_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without KERAS_HOME it is `.keras/models` in the home folder."""
    monkeypatch.delenv("KERAS_HOME", raising=False)
    assert weights.cache_folder() == Path.home() / ".keras" / "models"


@pytest.mark.parametrize(("value", "offline"), [("1", True), ("true", True), ("0", False), ("", False), ("No", False)])
def test_zoo_offline_is_a_switch(value: str, monkeypatch: pytest.MonkeyPatch, *, offline: bool) -> None:
    """Set to a negative it is off."""
    monkeypatch.setenv("ZOO_OFFLINE", value)
    assert weights.offline() is offline


def test_a_silent_host_is_given_up_at_once(
    cache: Path, wanted: WeightsFile, downloads: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A firewall that swallows packets, or a look-up without an answer, costs `patience` seconds and no more."""
    calls = downloads(CONTENT)
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: time.sleep(5))
    start = time.perf_counter()
    with pytest.raises(WeightsError, match=r"cannot be fetched: weights\.invalid does not answer within 0\.1 s"):
        fetch(wanted, patience=0.1)
    assert time.perf_counter() - start < 1
    assert calls == []


@pytest.mark.parametrize("proxy", ["http://proxy.invalid:3128", "proxy.invalid:3128"])
def test_behind_a_proxy_the_proxy_is_asked(
    proxy: str, cache: Path, wanted: WeightsFile, downloads: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a proxy stands between, the host itself may well be silent."""
    downloads(CONTENT)
    asked: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        asked.append(address)
        raise ConnectionRefusedError

    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, proxy)
    monkeypatch.setattr(socket, "create_connection", connect)
    assert fetch(wanted, patience=5).is_file()
    assert asked == [("proxy.invalid", 3128)]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_to_nothing_is_left_alone(cache: Path, wanted: WeightsFile, downloads: Any) -> None:
    """A dangling link in the cache is the user's: it is named, not replaced."""
    calls = downloads(CONTENT)
    cache.mkdir(parents=True)
    (cache / wanted.name).symlink_to(cache / "gone.h5")
    with pytest.raises(WeightsError, match="it is a link to nothing"):
        fetch(wanted)
    assert calls == []
    assert (cache / wanted.name).is_symlink()


def test_a_folder_in_the_cache_is_left_alone(cache: Path, wanted: WeightsFile) -> None:
    """A folder of that name is an error, too."""
    (cache / wanted.name).mkdir(parents=True)
    with pytest.raises(WeightsError, match="it is a folder"):
        fetch(wanted)


def test_a_cache_that_cannot_be_made_is_an_error(
    tmp_path: Path, wanted: WeightsFile, downloads: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hint says how to choose another folder."""
    downloads(CONTENT)
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file"))
    monkeypatch.delenv("ZOO_OFFLINE", raising=False)
    with pytest.raises(WeightsError, match="cannot be fetched") as caught:
        fetch(wanted)
    assert "KERAS_HOME" in caught.value.hint
