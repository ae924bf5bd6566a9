"""The library's own `zoo.compare`, as a person calls it from a script."""

from __future__ import annotations

import contextlib
import functools
import inspect
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zoo
from side_by_side.parts import Parts
from side_by_side.work import Row
from zoo.events import Note, RunEnded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from side_by_side.work import Work
    from zoo.events import Event, Observer
    from zoo.values import RunRecord


def understands(option: str) -> bool:
    """Whether this version's `zoo.compare` has a parameter."""
    return option in inspect.signature(zoo.compare).parameters


def takes_several_rates() -> bool:
    """Whether this version's `zoo.compare` takes all learning rates in one call."""
    return "Sequence" in str(inspect.signature(zoo.compare).parameters["learning_rate"].annotation)


def run(work: Work) -> dict[str, Any]:
    """Trains a grid; what became of its rows, and when what was over."""
    records: list[RunRecord] = []
    moments: dict[str, float] = {}
    parts = Parts(work.started) if work.parts else None
    notes: list[str] = []

    def observe(event: Event) -> None:
        if parts is not None:
            parts.see(event)
        moments.setdefault(type(event).__name__, time.time() - work.started)
        if isinstance(event, Note):
            notes.append(event.text)
        if isinstance(event, RunEnded) and not event.reused:
            records.append(event.record)

    found: dict[str, Any] = {"frozen_features": compare(work, observe)}
    if parts is not None:
        found["parts"] = parts.over()
    names = asked_names(work)
    found["rows"] = [row_of(record, names) for record in records]
    found["moments"] = {name: moments[name] for name in ("DataReady", "GridStarted", "RunStarted") if name in moments}
    found["onednn"] = onednn(records)
    found["notes"] = notes
    if work.keep_probabilities:
        found["probabilities"] = keep_probabilities(work, records)
    return found


def compare(work: Work, observe: Observer) -> str:
    """Calls `zoo.compare` for all learning rates, at once where it takes several; says how features were kept."""
    options = {
        "backbones": work.backbones,
        "heads": work.heads,
        "policies": work.policies,
        "seeds": work.seeds,
        "epochs": work.epochs,
        "batch_size": work.batch,
        "patience": work.patience,
        "store": store_of(work),
        "observe": observe,
        **work.options,
    }
    with frozen_cache(kept=work.frozen_cache) as (more, how):
        call: Callable[..., object] = functools.partial(zoo.compare, Path(work.data), **options, **more)
        if takes_several_rates():
            call(learning_rate=work.rates)
        else:
            for rate in work.rates:
                call(learning_rate=rate)
    return how


@contextlib.contextmanager
def frozen_cache(*, kept: bool) -> Iterator[tuple[dict[str, Any], str]]:
    """Arguments of `zoo.compare` that keep features of frozen blocks or do not, and how that is done.

    Nothing on disk, no worker process, and in this process a cache that has no room.
    """
    if kept:
        yield {}, "as the library decides"
        return
    from zoo.backend import require_keras

    require_keras()
    from zoo import prefix

    usual = prefix.FeatureCache
    prefix.FeatureCache = functools.partial(usual, limit=0)  # type: ignore[misc, assignment]
    try:
        more = {option: value for option, value in (("cache", False), ("jobs", 0)) if understands(option)}
        yield more, ", ".join(["FeatureCache(limit=0)", *(f"{name}={value}" for name, value in more.items())])
    finally:
        prefix.FeatureCache = usual  # type: ignore[misc]


def store_of(work: Work) -> Path:
    """Folder of the runs."""
    return Path(work.store or Path(work.folder) / "store")


def asked_names(work: Work) -> dict[str, str]:
    """What was asked for by the spelling that the records have."""
    from zoo.plugins import load_catalog
    from zoo.recipe import complete_backbone, complete_head, complete_policy

    catalog = load_catalog()
    kinds = ((complete_backbone, work.backbones), (complete_head, work.heads), (complete_policy, work.policies))
    return {str(complete(catalog, name)): name for complete, names in kinds for name in names}


def row_of(record: RunRecord, names: dict[str, str]) -> dict[str, Any]:
    """A record as a `Row`."""
    recipe = record.recipe
    return {
        "backbone": names[str(recipe.backbone)],
        "head": names[str(recipe.head)],
        "policy": names[str(recipe.policy)],
        "rate": recipe.learning_rate,
        "seed": recipe.seed,
        "accuracy": record.validation.accuracy if record.validation else None,
        "epochs": len(record.history),
        "seconds": record.seconds,
        "status": record.status,
        "reason": record.reason,
    }


def onednn(records: list[RunRecord]) -> bool | None:
    """Whether the runs had oneDNN's kernels, as they recorded it."""
    told = {dict(record.environment.get("runtime", {})).get("onednn") for record in records}
    return bool(told.pop()) if len(told) == 1 and told != {None} else None


def keep_probabilities(work: Work, records: list[RunRecord]) -> str:
    """Writes the probabilities of all rows with scores on the validation pictures to one file; its path."""
    import numpy as np

    from zoo.store import Store

    path, names = Path(work.folder) / "probabilities.npz", asked_names(work)
    with Store(store_of(work)) as store:
        kept = {
            "|".join(map(str, Row(**row_of(record, names)).key)): store.load_predictions(
                record.id, "validation"
            ).probabilities
            for record in records
            if record.validation is not None
        }
    np.savez(path, **kept)  # type: ignore[arg-type]
    return str(path)
