"""Where the rows of a grid run: in worker processes, or in the process of the call."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Self

from zoo.backend import quiet
from zoo.events import GridStarted, Note, ignore
from zoo.isolation import hindrance, marks_of, selection
from zoo.lineup import sizes_of
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
                return self._crew.run(setup, lambda waiting: _gather(dataset, waiting))
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
        from zoo.experiment import identify, make_bench, run

        self._bench = bench = make_bench(self._catalog, dataset, self._store, self._observe)
        alpha = dataset.report.alpha
        known = [self._store.find(identify(one, self._catalog, alpha=alpha)[1]) for one in recipes]
        finished = sum(record is not None for record in known)
        _gather(dataset, [one for one, found in zip(recipes, known, strict=True) if found is None])
        self._observe(GridStarted(len(recipes), finished, tuple(recipe.title for recipe in recipes)))
        return [run(recipe, bench, index=i, total=len(recipes)) for i, recipe in enumerate(recipes, start=1)]

    def _say_why_here(self, problem: str) -> None:
        text = f"Rows run in this process, where one that crashes ends all: {problem}."
        self._observe(Note(text))


def _gather(dataset: Dataset, waiting: Sequence[Recipe]) -> None:
    """Decodes pictures for recipes that wait to be run, once for all of them, where others find them."""
    dataset.expect(sizes_of(recipe.backbone for recipe in waiting))
    if dataset.cache is not None and waiting:
        dataset.gather()


def _undecoded(dataset: Dataset) -> Dataset:
    """The data set as another process needs it: that decodes the pictures itself when it comes to them."""
    plain = copy.copy(dataset)
    plain.observe = ignore
    plain.ready, plain.cache = None, dataset.cache.quiet() if dataset.cache is not None else None
    plain._sides = {}  # noqa: SLF001 - what is left out is the data set's own affair, and this its only copy
    return plain
