"""The hooks. A plugin implements those it needs and returns records; the host registers all of them or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from zoo.contracts import Augmentation, Backbone, Head, Policy, Source

hookspec = pluggy.HookspecMarker("zoo")
hookimpl = pluggy.HookimplMarker("zoo")
"""Marks a function of a plugin as the implementation of the hook of the same name."""


@hookspec
def zoo_sources() -> list[Source]:  # type: ignore[empty-body]
    """Kinds of places that labelled pictures come from."""


@hookspec
def zoo_backbones() -> list[Backbone]:  # type: ignore[empty-body]
    """Networks without their top."""


@hookspec
def zoo_heads() -> list[Head]:  # type: ignore[empty-body]
    """Ways from a feature map to class scores."""


@hookspec
def zoo_policies() -> list[Policy]:  # type: ignore[empty-body]
    """Fine-tuning policies."""


@hookspec
def zoo_augmentations() -> list[Augmentation]:  # type: ignore[empty-body]
    """Random changes of training pictures."""
