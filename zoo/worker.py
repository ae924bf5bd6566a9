"""A worker process: runs rows that it is told to run, and tells what happens.

It is started by `zoo.worker_process` and talks to it through what were its standard input and output. Whatever is
printed in it goes to standard error.
"""

from __future__ import annotations

import _thread
import contextlib
import dataclasses
import faulthandler
import gc
import importlib
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.backend import is_accelerated, quiet, require_keras, uncollected
from zoo.environment import gpus
from zoo.errors import ZooError
from zoo.events import RunEnded
from zoo.isolation import strange
from zoo.plugins import load_catalog
from zoo.protocol import (
    GREETING,
    Begun,
    Ended,
    Identified,
    Leave,
    Ready,
    Refused,
    Scored,
    ScoreTest,
    Sender,
    Setup,
    Stopped,
    Task,
    Told,
    receive,
)
from zoo.sharing import GPUS
from zoo.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from zoo.events import Event
    from zoo.experiment import Bench

_NEEDED = ("zoo.experiment", "zoo.input_check", "zoo.readings", "zoo.reuse", "zoo.training", "zoo.cues", "zoo.scoring")
"""What rows need of the library, and of SciPy, imported while nothing else is to be done."""

GRACE = 10.0
"""Seconds that a row has to end in after it was told to."""


class Interrupts:
    """Lets the call, and nobody else, stop the row in flight: Ctrl-C reaches every process of a terminal.

    Attributes:
        wanted: Whether the row is to be stopped at the next opportunity.
    """

    def __init__(self) -> None:
        self.wanted = self._allowed = self._given = False
        self._held = 0
        signal.signal(signal.SIGINT, self._on_signal)

    def want(self) -> None:
        """Interrupts the row in flight, if there is one; called on another thread than the main one."""
        self.wanted = True
        main = threading.main_thread().ident
        if hasattr(signal, "pthread_kill") and main is not None:
            signal.pthread_kill(main, signal.SIGINT)  # also wakes it where it waits for something
        else:
            _thread.interrupt_main()

    @contextlib.contextmanager
    def allowed(self) -> Iterator[None]:
        """The time in which an interrupt is raised, at most once."""
        self._allowed = True
        try:
            self._give()
            yield
        finally:
            self._allowed = False

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """A time in which none is raised, such as that of writing half a message."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
        self._give()

    def _on_signal(self, number: int, frame: object) -> None:  # noqa: ARG002 - the protocol of handlers
        self._give()

    def _give(self) -> None:
        if self.wanted and self._allowed and not self._held and not self._given:
            self._given = True
            raise KeyboardInterrupt


class TellingStore(Store):
    """A store that tells which runs are begun in it.

    Args:
        directory: The folder.
        tell: Is told.
    """

    def __init__(self, directory: Path, tell: Any) -> None:  # noqa: ANN401 - takes any message
        super().__init__(directory)
        self._tell = tell

    def begin(self, *given: Any, **named: Any) -> str:  # noqa: ANN401 - as in the base
        """As in the base."""
        run_id = super().begin(*given, **named)
        self._tell(Begun(run_id))
        return run_id


class Worker:
    """What the main thread of a worker does.

    Args:
        sender: To the call.
        interrupts: Of this process.
        faults: Where stacks are written.
    """

    def __init__(self, sender: Sender, interrupts: Interrupts, faults: TextIO) -> None:
        self._sender = sender
        self._interrupts = interrupts
        self._faults = faults
        self._setup: Setup | None = None
        self._bench: Bench | None = None

    def tell(self, message: object) -> None:
        """Sends a message as a whole. If nobody reads any more, the row in flight is interrupted."""
        with self._interrupts.held():
            try:
                self._sender.send(message)
            except OSError:
                self._interrupts.wanted = True

    def serve(self, orders: queue.SimpleQueue[Any]) -> None:
        """Does what it is told until it is to leave."""
        try:
            with uncollected():
                require_keras()  # while the call still looks at the pictures
                for name in _NEEDED:
                    importlib.import_module(name)
                gc.freeze()  # what a backend is made of stays: nobody need search it for garbage again
            while not isinstance(order := orders.get(), Leave):
                if isinstance(order, Setup):
                    self._prepare(order)
                elif isinstance(order, Task):
                    self._run(order)
                elif isinstance(order, ScoreTest):
                    self._score(order)
        except ZooError as error:
            self.tell(Refused(error))
        except KeyboardInterrupt:
            self.tell(Stopped())
        finally:
            if self._bench is not None:
                self._bench.store.close()

    def _prepare(self, setup: Setup) -> None:
        from zoo.experiment import identify, is_complete, make_bench

        _hide_which_gpu(setup.gpu)
        catalog = load_catalog(blocked=setup.blocked, only=setup.only)
        differing = strange(catalog, setup.marks)
        if differing:
            self.tell(Ready(strange=differing))
            return
        store = TellingStore(setup.store, self.tell)
        setup.dataset.observe = self._observe
        self._setup = setup
        self._bench = make_bench(catalog, setup.dataset, store, self._observe)
        found = []
        for recipe in setup.recipes if setup.identify else ():
            surroundings, digest = identify(recipe, catalog, alpha=setup.dataset.report.alpha)
            known = store.find(digest)
            found.append(Identified(digest, surroundings, known is not None and is_complete(store, known)))
        self.tell(Ready(tuple(found)))

    def _run(self, task: Task) -> None:
        from zoo.experiment import run

        assert self._setup is not None  # noqa: S101 - the call sends it first
        assert self._bench is not None  # noqa: S101 - as above
        ended: list[RunEnded] = []

        def observe(event: Event) -> None:
            if isinstance(event, RunEnded):
                ended.append(event)
            else:
                self._observe(event)

        recipes = self._setup.recipes
        bench = dataclasses.replace(self._bench, observe=observe)
        with self._watched(task.timeout), self._interrupts.allowed():
            run(recipes[task.index - 1], bench, index=task.index, total=len(recipes), batch_size=task.batch_size)
        self.tell(Ended(ended[0].record, reused=ended[0].reused))

    def _score(self, order: ScoreTest) -> None:
        from zoo.scoring import score_test

        assert self._bench is not None  # noqa: S101 - the call sends a Setup first
        try:
            with self._interrupts.allowed(), quiet():
                score_test(order.records, self._bench)
        except ZooError as error:
            self.tell(Refused(error))
        else:
            self.tell(Scored())

    def _observe(self, event: Event) -> None:
        self.tell(Told(event))

    @contextlib.contextmanager
    def _watched(self, timeout: float | None) -> Iterator[None]:
        """Writes down where all threads are after some seconds, also where no Python code runs any more."""
        if timeout is not None:
            faulthandler.dump_traceback_later(timeout, file=self._faults)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


def main() -> None:
    """Serves the process that started this one. Its words are `sys.path` as JSON, and a file for stacks."""
    incoming, outgoing = _private_ends()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    os.write(outgoing, GREETING)
    sender, interrupts = Sender(outgoing), Interrupts()
    orders: queue.SimpleQueue[Any] = queue.SimpleQueue()
    listener = threading.Thread(target=_listen, args=(incoming, orders, interrupts), name="zoo-orders", daemon=True)
    with Path(sys.argv[2]).open("w", encoding="utf-8") as faults:
        faulthandler.enable(file=faults)
        sys.argv = ["zoo.worker"]
        listener.start()
        Worker(sender, interrupts, faults).serve(orders)
        faulthandler.disable()


def _private_ends() -> tuple[int, int]:
    """What was standard input and output; from now on the one is empty and the other goes to standard error."""
    incoming, outgoing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return incoming, outgoing


def _listen(incoming: int, orders: queue.SimpleQueue[Any], interrupts: Interrupts) -> None:
    """Hands orders on. When the call wants the process to leave at once, or is gone, so it does."""
    try:
        while not isinstance(order := receive(incoming), Leave):
            orders.put(order)
    except EOFError:
        order = Leave(now=True)
    orders.put(order)
    if order.now:
        end = threading.Timer(GRACE, os._exit, (1,))
        end.daemon = True
        end.start()
        interrupts.want()


def _hide_which_gpu(first: str | None) -> None:
    """Lets a run on one of several equal GPUs be found again whichever of them ran it.

    Once the backend has seen which one is its own, the variable is for the digest of runs only.
    """
    if first is not None and len(set(gpus())) == 1:
        is_accelerated()
        os.environ[GPUS] = first
