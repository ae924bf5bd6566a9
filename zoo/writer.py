"""Rows are written where they are kept while the next ones are computed.

To write into a new file or new memory for the first time takes longer than to copy: the system has to find every page,
which keeps one core busy and the others waiting.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    Array = np.ndarray[Any, Any]


class Writer:
    """Writes one batch at a time into arrays, on a thread of its own; all is there when the context is left."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="zoo-writer")
        self._last: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._settle()
        finally:
            self._thread.shutdown()

    def write(self, stored: Sequence[Array], rows: slice, parts: Sequence[Array]) -> None:
        """Writes rows into each array, after those of the last call. The parts must not change afterwards.

        Raises:
            OSError: The last ones could not be written.
        """
        self._settle()
        self._last = self._thread.submit(_put, stored, rows, parts)

    def _settle(self) -> None:
        last, self._last = self._last, None
        if last is not None:
            last.result()


def _put(stored: Sequence[Array], rows: slice, parts: Sequence[Array]) -> None:
    for tensor, part in zip(stored, parts, strict=True):
        tensor[rows] = part
