"""The curve of a learning-rate range test, and its file in the folder of the run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.errors import RunFormatError
from zoo.predictions import replacing
from zoo.records import from_plain, to_plain

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class RangeTest:
    """A learning-rate range test: what a training loss does while the rate grows from step to step.

    Attributes:
        phase: The phase that was tried.
        rates: Learning rate of each step, growing.
        losses: Training loss of each step.
        smoothed: Their exponential average, without its bias to the start.
        chosen: The rate in the middle of the longest fall of `smoothed`; None where it never falls.
    """

    phase: str
    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    chosen: float | None


FILE = "learning-rate.json"
"""`phase`, `rates`, `losses`, `smoothed` and `chosen`, as in `RangeTest`."""


def write_curve(test: RangeTest, folder: Path) -> None:
    """Keeps a range test; replaces a former one."""
    with replacing(folder / FILE) as draft:
        draft.write_text(json.dumps(to_plain(test), indent=1) + "\n", encoding="utf-8")


def read_curve(folder: Path) -> RangeTest | None:
    """The range test of a run; None where it made none.

    Raises:
        RunFormatError: If the file cannot be read.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        return from_plain(RangeTest, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise RunFormatError(f"{path} cannot be read: {error}.", hint="Delete the file, or run again.") from error
