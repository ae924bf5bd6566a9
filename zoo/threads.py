"""Linear algebra on one thread, where products are too small to be shared out.

The threads of OpenBLAS wait for each other by spinning. On a machine that does something else, 98 products of 60 × 576
and 576 × 128 took 3.1 s of processor time with two threads and 0.02 s with one.

This needs threadpoolctl 3.8: before, what is wrapped limits only the libraries that were loaded when it was defined,
and that of SciPy is loaded when it is first needed.
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
