"""What one loaded plugin contributes: its level, its hooks, its records. Raises whatever the plugin raises."""

from __future__ import annotations

import difflib
import inspect
import sys
import types
from functools import partial
from typing import TYPE_CHECKING, Any

import pluggy

from zoo import hookspecs
from zoo.contracts import API_LEVEL
from zoo.errors import ContractError, UnknownHookError
from zoo.registry import HOOKS
from zoo.validation import accepted

if TYPE_CHECKING:
    from collections.abc import Collection

    from zoo.contracts import Item


_NO_HOOK = (str, int, float, tuple, list, dict, type, types.ModuleType, types.NoneType)
"""What can be no implementation of a hook, whatever its attributes are."""


_MARK = f"{hookspecs.hookimpl.project_name}_impl"
"""The attribute in which pluggy notes that a function is one."""


class _Manager(pluggy.PluginManager):
    """A manager that asks about fewer names; what it finds is the same."""

    specified: Collection[str] = tuple(HOOKS)
    """Hooks whose specification is wanted. To read one takes as long as to register a plugin."""

    def parse_hookspec_opts(self, module_or_class: Any, name: str) -> Any:  # noqa: ANN401 - pluggy's
        return super().parse_hookspec_opts(module_or_class, name) if name in self.specified else None

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> Any:  # noqa: ANN401 - pluggy's
        if type(plugin) is types.ModuleType:
            value = vars(plugin).get(name, ...)
            if isinstance(value, _NO_HOOK) or (type(value) is types.FunctionType and not hasattr(value, _MARK)):
                return None
        return super().parse_hookimpl_opts(plugin, name)


def declared_level(plugin: object, *, module: str, origin: str) -> int:
    """The `ZOO_API_LEVEL` of a plugin object or else of its module; 1 if neither has one.

    Raises:
        ContractError: It is no whole number.
    """
    for holder in (plugin, sys.modules.get(module)):
        level = getattr(holder, "ZOO_API_LEVEL", None)
        if level is not None:
            if type(level) is not int:
                message = f"{origin}: ZOO_API_LEVEL must be a whole number, not {level!r}."
                raise ContractError(message, hint="Tell the author of the plugin.")
            return level
    return 1


def check_level(level: int, *, origin: str) -> None:
    """Refuse a plugin that was written for another level of the contracts.

    Raises:
        ContractError: The level is not the present one.
    """
    if level != API_LEVEL:
        message = (
            f"{origin} was written for level {level} of the plugin contracts; this keras-zoo has level {API_LEVEL}."
        )
        raise ContractError(message, hint=f"Update {'keras-zoo' if level > API_LEVEL else 'the plugin'}.")


def contributions(plugin: object, *, name: str, origin: str) -> tuple[Item, ...]:
    """Call all hooks of a plugin, in a manager of its own so that no other plugin is touched.

    Args:
        plugin: A module or object with functions marked by `zoo.hookspecs.hookimpl`.
        name: Unique name for pluggy.
        origin: The plugin in words, for messages.

    Raises:
        UnknownHookError: It implements a hook that does not exist.
        ContractError: It implements none, a hook takes arguments, or what one returns breaks the contracts.
    """
    manager = _Manager("zoo")
    try:
        manager.register(plugin, name=name)
        callers = sorted(manager.get_hookcallers(plugin) or (), key=lambda caller: caller.name)
        manager.specified = {caller.name for caller in callers} & set(HOOKS)
        if manager.specified:
            manager.add_hookspecs(hookspecs)
    except pluggy.PluginValidationError as error:
        raise ContractError(f"{origin}: {error}", hint="Hooks take no arguments.") from error
    implementations = [(caller.name, one) for caller in callers for one in caller.get_hookimpls()]
    _check_known({hook for hook, one in implementations if not one.optionalhook}, origin=origin)
    _check_marked({hook for hook, _ in implementations}, plugin=plugin, origin=origin)
    items: list[Item] = []
    for hook, implementation in implementations:
        if hook not in HOOKS:
            continue  # declared optional: a hook of another version
        if implementation.wrapper or implementation.hookwrapper:
            message = (
                f"{origin}: {hook} is a hook wrapper, but each plugin is called alone and there is nothing to wrap."
            )
            raise ContractError(message, hint="Return a list of records.")
        items.extend(accepted(implementation.function(), hook=hook, origin=origin))
    return tuple(items)


def _check_known(implemented: set[str], *, origin: str) -> None:
    for name in sorted(implemented - set(HOOKS)):
        near = difflib.get_close_matches(name, HOOKS, n=1, cutoff=0.5)
        hint = f"{f'Did you mean {near[0]}? ' if near else ''}The hooks are {', '.join(HOOKS)}."
        raise UnknownHookError(f"{origin} implements {name!r}, which is no hook.", hint=hint)


def _check_marked(implemented: set[str], *, plugin: object, origin: str) -> None:
    known = vars(plugin).get if type(plugin) is types.ModuleType else partial(inspect.getattr_static, plugin)
    bare = [hook for hook in HOOKS if hook not in implemented and callable(known(hook, None))]
    if bare or not implemented:
        what = f"defines {bare[0]} without the mark of a hook" if bare else "implements no hook"
        hint = f"Put @zoo.hookspecs.hookimpl on the function. The hooks are {', '.join(HOOKS)}."
        raise ContractError(f"{origin} {what}.", hint=hint)
