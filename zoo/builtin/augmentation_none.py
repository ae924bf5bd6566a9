"""No augmentation: every epoch sees the pictures as they are, and frozen work is computed once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.contracts import Augmentation
from zoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from zoo.contracts import KerasLayer


def build(size: int, seed: int) -> tuple[KerasLayer, ...]:  # noqa: ARG001 - the contract's arguments
    """No layers."""
    return ()


@hookimpl
def zoo_augmentations() -> list[Augmentation]:
    """The augmentation that does nothing."""
    return [Augmentation(name="none", title="pictures as they are", build=build)]
