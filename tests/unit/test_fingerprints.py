"""What a scan remembers of files that have not changed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from zoo import decoding
from zoo.fingerprints import examine, facts_of
from zoo.values import Picture, Skipped

if TYPE_CHECKING:
    from pathlib import Path


class Memory:
    """A cache in a dictionary."""

    def __init__(self) -> None:
        """Empty at first."""
        self.texts: dict[str, str] = {}

    def get(self, key: str, /) -> str | None:
        """What was put."""
        return self.texts.get(key)

    def put(self, key: str, value: str, /) -> None:
        """Remembers."""
        self.texts[key] = value


@pytest.fixture
def pictures(tmp_path: Path) -> list[Picture]:
    """Two files, one file that is broken, and an array."""
    for index in range(2):
        Image.fromarray(np.full((9, 8, 3), index, np.uint8)).save(tmp_path / f"{index}.png")
    (tmp_path / "2.png").write_bytes(b"")
    files = [Picture(f"{index}", 0, path=str(tmp_path / f"{index}.png")) for index in range(3)]
    return [*files, Picture("3", 0, pixels=np.zeros((4, 4, 3), np.uint8))]


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the pictures that are decoded from now on."""
    seen: list[str] = []
    real = decoding.attempt

    def spy(picture: Picture, channels: int | None) -> object:
        seen.append(picture.id)
        return real(picture, channels)

    monkeypatch.setattr(decoding, "attempt", spy)
    return seen


def test_unchanged_files_are_not_decoded_again(pictures: list[Picture], decoded: list[str]) -> None:
    """The second time only arrays and broken files are looked at, and the findings are equal."""
    cache = Memory()
    first = examine(pictures, cache=cache)
    assert sorted(decoded) == ["0", "1", "2", "3"]
    decoded.clear()
    assert examine(pictures, cache=cache) == first
    assert sorted(decoded) == ["2", "3"]
    assert first[2] == Skipped("2", "the file is empty")


def test_changed_files_are_decoded_again(pictures: list[Picture], decoded: list[str]) -> None:
    """Another time of change, or another size, and the file is looked at again."""
    cache = Memory()
    examine(pictures, cache=cache)
    decoded.clear()
    assert pictures[0].path is not None
    os.utime(pictures[0].path, ns=(1, 1))
    examine(pictures[:2], cache=cache)
    assert decoded == ["0"]


def test_without_a_cache_everything_is_decoded(pictures: list[Picture], decoded: list[str]) -> None:
    """No cache, no memory."""
    examine(pictures)
    examine(pictures)
    assert len(decoded) == 8


@pytest.mark.parametrize("text", ["", "not json", "[1]", '{"a": 1}', "null"])
def test_foreign_entries_are_not_believed(text: str, pictures: list[Picture]) -> None:
    """A cache that holds something else only costs time."""
    cache = Memory()
    first = examine(pictures, cache=cache)
    cache.texts = dict.fromkeys(cache.texts, text)
    assert examine(pictures, cache=cache) == first


def test_facts_tell_size_and_constancy() -> None:
    """Width and height are not swapped, and one other pixel makes a picture not constant."""
    flat = np.full((3, 5, 3), 9, np.uint8)
    facts = facts_of(flat)
    assert (facts.width, facts.height, facts.constant) == (5, 3, True)
    flat[2, 4, 1] = 8
    assert not facts_of(flat).constant
    assert facts_of(flat).fingerprint != facts.fingerprint
