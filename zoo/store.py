"""The store: a folder that keeps every run, so that nothing is computed twice and any board can be drawn again.

```text
zoo-runs/
├─ zoo.sqlite        recipes, status, scores, histories, receipts, looks at the test part
└─ runs/<run id>/    model, predictions-<part>.npz, traceback.txt, …
```

Nothing in it is an absolute path, so the folder can be moved. Several processes may use it at once, each with its own
`Store`. What was written stays, whenever the process is killed.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from zoo.errors import StoreError
from zoo.fingerprint_table import FingerprintTable
from zoo.predictions import StoredPredictions, predictions_path, read_predictions, replacing, write_predictions
from zoo.records import dumps, loads
from zoo.run_table import RunTable
from zoo.schema import Database, Journal
from zoo.values import RunRecord, Scores

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from zoo.values import EpochRecord, FloatArray, IntArray, Part, Recipe


@dataclass(frozen=True, slots=True)
class Look:
    """One evaluation on the test part, kept for good: how often it was looked at must be known.

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
        journal: Forces SQLite's journal mode; by default the file system decides.
        reading: Nothing will be written, so a store on a disk that is full or read-only will do.

    Raises:
        RunFormatError: If a newer version of the library has written the store; it stays as it is.
        StoreError: If the folder cannot be used, or its `zoo.sqlite` is damaged. Every method may raise it, too.
    """

    def __init__(
        self, directory: Path | str, *, timeout: float = 60.0, journal: Journal | None = None, reading: bool = False
    ) -> None:
        self.directory = Path(directory)
        _make_folder(self.directory / "runs")
        self._database = Database(self.directory / "zoo.sqlite", timeout=timeout, journal=journal, reading=reading)
        self._table = RunTable(self._database)
        self._fingerprints = FingerprintTable(self._database)

    def close(self) -> None:
        """Lets go of the files. May be called twice."""
        try:
            self._fingerprints.flush()
        finally:
            self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------------------------ one run, from begin to end

    def begin(
        self,
        recipe: Recipe,
        *,
        digest: str,
        environment: Mapping[str, Any],
        row: str = "",
        data: Mapping[str, Any] | None = None,
    ) -> str:
        """Enters a run as `running` by this process, and creates its folder.

        Args:
            recipe: What is run.
            digest: Of recipe and environment; what `find` looks for.
            environment: Versions, backend, threads; strings, numbers, lists and mappings of these.
            row: Digest of the recipe without its seed.
            data: What is worth knowing about the pictures, such as their location; read with `data`.

        Returns:
            The run's name: backbone, policy, seed and the start of the digest, such as `lite0-freeze-all-s0-3f9a2c`.
        """
        stem = f"{_slug(recipe.backbone.name)}-{_slug(recipe.policy.name)}-s{recipe.seed}-{_slug(digest[:6])}"
        with self._database.transaction():
            taken = set(self._table.ids())
            names = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
            # A folder without a row was left by a process that was killed between the two.
            run_id = next(name for name in names if name not in taken and not self._folder(name).exists())
            record = RunRecord(
                id=run_id,
                recipe=recipe,
                digest=digest,
                status="running",
                environment=environment,
                started=datetime.now(UTC).isoformat(timespec="seconds"),
            )
            self._table.insert(record, row=row, about=data or {})
            _make_folder(self._folder(run_id))
        return run_id

    def add_epoch(self, run_id: str, record: EpochRecord) -> None:
        """Keeps an epoch as soon as it is over. Raises: RunNotFoundError."""
        self._table.add_epoch(run_id, record)

    def finish(self, record: RunRecord) -> None:
        """Enters how a run ended, with everything it measured, in one transaction.

        Raises:
            RunNotFoundError: If the run was never begun.
            StoreError: If it has ended before, or was begun with another digest.
        """
        self._table.finish(record)

    # ------------------------------------------------------------------ looking runs up

    def find(self, digest: str) -> RunRecord | None:
        """The latest run with a digest that has scores, if any: its numbers need not be computed again."""
        return self._table.find(digest)

    def get(self, run_id: str) -> RunRecord:
        """The run with a name, or with the only name that begins so. Raises: RunNotFoundError."""
        return self._table.get(run_id)

    def runs(self, *, data: str | None = None, split: str | None = None) -> tuple[RunRecord, ...]:
        """All runs, or those on a data set or split (digests), in the order in which they began.

        Those that a dead process of this machine left `running` come back as `interrupted`.
        """
        return self._table.select(data=data, split=split)

    def data(self, run_id: str) -> dict[str, Any]:
        """What `begin` was told about the pictures. Raises: RunNotFoundError."""
        return self._table.about(run_id)

    # ------------------------------------------------------------------ files of a run

    def folder(self, run_id: str) -> Path:
        """The existing folder for a run's files. Raises: RunNotFoundError."""
        folder = self._folder(self._table.resolve(run_id))
        _make_folder(folder)
        return folder

    def save_predictions(
        self, run_id: str, part: Part, *, ids: Sequence[str], labels: IntArray, probabilities: FloatArray
    ) -> None:
        """Keeps what a run predicted for a part of the split; replaces what was there. Raises: RunNotFoundError.

        Ids and true labels are of shape (n,), probabilities float32 of shape (n, classes).
        """
        path = predictions_path(self.folder(run_id), part)
        write_predictions(path, StoredPredictions(tuple(ids), labels, probabilities))

    def load_predictions(self, run_id: str, part: Part) -> StoredPredictions:
        """What `save_predictions` kept. Raises: RunNotFoundError, RunFormatError."""
        return read_predictions(predictions_path(self.folder(run_id), part))

    def save_traceback(self, run_id: str, text: str) -> Path:
        """Keeps the traceback of a failed run, and says where. Raises: RunNotFoundError."""
        path = self.folder(run_id) / "traceback.txt"
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
        return path

    def _folder(self, run_id: str) -> Path:
        return self.directory / "runs" / run_id

    # ------------------------------------------------------------------ what boards need besides runs

    def record_test_look(self, *, row: str, run_id: str, when: str, scores: Scores) -> None:
        """Keeps that a run's model was evaluated on the test part. Raises: RunNotFoundError."""
        split = self._table.get(run_id).recipe.split
        with self._database.transaction():
            self._database.write(
                "INSERT INTO test_looks (split, row, run, at, scores) VALUES (?, ?, ?, ?, ?)",
                [(split, row, self._table.resolve(run_id), when, dumps(scores))],
            )

    def test_looks(self, split: str) -> tuple[Look, ...]:
        """All looks at the test part of a split (digest), oldest first."""
        query = "SELECT split, row, run, at, scores FROM test_looks WHERE split = ? ORDER BY number"
        rows = self._database.read(query, (split,))
        return tuple(Look(known, row, run, at, loads(Scores, scores)) for known, row, run, at, scores in rows)

    def save_board_context(self, data: str, split: str, context: object) -> None:
        """Keeps what a board shows besides runs, so that it can be drawn without the data; replaces the former one.

        Args:
            data: Digest of the data set.
            split: Digest of the split.
            context: A record or mapping.
        """
        with self._database.transaction():
            statement = "INSERT OR REPLACE INTO board_contexts (data, split, context) VALUES (?, ?, ?)"
            self._database.write(statement, [(data, split, dumps(context))])

    def board_contexts(self) -> tuple[dict[str, Any], ...]:
        """The kept contexts; the one that was saved last comes last."""
        rows = self._database.read("SELECT context FROM board_contexts ORDER BY number")
        return tuple(loads(dict, context) for (context,) in rows)

    def fingerprints(self) -> FingerprintTable:
        """The fingerprints that scans of pictures remember; `close` writes what still waits."""
        return self._fingerprints


def _slug(name: str) -> str:
    """A name as a part of a folder's name, on any file system."""
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._")[:32] or "x"


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"The folder {folder} cannot be created: {error.strerror or error}.",
            hint="Choose a folder that can be written to.",
        ) from error
