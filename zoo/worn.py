"""Layers that wear a subclass of their own class for a while, so that they behave otherwise.

Keras has no flag for what a phase may need (gamma and beta trained on fixed statistics, a drop layer that is silent). A
layer's class can be exchanged for a subclass with another `call`; weights, names and graph stay, and the class that it
had is back before anything is saved.
"""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.contracts import KerasLayer

_WORN = frozenset({"zoo.folded", "zoo.fused", "zoo.padded", "zoo.pointwise", __name__})
"""Modules whose layers are only worn."""


@contextlib.contextmanager
def wearing(leaf: KerasLayer, worn: type) -> Iterator[None]:
    """A layer wears a subclass of its own class."""
    own: Any = type(leaf)
    leaf.__class__ = worn
    try:
        yield
    finally:
        leaf.__class__ = own


def stock_class(leaf: KerasLayer) -> type:
    """The class that a layer has when it wears nothing."""
    kind = type(leaf)
    while kind.__module__ in _WORN:
        kind = kind.__bases__[0]
    return kind


@functools.cache
def still_class(stock: Any) -> type:  # noqa: ANN401 - a Keras layer class
    """The subclass of a layer's class that behaves as in inference, whatever it is told."""

    def call(self: Any, *args: Any, training: Any = None, **options: Any) -> Any:  # noqa: ANN401, ARG001 - Keras' own signature
        return stock.call(self, *args, training=False, **options)

    return type(f"Still{stock.__name__}", (stock,), {"call": call, "__module__": __name__})
