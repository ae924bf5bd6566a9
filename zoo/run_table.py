"""The table of runs: who entered which run, how far it came and how it ended."""

from __future__ import annotations

import dataclasses
import difflib
from typing import TYPE_CHECKING, Any

from zoo.errors import RunNotFoundError, StoreError
from zoo.process import Process, this_process
from zoo.records import dumps, loads
from zoo.respelling import respelt
from zoo.values import EpochRecord, Recipe, RunRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo.schema import Database

_DIGEST = 64  # hex digits of SHA-256
_SHOWN = 5
"""Runs that a message names, at most."""

COMPLETE = ("finished", "not learning in inference mode")
"""Statuses of runs that have scores and need not be run again."""

OPEN = ("running", "interrupted")
"""Statuses of runs that may still be finished. A process on another machine can be taken for dead by mistake."""


class RunTable:
    """Runs and their epochs. A row is written when a run begins, and again when it ends.

    Args:
        database: An open one.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, record: RunRecord, *, row: str, about: Mapping[str, Any]) -> None:
        """Enters a run of this process; only inside a transaction."""
        me, recipe = this_process(), record.recipe
        values = (record.id, record.digest, row, recipe.data, recipe.split, record.status, me.pid, me.host, me.born)
        self._database.write(
            "INSERT INTO runs (id, digest, row, data, split, status, pid, host, born, about, record)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(*values, dumps(about), dumps(record))],
        )

    def ids(self) -> tuple[str, ...]:
        """Names of all runs, in the order in which they began."""
        return tuple(run_id for (run_id,) in self._database.read("SELECT id FROM runs ORDER BY number"))

    def resolve(self, text: str) -> str:
        """The name that a text means: a whole one, or the beginning of exactly one.

        Raises:
            RunNotFoundError: If it means none, or several.
        """
        ids = self.ids()
        if text in ids:
            return text
        fitting = [run_id for run_id in ids if text and run_id.startswith(text)]
        if len(fitting) == 1:
            return fitting[0]
        raise _not_found(
            text, ids=ids, fitting=[self._stored(run_id) for run_id in fitting[:_SHOWN]], more=len(fitting)
        )

    def about(self, run_id: str) -> dict[str, Any]:
        """What `insert` was told about the data. Raises: RunNotFoundError."""
        found = self._database.read("SELECT about FROM runs WHERE id = ?", (self.resolve(run_id),))
        return loads(dict, found[0][0])

    def add_epoch(self, run_id: str, record: EpochRecord) -> None:
        """Keeps an epoch. Raises: RunNotFoundError."""
        with self._database.transaction():
            self._stored(run_id)
            self._write_epochs(run_id, (record,))

    def finish(self, record: RunRecord) -> None:
        """Replaces a run's row and epochs. Raises: RunNotFoundError, StoreError (see `Store.finish`)."""
        with self._database.transaction():
            begun = self._stored(record.id)
            if begun.status not in OPEN or record.status == "running":
                raise StoreError(
                    f"Run {record.id} is {begun.status!r} and cannot become {record.status!r}.",
                    hint="Begin a new run of the same recipe.",
                )
            if begun.digest != record.digest:
                raise StoreError(
                    f"Run {record.id} was begun with digest {begun.digest}, but ends with {record.digest}.",
                    hint="Finish a run with the digest that it was begun with.",
                )
            if record.history:  # a run that failed may not know its epochs; those that were added stay
                self._database.write("DELETE FROM epochs WHERE run = ?", [(record.id,)])
                self._write_epochs(record.id, record.history)
            self._rewrite(dataclasses.replace(record, started=record.started or begun.started))

    def find(self, digest: str) -> RunRecord | None:
        """The latest complete run with a digest."""
        where = "digest = ? AND status IN (?, ?) ORDER BY number DESC LIMIT 1"
        return next(iter(self._select(where, (digest, *COMPLETE))), None)

    def get(self, text: str) -> RunRecord:
        """The run that a text means. Raises: RunNotFoundError."""
        self.mark_interrupted()
        return self._select("id = ?", (self.resolve(text),))[0]

    def select(self, *, data: str | None, split: str | None) -> tuple[RunRecord, ...]:
        """All runs, or those on a data set or split, in the order in which they began."""
        self.mark_interrupted()
        given = {column: digest for column, digest in (("data", data), ("split", split)) if digest is not None}
        where = " AND ".join(f"{column} = ?" for column in given) or "TRUE"
        return self._select(f"{where} ORDER BY number", tuple(given.values()))

    def mark_interrupted(self) -> None:
        """Ends the rows that dead processes of this machine left `running`; who only reads is told so without that."""
        if self._database.reading:
            return
        dead = self._dead()
        if not dead:
            return
        with self._database.transaction():
            for run_id, reason in dead.items():
                record = self._stored(run_id)
                if record.status == "running":  # still, now that nobody else can write
                    self._rewrite(dataclasses.replace(record, status="interrupted", reason=reason))

    def _dead(self) -> dict[str, str]:
        """Runs that are `running` and whose process is no more, with the reason that they get."""
        running = self._database.read("SELECT id, pid, host, born FROM runs WHERE status = 'running'")
        return {
            run_id: f"Process {pid}, which ran it, ended before the run did."
            for run_id, pid, host, born in running
            if Process(pid, host, born).alive() is False
        }

    def _stored(self, run_id: str) -> RunRecord:
        """The row without its epochs."""
        found = self._database.read("SELECT record FROM runs WHERE id = ?", (run_id,))
        if not found:
            raise _not_found(run_id, ids=self.ids())
        return _read(found[0][0])

    def _select(self, where: str, values: Sequence[object]) -> tuple[RunRecord, ...]:
        runs = f"FROM runs WHERE {where}"
        dead = self._dead() if self._database.reading else {}  # before, so that what they wrote last is seen below
        found = self._database.read(f"SELECT id, record {runs}", values)
        epochs = f"SELECT run, record FROM epochs WHERE run IN (SELECT id {runs}) ORDER BY run, epoch"  # noqa: S608 - only our own words
        histories: dict[str, list[EpochRecord]] = {run_id: [] for run_id, _ in found}
        for run_id, text in self._database.read(epochs, values):
            # A run that began between the two queries is left to the next call.
            if run_id in histories:
                histories[run_id].append(loads(EpochRecord, text))
        records = [dataclasses.replace(_read(text), history=tuple(histories[run_id])) for run_id, text in found]
        return tuple(
            dataclasses.replace(one, status="interrupted", reason=dead[one.id])
            if one.id in dead and one.status == "running"
            else one
            for one in records
        )

    def _write_epochs(self, run_id: str, history: Sequence[EpochRecord]) -> None:
        rows = [(run_id, epoch.epoch, dumps(epoch)) for epoch in history]
        self._database.write("INSERT OR REPLACE INTO epochs VALUES (?, ?, ?)", rows)

    def _rewrite(self, record: RunRecord) -> None:
        text = dumps(dataclasses.replace(record, history=()))
        self._database.write("UPDATE runs SET status = ?, record = ? WHERE id = ?", [(record.status, text, record.id)])


def _read(text: str) -> RunRecord:
    """A record whose recipe is spelt as it would be today."""
    record = loads(RunRecord, text)
    return dataclasses.replace(record, recipe=respelt(record.recipe))


def _not_found(text: str, *, ids: Sequence[str], fitting: Sequence[RunRecord] = (), more: int = 0) -> RunNotFoundError:
    if fitting:
        shown = ", ".join(record.id for record in fitting) + (", …" if more > len(fitting) else "")
        rests = [_rest(record.id, text) for record in fitting]
        told = "; ".join(f"{rest} is {words}" for rest, words in zip(rests, _told_apart(fitting), strict=True))
        return RunNotFoundError(f"{more} runs begin with {text!r}: {shown}.", hint=f"Give more of the name: {told}.")
    near = difflib.get_close_matches(text, ids, n=3, cutoff=0.5)
    if near:
        hint = f"Did you mean {' or '.join(near)}?"
    else:
        last = f", the last of them {', '.join(ids[-_SHOWN:])}" if ids else ""
        hint = f"The store has {len(ids)} runs{last}. `zoo leaderboard --json` names all."
    return RunNotFoundError(f"There is no run named {text!r}.", hint=hint)


def _rest(name: str, beginning: str) -> str:
    """What of a name comes behind its beginning, from a whole word on."""
    whole = beginning.endswith("-") or name[len(beginning) :].startswith("-")
    return name[len(beginning) if whole else beginning.rfind("-") + 1 :].lstrip("-")


def _told_apart(records: Sequence[RunRecord]) -> list[str]:
    """Of each of several runs, what differs between them."""
    facts = {
        field.name.replace("_", " "): [_shown(getattr(one.recipe, field.name)) for one in records]
        for field in dataclasses.fields(Recipe)
    }
    differing = {name: values for name, values in facts.items() if len(set(values)) > 1}
    if len(set(zip(*differing.values(), strict=True))) < len(records):
        differing["begun"] = [one.started for one in records]
    return [", ".join(f"{name} {values[place]}" for name, values in differing.items()) for place in range(len(records))]


def _shown(value: object) -> str:
    """A part of a recipe in a message: of digests the beginning."""
    if value is None:
        return "not given"
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text[:6] if len(text) == _DIGEST else text
