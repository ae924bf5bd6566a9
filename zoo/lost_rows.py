"""Runs whose process did not come back, settled in the store by the call that had started it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from zoo.recipe import row_digest

if TYPE_CHECKING:
    from zoo.protocol import Identified
    from zoo.store import Store
    from zoo.values import Recipe, RunRecord

_OPEN = ("running", "interrupted")


def failed(
    store: Store, recipe: Recipe, known: Identified, *, run_id: str, reason: str, trace: str, seconds: float
) -> RunRecord:
    """Enters that a run failed, with a file of what is known about it; returns its record.

    Args:
        store: Where runs are kept.
        recipe: Of the run.
        known: What the recipe is found again by.
        run_id: Name of the run; empty if the process ended before it had one.
        reason: In words.
        trace: Stacks, and what the process wrote last.
        seconds: Wall time.
    """
    run_id = run_id or store.begin(recipe, digest=known.digest, environment=known.environment, row=row_digest(recipe))
    record = store.get(run_id)
    if record.status not in _OPEN:  # it had ended; its process did not live to say so
        return record
    store.save_traceback(run_id, trace)
    record = dataclasses.replace(record, status="failed", reason=reason, seconds=seconds)
    store.finish(record)
    return record


def interrupted(store: Store, run_id: str) -> None:
    """Enters that a run was stopped, if its process could not do so itself."""
    record = store.get(run_id)
    if record.status in _OPEN:
        store.finish(dataclasses.replace(record, status="interrupted", reason="stopped by the person"))


def trace_of(reason: str, *, stacks: str, last_words: str) -> str:
    """The text of the file of a run that ended with its process."""
    parts = [reason]
    if stacks.strip():
        parts.append(f"What all threads were doing:\n{stacks.rstrip()}")
    if last_words.strip():
        parts.append(f"What the worker process wrote last on standard error:\n{last_words.rstrip()}")
    return "\n\n".join(parts) + "\n"
