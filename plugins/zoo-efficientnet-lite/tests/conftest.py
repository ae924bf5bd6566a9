"""Fixtures of the plugin's tests. The conversion is made once for a session, into a folder of its own."""

from __future__ import annotations

import importlib.util
import os
import pickle
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as zoo does before it imports Keras; tests import Keras first

from zoo_efficientnet_lite.variants import VARIANTS, Variant

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

LITE0 = VARIANTS[0]


@pytest.fixture
def lite0() -> Variant:
    """The smallest member of the family."""
    return LITE0


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder that holds lite0; skipped where it cannot be converted."""
    for module in ("tensorflow", "keras_cv"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module}, which the conversion needs, is not installed")
    from zoo_efficientnet_lite.cache import converted_model

    folder = tmp_path_factory.mktemp("zoo-cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_CACHE", str(folder))
        converted_model(LITE0)
    return folder


@pytest.fixture(scope="session")
def build(converted: Path) -> Callable[..., Any]:
    """`build_variant`, on a cache that holds lite0 already."""
    from zoo_efficientnet_lite.graph import build_variant

    def with_cache(name: str, **choice: Any) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ZOO_CACHE", str(converted))
            return build_variant(name, **choice)

    return with_cache


@pytest.fixture(scope="session")
def pretrained(build: Callable[..., Any]) -> Any:
    """lite0 with its released weights at its own size. Tests must not change it."""
    return build(LITE0.name, size=LITE0.image_size, weights=LITE0.weights)


@pytest.fixture(scope="session")
def small(build: Callable[..., Any]) -> Any:
    """lite0 with its released weights for pictures of 64 pixels. Tests must not change it."""
    return build(LITE0.name, size=64, weights=LITE0.weights)


@pytest.fixture(scope="session")
def untrained(build: Callable[..., Any]) -> Any:
    """lite0 with random weights for pictures of 32 pixels. Tests must not change it."""
    return build(LITE0.name, size=32, weights=None)


@pytest.fixture
def noise() -> Any:
    """Two pictures of 64 pixels, float32, 0–255."""
    import numpy as np

    return np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype("float32")


def code(value: object) -> bytes:
    """The instructions that put a plain value on the stack."""
    return pickle.dumps(value, protocol=2)[2:-1]


@dataclass
class Entry:
    """One tensor of a made-up legacy file, float32, with everything open to be wrong."""

    name: str = "w"
    values: Sequence[float] = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
    size: Any = (2, 3)
    stride: Any = (3, 1)
    offset: Any = 0
    key: str = "0"
    numel: Any = None
    storage: str = "ctorch\nFloatStorage\n"
    rebuild: str = "ctorch._utils\n_rebuild_tensor_v2\n"

    @property
    def instructions(self) -> bytes:
        """The instructions that put it on the stack."""
        numel = len(self.values) if self.numel is None else self.numel
        pid = code("storage") + self.storage.encode() + code(self.key) + code("cpu") + code(numel) + code(None)
        rest = code(self.offset) + code(self.size) + code(self.stride) + code(False)
        return self.rebuild.encode() + b"((" + pid + b"tQ" + rest + b"ccollections\nOrderedDict\n)RtR"


@dataclass
class LegacyFile:
    """A legacy file, written instruction by instruction, so that no torch is needed and each part can be wrong."""

    entries: Sequence[Entry] = field(default_factory=lambda: (Entry(),))
    magic: int = 0x1950A86A20F9469CFC6C
    protocol: int = 1001
    little_endian: bool = True
    keys: object = None
    after: bytes = b""
    empty: bytes = b"}"
    """Instructions that put an empty dict on the stack."""
    extra: bytes = b""
    """Instructions that are run after the dict is filled, with the dict on the stack."""

    def __bytes__(self) -> bytes:
        """The whole file."""
        head = [self.magic, self.protocol, {"protocol_version": 1001, "little_endian": self.little_endian}]
        filled = b"".join(code(entry.name) + entry.instructions + b"s" for entry in self.entries)
        state = b"\x80\x02" + self.empty + filled + self.extra + b"."
        stored = {entry.key: entry.values for entry in self.entries}
        keys = sorted(stored) if self.keys is None else self.keys
        raw = b"".join(struct.pack(f"<q{len(stored[key])}f", len(stored[key]), *stored[key]) for key in sorted(stored))
        return b"".join(pickle.dumps(part, 2) for part in head) + state + pickle.dumps(keys, 2) + raw + self.after


@pytest.fixture
def legacy_file() -> type[LegacyFile]:
    """Writes legacy files."""
    return LegacyFile


@pytest.fixture
def entry() -> type[Entry]:
    """A tensor of a legacy file."""
    return Entry
