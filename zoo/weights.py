"""Files of pretrained weights: looked up in Keras' cache, fetched, checked and loaded.

Keras' own download deletes a cached file whose hash is wrong when it cannot replace it, and it loads whatever has the
right shapes into the right order. So here a file that exists is only ever read, a download goes to a place of its own
and is moved when it is whole, and a file is compared with the model before a single tensor is assigned. Weights that
cannot be had are a `WeightsError`; nothing here falls back to random ones.

`ZOO_OFFLINE=1` in the environment forbids every download: no socket is opened.
"""

from __future__ import annotations

import contextlib
import os
import sys
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import AbsentWeightsError, WeightsError
from zoo.weights_layout import difference, sniff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zoo.contracts import KerasModel

_STALL_SECONDS = 30.0

_forbidden: ContextVar[bool] = ContextVar("forbidden", default=False)
"""A download that receives nothing for so long is given up."""

_UNREADABLE = (OSError, KeyError, ValueError, RuntimeError, TypeError, AttributeError)
"""What h5py and Keras raise for damaged files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsFile:
    """One published file of weights.

    Attributes:
        name: Its name in Keras' cache.
        url: Where it is fetched from.
        digest: Hex MD5 or SHA-256 of its content; the length tells which. None if nobody has published one: then only
            whether it is HDF5 is checked before it is used.
        megabytes: Its size.
    """

    name: str
    url: str
    digest: str | None
    megabytes: float

    @property
    def algorithm(self) -> str:
        """Name of the hash, for people; empty without a hash."""
        if self.digest is None:
            return ""
        return "SHA-256" if len(self.digest) == 64 else "MD5"  # noqa: PLR2004 - hex digits of 256 bits


def cache_folder() -> Path:
    """The folder where Keras keeps downloaded weights: `models` in `$KERAS_HOME`, else in `~/.keras`."""
    home = os.environ.get("KERAS_HOME") or "~/.keras"
    return Path(home).expanduser().absolute() / "models"


def offline() -> bool:
    """Whether downloads are forbidden, by `ZOO_OFFLINE` (not `0`, `false`, `no` or nothing) or `without_downloads`."""
    return _forbidden.get() or os.environ.get("ZOO_OFFLINE", "").strip().lower() not in {"", "0", "false", "no"}


@contextlib.contextmanager
def without_downloads() -> Iterator[None]:
    """Forbids downloads to this thread for a time: absent weights are an error. Others may go on fetching theirs."""
    token = _forbidden.set(True)
    try:
        yield
    finally:
        _forbidden.reset(token)


def _patience(default: float) -> float:
    """Seconds to wait for a host: `ZOO_CONNECT_SECONDS`, for slow networks, or the default."""
    try:
        return max(0.0, float(os.environ.get("ZOO_CONNECT_SECONDS", default)))
    except ValueError:
        return default


def fetch(file: WeightsFile, *, patience: float = 0.8) -> Path:
    """Path of a published file whose hash is right: from the cache, else downloaded into it.

    Args:
        file: What is wanted.
        patience: Seconds to wait for the host to answer at all before the download is given up.

    Raises:
        WeightsError: If the cached file has another hash; it is left as it is.
        AbsentWeightsError: If it is absent and cannot be fetched: `ZOO_OFFLINE` is set, the connection fails, or what
            arrives has another hash. The message names the file that is expected, its folder, its hash, the address to
            fetch it from by hand, and the cause.
    """
    target = cache_folder() / file.name
    if os.path.lexists(target):
        _verify(target, file)
        return target
    if offline():
        raise _absent(file, target, cause="ZOO_OFFLINE is set, so nothing is downloaded")
    cause = unanswered(file.url, patience=patience)
    if cause:
        raise _absent(file, target, cause=cause)
    return _download(file, target)


def unanswered(url: str, *, patience: float = 0.8) -> str:
    """Why a download need not be tried: the host says nothing at all within `patience` seconds; empty if it does.

    Args:
        url: What would be fetched.
        patience: Seconds to wait, unless `ZOO_CONNECT_SECONDS` says another number.
    """
    patience = _patience(patience)
    if not _silent(url, patience=patience):
        return ""
    return f"{_peer(url)[0]} does not answer within {patience:g} s (ZOO_CONNECT_SECONDS sets how long)"


def load(model: KerasModel, path: Path, *, backbone: str) -> None:
    """Loads a file of weights into a model that was just built.

    Both layouts of Keras are read: `.weights.h5`, and the older `.h5`, which assigns by the order of the layers.

    Args:
        model: Functional `keras.Model` with all flags `trainable` as they were built.
        path: The file. It is only read.
        backbone: Name of the backbone, for messages.

    Raises:
        WeightsError: If there is no such file, it is damaged, no HDF5 file, or holds other tensors than the model.
    """
    path = path.expanduser()
    try:
        _check_path(path)
        found = sniff(path) or difference(path, model, backbone=backbone)
        if found is None:
            model.load_weights(str(path))
    except _UNREADABLE as error:
        raise WeightsError(
            f"The weights file {path} cannot be read: {error}",
            hint="It was left as it is. If it is cut off or damaged, fetch it again.",
        ) from error
    if found is not None:
        message = f"The weights file {path} does not fit backbone {backbone!r}: {found.fact}."
        raise WeightsError(message, hint=found.hint)


def _check_path(path: Path) -> None:
    if path.is_dir():
        raise WeightsError(f"The weights {path} are a folder, not a file.", hint="Give the path of the .h5 file in it.")
    if not path.exists():
        raise WeightsError(f"There is no weights file {path}.", hint="Check the path; it must end in .h5.")
    if not path.name.endswith(".h5"):
        raise WeightsError(
            f"The name of the weights file {path} does not end in .h5.",
            hint="Keras tells layouts apart by the name: `….weights.h5` from save_weights(), or the older `….h5`.",
        )


def _verify(path: Path, file: WeightsFile) -> None:
    if path.is_dir() or not path.exists():
        raise WeightsError(
            f"{path} should be a file with weights, but it is a {'folder' if path.is_dir() else 'link to nothing'}.",
            hint=f"It was left as it is. Move it away. {_by_hand(file, path)}",
        )
    try:
        digest = _digest(path, file.algorithm) if file.digest else None
        strange = sniff(path) if digest != file.digest or digest is None else None
    except OSError as error:
        raise WeightsError(
            f"The weights file {path} cannot be opened: {error.strerror}.", hint="Check who may read it."
        ) from error
    if strange and digest is None:
        raise WeightsError(
            f"The weights file {path} is not what it should be: {strange.fact}.",
            hint=f"It was left as it is. Move it away. {_by_hand(file, path)}",
        )
    if digest != file.digest:
        raise WeightsError(
            f"The weights file {path} has the wrong hash: its {file.algorithm} is {digest}, expected {file.digest}; "
            f"{strange.fact if strange else f'it has {path.stat().st_size} bytes, expected {file.megabytes:g} MB'}.",
            hint=f"It was left as it is. Move it away. {_by_hand(file, path)} To use this very file, give its path as "
            "weights.",
        )


def _digest(path: Path, algorithm: str) -> str:
    import hashlib

    kind = "sha256" if algorithm == "SHA-256" else "md5"
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()


def _by_hand(file: WeightsFile, target: Path) -> str:
    digest = f"{file.algorithm} {file.digest}" if file.digest else "no hash is published"
    return f"Fetch {file.url} where there is a connection and save it as {target} ({file.megabytes:g} MB, {digest})."


def _absent(file: WeightsFile, target: Path, *, cause: str) -> WeightsError:
    return AbsentWeightsError(
        f"The weights file {target} is not there and cannot be fetched: {cause}.",
        hint=f"{_by_hand(file, target)} Or give a copy's path as weights; or start from random weights with "
        "weights=none. Another folder: KERAS_HOME. A proxy: HTTPS_PROXY, and SSL_CERT_FILE for its certificate.",
    )


def _peer(url: str) -> tuple[str, int]:
    """Host and port that a download talks to: the proxy's, where one is set."""
    import urllib.parse
    import urllib.request

    parts = urllib.parse.urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
        parts = urllib.parse.urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _silent(url: str, *, patience: float) -> bool:
    """Whether nothing at all comes back from a host.

    A refusal or an unknown name is an answer: there the download itself fails at once and tells the cause. In a thread,
    because the look-up of a name cannot be given a limit.
    """
    import socket
    import threading

    answered = threading.Event()

    def knock() -> None:
        with contextlib.suppress(Exception):
            socket.create_connection(_peer(url), timeout=patience * 2).close()
        answered.set()

    threading.Thread(target=knock, name="zoo-knock", daemon=True).start()
    return not answered.wait(patience)


def _download(file: WeightsFile, target: Path) -> Path:
    """Downloads beside the target and moves the whole, verified file there."""
    import tempfile

    get_file = _get_file()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(prefix=".zoo-", dir=target.parent) as place,
            contextlib.redirect_stdout(sys.stderr),  # Keras prints a progress bar; stdout belongs to results
            _stall_limit(),
        ):
            found = Path(get_file(file.name, file.url, cache_subdir=place, file_hash=file.digest))
            if found.parent != Path(place):
                return found
            if not target.exists():  # else another process was faster
                found.replace(target)
    except Exception as error:  # Keras raises a plain Exception when a download fails
        raise _absent(file, target, cause=str(error) or type(error).__name__) from error
    _verify(target, file)
    return target


def _get_file() -> Callable[..., str]:
    """Keras' download function, looked up where Keras' applications do it, so that a mirror put there counts."""
    import keras

    public: Any = keras.utils.get_file
    found: Callable[..., str] = getattr(sys.modules.get(public.__module__), "get_file", public)
    return found


@contextlib.contextmanager
def _stall_limit() -> Iterator[None]:
    """Keras downloads without a time limit; for its time the sockets' default is one."""
    import socket

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_STALL_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
