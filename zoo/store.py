"""The store: a folder that keeps every run, so that nothing is computed twice and any board can be drawn again.

```text
zoo-runs/
├─ zoo.sqlite        recipes, status, scores, histories, receipts, looks at the test part
└─ runs/<run id>/    model, predictions-<part>.npz, traceback.txt, …
```

Nothing in it is an absolute path, so the folder can be moved. Several processes may use it at once.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from zoo.errors import RunNotFoundError, StoreError
from zoo.predictions import StoredPredictions, predictions_path, read_predictions, replacing, write_predictions
from zoo.process import Process, this_process
from zoo.records import dumps, from_plain, loads, to_plain
from zoo.schema import Database, Journal
from zoo.values import EpochRecord, RunRecord, Scores

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType

    from zoo.values import Part, Recipe

SCORED = ("finished", "not learning in inference mode")
"""Statuses of runs that are complete: they have scores and need not be run again."""


@dataclass(frozen=True, slots=True)
class Look:
    """One evaluation on the test part, kept for good: how often the test part was looked at must be known.

    Attributes:
        split: Digest of the split.
        row: Digest of the recipe without its seed.
        run_id: The run whose model was evaluated.
        at: ISO 8601, UTC.
        scores: On the test part.
    """

    split: str
    row: str
    run_id: str
    at: str
    scores: Scores


class Store:
    """All runs under one folder.

    Args:
        directory: The folder; it is created if it is absent. Other files in it are left alone.
        timeout: Seconds to wait for another process that writes.
        journal: Forces SQLite's journal mode; by default it is chosen by the file system.

    Raises:
        RunFormatError: If a newer version of the library has written the store; it stays as it is.
        StoreError: If the folder cannot be used, or its `zoo.sqlite` is damaged.
    """

    def __init__(self, directory: Path | str, *, timeout: float = 60.0, journal: Journal | None = None) -> None:
        self.directory = Path(directory)
        _make_folder(self.directory / "runs")
        self._database = Database(self.directory / "zoo.sqlite", timeout=timeout, journal=journal)

    def close(self) -> None:
        """Lets go of the files."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------------------------ one run, from begin to end

    def begin(
        self, recipe: Recipe, *, digest: str, row: str, environment: Mapping[str, Any], data: Mapping[str, Any]
    ) -> str:
        """Enters a run as `running` by this process, and creates its folder.

        Args:
            recipe: What is run.
            digest: Of recipe and environment; what `find` looks for.
            row: Digest of the recipe without its seed.
            environment: Versions, backend, threads.
            data: Anything worth knowing about the pictures, such as their location; see `data`.

        Returns:
            The run's name: backbone, policy, seed and the start of the digest, `lite0-freeze-all-s0-3f9a2c`.
        """
        me = this_process()
        stem = f"{_slug(recipe.backbone.name)}-{_slug(recipe.policy.name)}-s{recipe.seed}-{_slug(digest[:6])}"
        with self._database.transaction():
            run_id = self._unused(stem)
            record = RunRecord(
                id=run_id, recipe=recipe, digest=digest, status="running", environment=environment, started=_now()
            )
            about = (me.pid, me.host, me.born, dumps(data), dumps(record))
            self._database.write(
                "INSERT INTO runs (id, digest, row, data, split, status, pid, host, born, about, record)"
                " VALUES (?, ?, ?, ?, ?, 'running', ?, ?, ?, ?, ?)",
                [(run_id, digest, row, recipe.data, recipe.split, *about)],
            )
            _make_folder(self._folder(run_id))
        return run_id

    def add_epoch(self, run_id: str, record: EpochRecord) -> None:
        """Keeps an epoch as soon as it is over. Raises: RunNotFoundError."""
        with self._database.transaction():
            self._about(run_id)
            self._write_epochs(run_id, (record,))

    def finish(self, record: RunRecord) -> None:
        """Enters how a run ended, with everything it measured, in one transaction.

        Raises:
            RunNotFoundError: If the run was never begun.
            StoreError: If it has ended before, or was begun with another digest.
        """
        with self._database.transaction():
            begun = self._about(record.id)
            if begun.status not in ("running", "interrupted") or record.status == "running":
                raise StoreError(
                    f"Run {record.id} is {begun.status!r} and cannot become {record.status!r}.",
                    hint="Begin a new run of the same recipe.",
                )
            if begun.digest != record.digest:
                raise StoreError(
                    f"Run {record.id} was begun with digest {begun.digest}, but ends with {record.digest}.",
                    hint="Finish a run with the digest that it was begun with.",
                )
            self._database.write("DELETE FROM epochs WHERE run = ?", [(record.id,)])
            self._write_epochs(record.id, record.history)
            self._rewrite(dataclasses.replace(record, started=record.started or begun.started))

    def _write_epochs(self, run_id: str, history: Sequence[EpochRecord]) -> None:
        rows = [(run_id, epoch.epoch, dumps(epoch)) for epoch in history]
        self._database.write("INSERT OR REPLACE INTO epochs VALUES (?, ?, ?)", rows)

    def _rewrite(self, record: RunRecord) -> None:
        text = dumps(dataclasses.replace(record, history=()))
        statement = "UPDATE runs SET status = ?, record = ? WHERE id = ?"
        self._database.write(statement, [(record.status, text, record.id)])

    # ------------------------------------------------------------------ looking runs up

    def find(self, digest: str) -> RunRecord | None:
        """The latest complete run with a digest, if any: then its numbers need not be computed again."""
        marks = ", ".join("?" * len(SCORED))
        where = f"digest = ? AND status IN ({marks}) ORDER BY number DESC LIMIT 1"
        return next(iter(self._records(where, (digest, *SCORED))), None)

    def get(self, run_id: str) -> RunRecord:
        """The run with a name, or with a name that begins so.

        Raises:
            RunNotFoundError: If there is none, or more than one.
        """
        self._mark_interrupted()
        return self._records("id = ?", (self._resolve(run_id),))[0]

    def runs(self, *, data: str | None = None, split: str | None = None) -> tuple[RunRecord, ...]:
        """All runs, or those on a data set or split (digests), in the order in which they were begun."""
        self._mark_interrupted()
        given = {column: digest for column, digest in (("data", data), ("split", split)) if digest is not None}
        where = " AND ".join(f"{column} = ?" for column in given) or "TRUE"
        return self._records(f"{where} ORDER BY number", tuple(given.values()))
