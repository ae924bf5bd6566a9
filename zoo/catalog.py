"""What is installed, as plain lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.plugins import load_catalog

if TYPE_CHECKING:
    from zoo.contracts import Augmentation, Backbone, Head, Policy, Source


def backbones() -> tuple[Backbone, ...]:
    """All installed backbones, sorted by name."""
    catalog = load_catalog()
    return tuple(catalog.backbone(name) for name in catalog.names("backbone"))


def heads() -> tuple[Head, ...]:
    """All installed heads, sorted by name."""
    catalog = load_catalog()
    return tuple(catalog.head(name) for name in catalog.names("head"))


def policies() -> tuple[Policy, ...]:
    """All installed fine-tuning policies, sorted by name."""
    catalog = load_catalog()
    return tuple(catalog.policy(name) for name in catalog.names("policy"))


def augmentations() -> tuple[Augmentation, ...]:
    """All installed augmentations, sorted by name."""
    catalog = load_catalog()
    return tuple(catalog.augmentation(name) for name in catalog.names("augmentation"))


def sources() -> tuple[Source, ...]:
    """All installed sources of pictures, sorted by name."""
    catalog = load_catalog()
    return tuple(catalog.source(name) for name in catalog.names("source"))
