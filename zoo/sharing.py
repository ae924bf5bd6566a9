"""How rows, cores and GPUs are shared out among worker processes."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING

from zoo.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo.values import Recipe

_THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
"""What TensorFlow, and PyTorch and the libraries for linear algebra, read when they start."""

GPUS = "CUDA_VISIBLE_DEVICES"
"""The variable that says which GPUs a process sees."""


@dataclass(frozen=True, slots=True)
class Labour:
    """How the rows of a call are worked on. It changes no number, but for the threads that several workers share.

    Attributes:
        jobs: Worker processes at a time; 0 runs rows in the process of the call.
        row_timeout: Seconds after which a row is ended, or None.
        memory_limit: GiB that a worker may hold, or None for its share of nine tenths of what is free when it starts.
    """

    jobs: int = 1
    row_timeout: float | None = None
    memory_limit: float | None = None


def check_labour(labour: Labour) -> None:
    """Refuses what cannot be. Raises: UsageError."""
    jobs: object = labour.jobs
    if isinstance(jobs, bool) or not isinstance(jobs, Integral) or int(jobs) < 0:
        raise UsageError(
            f"jobs must be a whole number of at least 0, not {jobs!r}.",
            hint="1 is one worker process; 0 runs rows in the process of the call.",
        )
    for name, unit in (("row_timeout", "seconds"), ("memory_limit", "GiB")):
        value = getattr(labour, name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < math.inf:
            raise UsageError(
                f"{name} must be a number of {unit} greater than 0, not {value!r}.", hint="Leave it out for none."
            )
        if not jobs:
            raise UsageError(
                f"{name}={value!r} needs a worker process, and jobs=0 has none.", hint=f"Leave {name} or jobs out."
            )


def visible_gpus(installed: int, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the GPUs that this call may use, as `GPUS` lists them.

    Args:
        installed: Number of NVIDIA GPUs of the machine.
        environment: Variables of the process.
    """
    named = environment.get(GPUS)
    if named is None:
        return tuple(map(str, range(installed)))
    names = [name.strip() for name in named.split(",")]
    hidden = next((place for place, name in enumerate(names) if name in {"", "-1"}), len(names))
    return tuple(names[:hidden]) if installed else ()


def variables(
    number: int, jobs: int, *, cores: int, gpus: Sequence[str], environment: Mapping[str, str]
) -> dict[str, str]:
    """Environment variables of a worker beside those of the call: its share of the cores, and its GPU.

    A worker alone has the same as the call. What the person set stays, except that each worker sees one GPU.

    Args:
        number: Of the worker, from 0.
        jobs: Number of workers that there can be.
        cores: That the call may use.
        gpus: That the call may use.
        environment: Variables of the call.
    """
    if jobs <= 1:
        return {}
    threads = str(max(1, cores // jobs))
    own = {name: threads for name in _THREADS if name not in environment}
    if gpus:
        own[GPUS] = gpus[number % len(gpus)]
    return own


class RowQueue:
    """Hands out rows so that those with one backbone go to one worker as long as others have work.

    Args:
        recipes: By 1-based position in the grid; those that are still to be run.
    """

    def __init__(self, recipes: Mapping[int, Recipe]) -> None:
        self._groups: dict[str, deque[int]] = {}
        for index, recipe in sorted(recipes.items()):
            self._groups.setdefault(str(recipe.backbone), deque()).append(index)
        self._group_of: dict[int, str] = {}

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))

    def next(self, worker: int) -> int | None:
        """The position of the row that a worker runs next; None if there is none.

        The next one of its group, else the first of a group that nobody works on, else the last one of the group with
        most rows left, which its worker would come to last.
        """
        own = self._group_of.get(worker, "")
        if self._groups.get(own):
            return self._groups[own].popleft()
        taken = {name for other, name in self._group_of.items() if other != worker}
        fresh = next((name for name, rows in self._groups.items() if rows and name not in taken), None)
        if fresh is not None:
            self._group_of[worker] = fresh
            return self._groups[fresh].popleft()
        longest = max(self._groups.values(), key=len, default=None)
        return longest.pop() if longest else None
