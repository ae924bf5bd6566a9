"""Linear algebra of small products on one thread.

On cores that others use too, or beside the threads of a Keras backend, threads that wait for one another took twenty
times as long as one alone; on a free machine several times as long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from collections.abc import Callable

Call = TypeVar("Call", bound="Callable[..., Any]")


def on_one_thread(function: Call) -> Call:
    """A function that leaves the library of linear algebra one thread."""
    return cast("Call", threadpool_limits.wrap(limits=1, user_api="blas")(function))
