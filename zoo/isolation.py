"""Whether rows can run in another process: are their items the same there?"""

from __future__ import annotations

import dataclasses
import functools
import sys
from typing import TYPE_CHECKING

from zoo.protocol import ItemMark

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo.registry import Catalog, Kind, PluginRecord
    from zoo.values import Spec

_KINDS: tuple[Kind, ...] = ("backbone", "head", "policy", "augmentation")

Row = tuple["Spec", "Spec", "Spec", "Spec"]
"""Backbone, head, policy and augmentation."""


def marks_of(catalog: Catalog, rows: Iterable[Row]) -> tuple[ItemMark, ...]:
    """Marks of the items that rows name, each once, in order."""
    names = dict.fromkeys((kind, spec.name) for row in rows for kind, spec in zip(_KINDS, row, strict=True))
    return tuple(_mark(catalog, kind, name) for kind, name in names)


def strange(catalog: Catalog, marks: Iterable[ItemMark]) -> tuple[str, ...]:
    """Items that this process has not, or has otherwise than marked, as `head mine`."""
    found = []
    for mark in marks:
        kind: Kind = next(kind for kind in _KINDS if kind == mark.kind)
        if mark.name not in catalog.names(kind) or _mark(catalog, kind, mark.name) != mark:
            found.append(f"{mark.kind} {mark.name!r}")
    return tuple(found)


def hindrance(catalog: Catalog, marks: Iterable[ItemMark]) -> str:
    """Why rows have to run in this process, as the end of a sentence; "" if they need not."""
    if not sys.executable or getattr(sys, "frozen", False):
        return "there is no Python here that could be started"
    origins = {item: plugin for plugin in catalog.plugins if plugin.status == "loaded" for item in plugin.items}
    given = [
        f"{mark.kind} {mark.name!r}"
        for mark in marks
        if not (plugin := origins.get(f"{mark.kind} {mark.name}")) or not plugin.distribution
    ]
    if given:
        return f"{', '.join(given)} {'were' if given[1:] else 'was'} given in this process"
    return ""


def selection(catalog: Catalog) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What `load_catalog` has to be told in another process as `blocked` and `only` to load the same plugins."""
    blocked = [_id(plugin) for plugin in catalog.plugins if plugin.status == "blocked" and _is_builtin(plugin)]
    only = [_id(plugin) for plugin in catalog.plugins if plugin.status == "loaded" and not _is_builtin(plugin)]
    return tuple(blocked), tuple(name for name in only if name)


def _is_builtin(plugin: PluginRecord) -> bool:
    return plugin.distribution == "keras-zoo"


def _id(plugin: PluginRecord) -> str:
    return f"{plugin.distribution}:{plugin.name}" if plugin.distribution else ""


def _mark(catalog: Catalog, kind: Kind, name: str) -> ItemMark:
    return ItemMark(kind, name, catalog.origin(kind, name), _said(catalog.get(kind, name)))


def _said(value: object) -> str:
    """A record as text that is the same in every process: functions by the names that they are found under."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = (f"{field.name}={_said(getattr(value, field.name))}" for field in dataclasses.fields(value))
        return f"{type(value).__name__}({', '.join(fields)})"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_said, value))}]"
    if isinstance(value, functools.partial):
        keywords = sorted((name, _said(one)) for name, one in value.keywords.items())
        return f"partial({_said(value.func)}, {_said(value.args)}, {keywords})"
    if callable(value):
        named = value if hasattr(value, "__qualname__") else type(value)
        return f"{named.__module__}.{named.__qualname__}"
    return repr(value)
