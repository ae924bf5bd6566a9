"""Where the rows of a grid run: in worker processes, or in the process of the call."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Self

from zoo.backend import quiet, require_keras
from zoo.events import GridStarted, Note, ignore
from zoo.isolation import hindrance, marks_of, selection
from zoo.protocol import IsolationError, Setup
from zoo.workers import Crew

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from zoo.dataset import Dataset
    from zoo.events import Observer
    from zoo.experiment import Bench
    from zoo.isolation import Row
    from zoo.registry import Catalog
    from zoo.sharing import Labour
    from zoo.store import Store
    from zoo.values import Recipe, RunRecord


def make_bench(catalog: Catalog, dataset: Dataset, store: Store, observe: Observer) -> Bench:
    """What the runs of this process share. Imports Keras. Raises: UsageError."""
    from zoo.experiment import Bench

    require_keras()  # before the next line imports it: TensorFlow reads its variables when it is imported
    from zoo.prefix import FeatureCache

    return Bench(catalog, dataset, store, FeatureCache(observe=observe), observe)


class Executor:
    """Runs the rows of one call; a context, at whose end no process is left.

    Args:
        labour: Worker processes and their limits.
        rows: What the call names, to see whether a worker can have it.
        catalog: All items.
        store: Where runs are kept.
        observe: Told about everything.
    """

    def __init__(
        self, labour: Labour, rows: Sequence[Row], *, catalog: Catalog, store: Store, observe: Observer
    ) -> None:
        self._catalog, self._store, self._observe = catalog, store, observe
        self._marks = marks_of(catalog, rows)
        self._bench: Bench | None = None
        self._crew: Crew | None = None
        if labour.jobs:
            problem = hindrance(catalog, self._marks)
            try:
                self._crew = Crew(labour, store, observe) if not problem else None
            except OSError as error:
                problem = f"no other one can be started ({error})"
            if problem:
                self._say_why_here(problem)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._crew is not None:
            self._crew.close(abort=kind is not None)

    def run(self, recipes: Sequence[Recipe], dataset: Dataset) -> list[RunRecord]:
        """Runs all recipes and gives their records, in order. What fails in a row costs that row only.

        Raises:
            ZooError: If no row can run.
        """
        if self._crew is not None:
            blocked, only = selection(self._catalog)
            setup = Setup(
                _undecoded(dataset), self._store.directory.absolute(), blocked, only, self._marks, tuple(recipes)
            )
            try:
                return self._crew.run(setup)
            except IsolationError as error:
                self._crew.close(abort=True)
                self._crew = None
                self._say_why_here(str(error))
        return self._run_here(recipes, dataset)

    def score_test(self, records: Sequence[RunRecord]) -> None:
        """Scores the models of these runs on the test part; the store keeps the scores. Raises: ZooError."""
        if self._crew is not None:
            self._crew.score(records)
        elif self._bench is not None:
            from zoo.scoring import score_test

            with quiet():
                score_test(records, self._bench)

    def _run_here(self, recipes: Sequence[Recipe], dataset: Dataset) -> list[RunRecord]:
        from zoo.experiment import identify, run

        self._bench = bench = make_bench(self._catalog, dataset, self._store, self._observe)
        alpha = dataset.report.alpha
        known = [self._store.find(identify(one, self._catalog, alpha=alpha)[1]) for one in recipes]
        finished = sum(record is not None for record in known)
        self._observe(GridStarted(len(recipes), finished, tuple(recipe.title for recipe in recipes)))
        return [run(recipe, bench, index=i, total=len(recipes)) for i, recipe in enumerate(recipes, start=1)]

    def _say_why_here(self, problem: str) -> None:
        text = f"Rows run in this process, where one that crashes ends all: {problem}."
        self._observe(Note(text))


def _undecoded(dataset: Dataset) -> Dataset:
    """The data set as another process needs it: that decodes the pictures itself when it comes to them."""
    plain = copy.copy(dataset)
    plain.observe = ignore
    plain._sides = {}  # noqa: SLF001 - what is left out is the data set's own affair, and this its only copy
    return plain
