"""Rows that are written while the next ones are computed."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from zoo import writer as writer_module
from zoo.writer import Writer


def test_all_rows_are_there_in_the_end() -> None:
    """Of several arrays, in any number of batches; on another thread, which is gone afterwards."""
    draw = np.random.default_rng(0)
    wanted = [draw.random((70, 3)), draw.random((70, 2, 2))]
    stored = [np.zeros_like(one) for one in wanted]
    with Writer() as writer:
        for start in range(0, 70, 32):
            rows = slice(start, min(start + 32, 70))
            writer.write(stored, rows, [one[rows].copy() for one in wanted])
    assert [one.tobytes() for one in stored] == [one.tobytes() for one in wanted]
    assert not [one for one in threading.enumerate() if one.name.startswith("zoo-writer")]


@pytest.mark.parametrize("batches", [1, 2, 5])
def test_what_cannot_be_written_is_raised(monkeypatch: pytest.MonkeyPatch, batches: int) -> None:
    """With the next batch, or at the end; nothing is written after it."""
    tried: list[slice] = []

    def full(stored: Any, rows: slice, parts: Any) -> None:
        tried.append(rows)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer_module, "_put", full)

    def run() -> None:
        with Writer() as writer:
            for number in range(batches):
                writer.write([], slice(number, number + 1), [])

    with pytest.raises(OSError, match="No space left"):
        run()
    assert tried == [slice(0, 1)]


def test_an_error_in_the_middle_is_not_hidden_by_a_later_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stopped the computing counts, and the thread ends."""

    def full(stored: Any, rows: slice, parts: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer_module, "_put", full)

    def run() -> None:
        with Writer() as writer:
            writer.write([], slice(0, 1), [])
            raise ValueError("the network failed")

    with pytest.raises(ValueError, match="the network failed"):
        run()
    assert not [one for one in threading.enumerate() if one.name.startswith("zoo-writer")]
