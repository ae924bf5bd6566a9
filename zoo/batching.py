"""The order in which training pictures come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    Array = np.ndarray[Any, Any]


def step_plan(count: int, *, batch_size: int, accumulate: int) -> tuple[int, int]:
    """Pictures in a batch, and batches in a step: what was asked for, or what there are pictures for.

    Args:
        count: Number of training pictures.
        batch_size: At least 1.
        accumulate: Batches whose mean gradient makes one step, at least 1.
    """
    batch = min(batch_size, count)
    return batch, min(accumulate, count // batch)


def planned_steps(count: int, *, epochs: int, batch_size: int) -> int:
    """Steps of so many epochs in the batches of `order`: what is left of one epoch opens the next, and counts there.

    Args:
        count: Number of training pictures.
        epochs: At least 1.
        batch_size: Pictures in a step, at most `count`.
    """
    return epochs * count // batch_size


def order(count: int, *, batch_size: int, seed: int) -> Iterator[list[Array]]:
    """Epochs of batches of row numbers, without end.

    Every epoch is a new permutation. All batches are full: what is left at the end of one epoch opens the next (after
    the last epoch it is left out), so no batch of one ever reaches a BatchNorm layer, and a train function is traced
    once. An epoch without a full batch cannot occur, since `batch_size` is at most `count`.

    Args:
        count: Number of training pictures.
        batch_size: At most `count`.
        seed: The same seed gives the same order, whatever is trained.
    """
    draw = np.random.default_rng([seed, 0x0DE2])
    waiting = np.empty(0, np.int64)
    while True:
        waiting = np.concatenate([waiting, draw.permutation(count)])
        full = len(waiting) // batch_size
        yield [waiting[i * batch_size : (i + 1) * batch_size] for i in range(full)]
        waiting = waiting[full * batch_size :]
