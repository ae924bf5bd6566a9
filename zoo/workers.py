"""Rows in worker processes: who runs what, and what becomes of a row whose process does not come back."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import queue
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from zoo import environment, lost_rows, protocol
from zoo.endings import OUT_OF_MEMORY, SMALLER, ran_out_of_memory, reason, words
from zoo.errors import TrainingError, ZooError
from zoo.events import GridStarted, Note, RunEnded
from zoo.sharing import RowQueue, variables, visible_gpus
from zoo.worker_process import Gone, Printed, WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zoo.events import Event, Observer
    from zoo.sharing import Labour
    from zoo.store import Store
    from zoo.values import Recipe, RunRecord

_TICK = 0.1
"""Seconds between two looks at memory and time."""

_GRACE = 12.0
"""Seconds that a worker has to mark its run as interrupted; it ends itself before."""

_LATE = 2.0
"""Seconds after its time that a row is ended even if its stacks have not been written."""

_LAST_LINES = 12
"""Of what a worker wrote, that an error tells."""

_LEAST_BATCH = 2
"""Pictures in a batch: one alone gives BatchNormalization no statistics."""

_SHARE = 0.9
"""Of the free memory, what workers may take together."""


@dataclass(eq=False)
class _Seat:
    """A place for a worker process; who works there may change."""

    number: int
    process: WorkerProcess
    ready: bool = False
    task: protocol.Task | None = None
    began: float = 0.0
    again: protocol.Task | None = None
    left: float | None = None

    @property
    def idle(self) -> bool:
        """Whether it waits for a task."""
        return self.ready and self.task is None


class Crew:
    """The worker processes of one call. The first is started at once, so that Keras is there when the pictures are.

    Args:
        labour: How many, and their limits.
        store: Where runs are kept.
        observe: Told about everything, on the thread of the call.
    """

    def __init__(self, labour: Labour, store: Store, observe: Observer) -> None:
        self._labour = labour
        self._store = store
        self._observe = observe
        self._gpus = visible_gpus(len(environment.gpus()), os.environ)
        self._jobs = min(labour.jobs, len(self._gpus)) if self._gpus else labour.jobs
        if self._jobs < labour.jobs:
            observe(Note(f"{self._jobs} of {labour.jobs} worker processes are started: one for each GPU."))
        free = psutil.virtual_memory().available * _SHARE / max(1, self._jobs)
        self._limit = labour.memory_limit * 2**30 if labour.memory_limit is not None else free
        self._folder = Path(tempfile.mkdtemp(prefix="zoo-workers-"))
        self._inbox: queue.SimpleQueue[tuple[WorkerProcess, object]] = queue.SimpleQueue()
        self._seats: list[_Seat] = []
        self._setup: protocol.Setup | None = None
        self._started = self._stillborn = 0
        self._looked = 0.0
        self._identified: tuple[protocol.Identified, ...] = ()
        self._queue = RowQueue({})
        self._records: dict[int, RunRecord] = {}
        self._scored = False
        self._take_seat()

    # ------------------------------------------------------------------ the grid

    def run(self, setup: protocol.Setup, prepare: Callable[[Sequence[Recipe]], None]) -> list[RunRecord]:
        """Runs the recipes of a grid, and gives their records in order.

        Args:
            setup: What workers need.
            prepare: Called with the recipes that are not finished, before the first of them runs.

        Raises:
            IsolationError: If the data cannot be sent to workers, or they have other items than the call.
            ZooError: If workers cannot start, or the store fails.
        """
        self._setup = dataclasses.replace(setup, gpu=self._gpus[0] if self._gpus and self._jobs > 1 else None)
        self._seats[0].process.send(self._setup)
        while not self._identified:
            self._step()
        recipes, store = setup.recipes, self._store
        known = {i: store.find(one.digest) for i, one in enumerate(self._identified, start=1)}
        self._tell(GridStarted(len(recipes), sum(map(bool, known.values())), tuple(one.title for one in recipes)))
        for i, record in known.items():
            if record is not None and self._identified[i - 1].complete:
                self._keep(i, record, reused=True)
        self._queue = RowQueue({i: one for i, one in enumerate(recipes, start=1) if i not in self._records})
        while len(self._seats) < min(self._jobs, len(self._queue)):
            self._take_seat()
        prepare([one for i, one in enumerate(recipes, start=1) if i not in self._records])
        while len(self._records) < len(recipes):
            self._hand_out()
            self._step()
        return [self._records[i] for i in sorted(self._records)]

    def score(self, records: Sequence[RunRecord]) -> None:
        """Scores runs of one row on the test part. Raises: ZooError."""
        while not self._seats or not self._seats[0].idle:
            if not self._seats:  # the last row took the last worker with it
                self._take_seat()
            self._step()
        seat = self._seats[0]
        seat.process.send(protocol.ScoreTest(tuple(records)))
        self._scored = False
        while not self._scored:
            if self._seats[:1] != [seat]:
                why = f"The worker process {words(seat.process.code or 0)} while it scored the test part."
                raise TrainingError(why, hint="Run the same command again.")
            self._step()

    def close(self, *, abort: bool = False) -> None:
        """Ends all workers.

        Args:
            abort: Also those that are at a row, which is marked as interrupted.
        """
        try:
            leaving = [seat for seat in self._seats if seat.ready and (abort or seat.idle)]
            for seat in leaving:
                seat.process.send(protocol.Leave(now=not seat.idle))
            until = time.monotonic() + _GRACE
            for seat in leaving:
                seat.process.wait(max(0.0, until - time.monotonic()))
        finally:
            for seat in self._seats:
                seat.process.kill()
            self._mark_interrupted()
            self._seats.clear()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _mark_interrupted(self) -> None:
        """What workers had begun and could not end themselves."""
        for seat in self._seats:
            if seat.task is not None and seat.process.begun:
                with contextlib.suppress(ZooError):  # the store may be what ended the call
                    lost_rows.interrupted(self._store, seat.process.begun)

    # ------------------------------------------------------------------ seats

    def _take_seat(self, number: int | None = None) -> _Seat:
        """Starts a worker, on a new seat or on that of one who left."""
        number = len(self._seats) if number is None else number
        own = variables(number, self._jobs, cores=environment.cores(), gpus=self._gpus, environment=os.environ)
        self._started += 1
        process = WorkerProcess(self._inbox, faults=self._folder / f"{self._started}.txt", variables=own)
        seat = _Seat(number, process)
        self._seats = sorted([*self._seats, seat], key=lambda one: one.number)
        if self._setup is not None:
            process.send(dataclasses.replace(self._setup, identify=not self._identified))
        return seat

    def _replace(self, seat: _Seat, why: str) -> None:
        """Lets another worker go on where there is something left to do."""
        self._seats.remove(seat)
        if seat.again is None and self._identified and not len(self._queue):
            return
        if why:
            self._tell(Note(f"A new worker process goes on: {why}.", level="warning"))
        self._take_seat(seat.number).again = seat.again

    def _hand_out(self) -> None:
        for seat in self._seats:
            if not seat.idle:
                continue
            task, seat.again = seat.again, None
            if task is None and (index := self._queue.next(seat.number)) is not None:
                task = protocol.Task(index, timeout=self._labour.row_timeout)
            if task is not None:
                seat.task, seat.began, seat.process.begun, self._stillborn = task, time.monotonic(), "", 0
                seat.process.send(task)

    # ------------------------------------------------------------------ what happens

    def _step(self) -> None:
        """Waits for the next message, takes it in, and looks after the workers."""
        try:
            process, message = self._inbox.get(timeout=_TICK)
        except queue.Empty:
            pass
        else:
            if isinstance(message, Printed):
                _print(message.text)
            for seat in self._seats:
                if seat.process is process:
                    self._take(seat, message)
                    break
        if time.monotonic() - self._looked >= _TICK:
            for seat in tuple(self._seats):
                self._look_after(seat)
            self._looked = time.monotonic()

    def _take(self, seat: _Seat, message: Any) -> None:  # noqa: ANN401 - any message
        match message:
            case protocol.Told():
                run = seat.task.index if seat.task is not None else 0
                self._tell(dataclasses.replace(message.event, run=run))
            case protocol.Ready():
                if message.strange:
                    text = f"{', '.join(message.strange)} would not be the same in another process"
                    raise protocol.IsolationError(text)
                seat.ready, self._identified = True, message.identified or self._identified
            case protocol.Ended():
                self._ended(seat, message.record, reused=message.reused)
            case protocol.Scored():
                self._scored = True
            case protocol.Refused():
                raise message.error
            case protocol.Stopped():
                raise KeyboardInterrupt
            case Gone():
                self._gone(seat)
            case _:
                pass

    def _look_after(self, seat: _Seat) -> None:
        """Ends a worker that holds too much or takes too long, and notices one that ended without a word."""
        now = time.monotonic()
        if seat.process.code is not None:
            seat.left = seat.left or now
            if now - seat.left > _LATE:  # its own children hold its pipes
                self._gone(seat)
        elif seat.task is not None:
            held = seat.process.memory()
            if held > self._limit:
                limit = f"its limit of {self._limit / 2**30:.2g} GiB (--memory-limit)"
                why = f"{OUT_OF_MEMORY}: the worker process held {held / 2**30:.2g} GiB, more than {limit}."
                self._gone(seat, why, "the former one held too much memory")
            elif self._is_late(seat, seat.task.timeout):
                why = f"The row ran longer than --row-timeout {seat.task.timeout:g} s."
                self._gone(seat, why, f"the former one took more than {seat.task.timeout:g} s")

    @staticmethod
    def _is_late(seat: _Seat, timeout: float | None) -> bool:
        """Whether a row has had its time, and the time to write its stacks."""
        late = time.monotonic() - seat.began - timeout if timeout is not None else -1.0
        return late >= _LATE or (late >= 0 and bool(seat.process.stacks()))

    def _gone(self, seat: _Seat, why: str = "", short: str = "") -> None:
        """Settles the row of a worker that has ended, or ends it for a reason, and replaces it."""
        seat.process.kill()
        code = seat.process.code or 0
        if seat.task is not None:
            self._lost(seat, why or reason(code))
        else:
            self._stillborn += 1
        if self._stillborn > 1:
            said = " | ".join(seat.process.last_words().strip().splitlines()[-_LAST_LINES:]) or "nothing"
            raise TrainingError(
                f"The worker process {words(code)} before it began a row, twice in a row.",
                hint=f"It wrote last: {said}. With jobs=0 rows run without one.",
            )
        self._replace(seat, short or f"the former one {words(code)}")

    def _lost(self, seat: _Seat, why: str) -> None:
        """Enters that the row of a worker that has ended failed, or gives it to the next one with smaller batches."""
        assert seat.task is not None  # noqa: S101 - who calls has looked
        assert self._setup is not None  # noqa: S101 - tasks come after it
        index = seat.task.index
        record = lost_rows.failed(
            self._store,
            self._setup.recipes[index - 1],
            self._identified[index - 1],
            run_id=seat.process.begun,
            reason=why,
            trace=lost_rows.trace_of(why, stacks=seat.process.stacks(), last_words=seat.process.last_words()),
            seconds=time.monotonic() - seat.began,
        )
        seat.again = self._smaller(seat.task, record)
        if seat.again is None:
            self._keep(index, record)

    def _ended(self, seat: _Seat, record: RunRecord, *, reused: bool) -> None:
        """Keeps the record of a row. One that memory ran out for is tried again, by a worker that was not there."""
        assert seat.task is not None  # noqa: S101 - only tasks end
        task, seat.task = seat.task, None
        seat.again = self._smaller(task, record)
        if seat.again is None:
            self._keep(task.index, record, reused=reused)
            return
        seat.process.send(protocol.Leave())
        seat.process.wait()
        seat.process.kill()
        self._replace(seat, "")

    def _smaller(self, task: protocol.Task, record: RunRecord) -> protocol.Task | None:
        """The second try of a row that memory ran out for; None if that was not the cause, or cannot be bettered."""
        assert self._setup is not None  # noqa: S101 - tasks come after it
        size = min(record.recipe.batch_size, len(self._setup.dataset.split.train))
        half = max(_LEAST_BATCH, size // 2)
        if task.batch_size is not None or half >= size or not ran_out_of_memory(record):
            return None
        text = (
            f"Memory ran out with batches of {record.recipe.batch_size} pictures ({_cause(record)}); "
            f"the row is tried once more in a new worker process, with batches of {half}."
        )
        self._tell(Note(text, level="warning", run=task.index))
        return dataclasses.replace(task, batch_size=half)

    def _keep(self, index: int, record: RunRecord, *, reused: bool = False) -> None:
        self._records[index] = record
        total = len(self._identified)
        self._tell(RunEnded(record, index, total, reused=reused, run=index))

    def _tell(self, event: Event) -> None:
        self._observe(event)


def _cause(record: RunRecord) -> str:
    """Why a run failed, without what to do next, to stand in brackets."""
    return record.reason.removesuffix(SMALLER).strip().rstrip(".")


def _print(text: str) -> None:
    """Passes on what a worker wrote on standard error."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)
            sys.stderr.flush()
