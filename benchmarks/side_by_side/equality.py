"""Probabilities of ours with and without kept features of frozen blocks."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from side_by_side import processes
from side_by_side.table import columns, troubles

if TYPE_CHECKING:
    from side_by_side.contest import Arena

TOLERANCE = 1e-4
ANEW = "computed anew in every epoch"
"""What the library says of features that it does not keep."""


def measure(arena: Arena) -> dict[str, Any]:
    """Runs the same grid twice; the largest difference of a probability in every row.

    Raises:
        ProcessFailedError: If the library does not say that it computed features anew.
    """
    import numpy as np

    work = dataclasses.replace(arena.work, keep_probabilities=True)
    kept = arena.run("ours", work, contender="features kept")
    anew = arena.run("ours", dataclasses.replace(work, frozen_cache=False), contender="features anew")
    found: dict[str, float] = {}
    with np.load(kept.answer["probabilities"]) as one, np.load(anew.answer["probabilities"]) as other:
        for name in sorted({*one.files, *other.files}):
            both = name in one.files and name in other.files
            found[name] = float(np.abs(one[name] - other[name]).max()) if both else float("inf")
    told = sum(ANEW in note for note in anew.answer["notes"])
    if not told:
        raise processes.ProcessFailedError("features were kept although they were not to be: nothing is compared")
    return {
        "largest_differences": found,
        "tolerance": TOLERANCE,
        "features_anew": anew.answer["frozen_features"],
        "runs": [dataclasses.asdict(run) for run in (kept, anew)],
        "troubles": list(troubles([kept, anew])),
    }


def table(found: dict[str, Any]) -> str:
    """Each row's largest difference."""
    lines = [("row", "largest difference", "goal")]
    lines += [
        (name.replace("|", " × "), f"{value:.1e}", f"≤ {found['tolerance']:g}")
        for name, value in found["largest_differences"].items()
    ]
    return "\n".join([columns(lines), f"without: {found['features_anew']}", *found["troubles"]])
