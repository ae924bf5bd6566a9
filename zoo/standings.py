"""How the runs of a store stand, without anything that is needed to train them."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import folders
from zoo.board import Board, Context, build_board
from zoo.errors import RunNotFoundError, StoreError
from zoo.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.values import Metric, RunRecord


def leaderboard(store: str | Path = "zoo-runs", *, metric: Metric = "accuracy") -> Board:
    """The board of everything in a store, for the data and split that were used last. Needs no Keras.

    Raises:
        RunNotFoundError: If there is no store, or nothing in it.
    """
    if not folders.is_file_path(Path(store) / "zoo.sqlite"):
        raise RunNotFoundError(
            f"There is no store in {str(store)!r}.", hint="`zoo compare` makes one; --store names it."
        )
    with Store(store, reading=True) as opened:
        contexts = opened.board_contexts()
        if not contexts:
            raise RunNotFoundError(f"The store {str(store)!r} has no rows yet.", hint="Run `zoo compare` first.")
        return board_of(opened, opened.runs(), contexts[-1], metric)


def board_of(store: Store, records: Sequence[RunRecord], context: Context | dict[str, Any], metric: Metric) -> Board:
    """The board of some runs, with the test scores that the store already has."""
    split = context.split if isinstance(context, Context) else str(context["split"])
    kept = {}
    for record in records:
        if record.validation is not None:
            with contextlib.suppress(StoreError):  # a lost file costs its row the paired comparison, not the board
                stored = store.load_predictions(record.id, "validation")
                kept[record.id] = (stored.labels, stored.probabilities)
    looks = {look.run_id: look.scores for look in store.test_looks(split)}
    return build_board(records, kept, context, metric=metric, tests=looks)
