"""The manager that plugins are registered with asks about fewer names than pluggy's own, and finds the same."""

from __future__ import annotations

import functools
import types
from typing import Any

import pluggy
import pytest

from zoo import hookspecs
from zoo.contributions import _Manager
from zoo.discovery import builtin_candidates
from zoo.hookspecs import hookimpl


@hookimpl
def zoo_heads() -> list[object]:
    """A hook."""
    return []


class Holder:
    """An object with hooks of several kinds."""

    zoo_policies = "no hook"

    @hookimpl
    def zoo_heads(self) -> list[object]:
        """A method."""
        return []

    @staticmethod
    @hookimpl
    def zoo_backbones() -> list[object]:
        """A static method."""
        return []


def module(**members: Any) -> types.ModuleType:
    """A module with these members."""
    made = types.ModuleType("made_up")
    vars(made).update(members)
    return made


PLUGINS = {
    "empty": module(),
    "marked": module(zoo_heads=zoo_heads, zoo_policies=3, other="text", table={}, Holder=Holder, module=pluggy),
    "static": module(zoo_heads=staticmethod(zoo_heads)),
    "bound": module(zoo_heads=Holder().zoo_heads),
    "partial": module(zoo_heads=functools.partial(zoo_heads)),
    "class": Holder,
    "object": Holder(),
    **{one.name: one.load() for one in builtin_candidates()},
}


def found(manager: pluggy.PluginManager, plugin: object) -> dict[str, Any]:
    """The marks that a manager finds, by name."""
    marks = {name: manager.parse_hookimpl_opts(plugin, name) for name in dir(plugin)}
    return {name: mark for name, mark in marks.items() if mark is not None}


@pytest.mark.parametrize("plugin", PLUGINS.values(), ids=PLUGINS)
def test_hooks_are_those_that_pluggy_finds(plugin: object) -> None:
    """Modules of all sorts, classes and objects: the same names with the same marks."""
    assert found(_Manager("zoo"), plugin) == found(pluggy.PluginManager("zoo"), plugin)


def test_every_specification_is_found() -> None:
    """The names that are asked about are all that pluggy finds in the module of hooks."""
    managers = (_Manager("zoo"), pluggy.PluginManager("zoo"))
    for manager in managers:
        manager.add_hookspecs(hookspecs)
    names = [sorted(vars(manager.hook)) for manager in managers]
    assert names[0] == names[1]
    assert len(names[0]) == 5
