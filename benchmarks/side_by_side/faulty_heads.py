"""A plugin whose heads go wrong, each in its own way: copied into a folder of its own and installed there."""

from __future__ import annotations

import ctypes
import os
import time
from typing import Any

import keras

from zoo.contracts import Head
from zoo.hookspecs import hookimpl

BEYOND = (1 << 20, 1 << 20, 1 << 10)
"""Numbers of more bytes than a processor can address, so that asking for them fails and takes nothing."""


class Spoiled(keras.layers.Layer):  # type: ignore[misc]
    """Makes features NaN, or asks for more memory than there is, when it is trained."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def call(self, features: Any) -> Any:  # noqa: ANN401 - tensors
        """Features, spoiled."""
        if self.how == "nan":
            return features * float("nan")
        first = keras.ops.sum(features)
        return features + keras.ops.sum(keras.ops.broadcast_to(first, BEYOND) * first)


def _plain(shape: tuple[int | None, ...], classes: int, how: str = "") -> Any:  # noqa: ANN401 - a Keras model
    features = keras.Input(shape)
    x = keras.layers.GlobalAveragePooling2D()(features)
    if how:
        x = Spoiled(how)(x)
    return keras.Model(features, keras.layers.Dense(classes)(x))


def raises(shape: tuple[int | None, ...], classes: int) -> Any:  # noqa: ANN401 - as above
    """Raises."""
    raise RuntimeError(f"this head cannot be built for {shape} and {classes} classes")


def nan(shape: tuple[int | None, ...], classes: int) -> Any:  # noqa: ANN401 - as above
    """Diverges at the first step."""
    return _plain(shape, classes, "nan")


def memory(shape: tuple[int | None, ...], classes: int) -> Any:  # noqa: ANN401 - as above
    """Asks for more memory than there can be."""
    return _plain(shape, classes, "memory")


def grows(shape: tuple[int | None, ...], classes: int) -> Any:  # noqa: ANN401 - as above
    """Takes more and more memory, in the end 8 GiB if nobody stops it."""
    held = []
    for _ in range(8 * 16):
        held.append(b"1" * (1 << 26))
        time.sleep(0.02)
    raise MemoryError(f"nobody stopped this head at {len(held) / 16} GiB; it was to have {shape}, {classes} classes")


def hangs(shape: tuple[int | None, ...], classes: int) -> Any:  # noqa: ANN401, ARG001 - the contract's arguments
    """Never comes back."""
    while True:
        time.sleep(1)


def exits(shape: tuple[int | None, ...], classes: int) -> Any:  # noqa: ANN401, ARG001 - the contract's arguments
    """Ends its process without a word."""
    os._exit(3)


def crashes(shape: tuple[int | None, ...], classes: int) -> Any:  # noqa: ANN401 - as above
    """Reads where nothing is."""
    ctypes.string_at(0)
    return _plain(shape, classes)


@hookimpl
def zoo_heads() -> list[Head]:
    """All of them."""
    return [Head(name=f"faulty-{make.__name__}", title=str(make.__doc__), build=make) for make in MAKERS]


MAKERS = (raises, nan, memory, grows, hangs, exits, crashes)
