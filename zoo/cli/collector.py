"""Python's collector of garbage in cycles, kept still while modules are imported and plugins loaded."""

from __future__ import annotations

import gc
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def at_rest() -> Iterator[None]:
    """Inside nothing is searched for cycles, and what exists at the end is never searched again.

    Importing makes many objects that stay and hardly any garbage; to look through them again and again is a twentieth
    of the time of `zoo list`. Once Keras is imported nothing is changed: networks hold themselves in cycles.
    """
    if "keras" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
