"""Rows on one choice of pictures: trained where the ledger does not have them, and collected from it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evidence.photos import write
from evidence.rig import Ledger, Rig, summary
from zoo.errors import ZooError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from evidence.photos import Photos
    from zoo.registry import Catalog

    Wanted = dict[str, Any]


def key(photos: Photos, wanted: Wanted) -> Wanted:
    """Names a run in the ledger."""
    return {"data": photos.name, **photos.counts, **wanted}


def train(
    photos: Photos,
    runs: Iterable[Wanted],
    ledger: Ledger,
    say: Callable[[str], None],
    catalog: Catalog | None = None,
) -> None:
    """Trains runs, each given by the arguments of `Rig.result`, in their order; names those that fail."""
    waiting = [wanted for wanted in runs if ledger.name(key(photos, wanted)) not in ledger.found]
    if not waiting:
        return
    with tempfile.TemporaryDirectory(prefix="zoo-measure-", ignore_cleanup_errors=True) as home, Rig(catalog) as rig:
        size = photos.pixels["train"].shape[1]
        dataset = rig.dataset(write(photos, Path(home)), size)
        for wanted in waiting:

            def fit(wanted: Wanted = wanted) -> dict[str, Any]:
                return rig.result(dataset, photos, **wanted)

            words = ", ".join(f"{name} {value}" for name, value in wanted.items())
            try:
                found = ledger.get(key(photos, wanted), fit)
            except ZooError as error:
                say(f"{photos.name} {photos.counts['train']}: {words}: {error}")
                continue
            say(f"{photos.name} {photos.counts['train']}: {words}: {found['holdout']:.3f}, {found['seconds']} s")


def collect(photos: Photos, seeds: Sequence[Wanted], ledger: Ledger) -> dict[str, Any] | None:
    """The seeds of a row that the ledger has, together, with their courses; None without any."""
    found = [ledger.found.get(ledger.name(key(photos, wanted))) for wanted in seeds]
    done = [one for one in found if one]
    if not done:
        return None
    courses = {name: [one.get(name) for one in done] for name in ("training", "inference", "fitted")}
    return {**summary(done, photos.counts["holdout"]), **courses}
