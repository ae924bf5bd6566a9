"""Commands that are imported when one of them is asked for: the list of all of them needs their names only."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import typer
from typer.core import TyperCommand, TyperGroup

from zoo.cli.collector import at_rest
from zoo.cli.shell import Shell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableMapping, Sequence


class Deferred(NamedTuple):
    """A command that is not imported yet.

    Attributes:
        module: Where it is, such as `zoo.cli.command_list`.
        member: Its function there, or a group of commands.
        short_help: What the list of commands says about it.
    """

    module: str
    member: str
    short_help: str


class Commands(Mapping[str, Any]):
    """Commands by name, each imported and built when it is first looked up; names and number cost nothing."""

    def __init__(self, declared: Mapping[str, Deferred]) -> None:
        self.declared = declared
        self._built: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - a Command of click or of typer's copy
        if name not in self._built:
            self._built[name] = _built(name, self.declared[name])
        return self._built[name]

    def __contains__(self, name: object) -> bool:  # the inherited one would import it
        return name in self.declared

    def __iter__(self) -> Iterator[str]:
        return iter(self.declared)

    def __len__(self) -> int:
        return len(self.declared)


class Eased:
    """Lets options that were not given pass: mixed into a command or group of typer."""

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 - a Context of click or of typer's copy
        """All parameters, those too that typer adds by itself."""
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc] # of the class that it is mixed into
        _ease(params)
        return params


class _Command(Eased, TyperCommand):
    pass


class _Group(Eased, TyperGroup):
    pass


class DeferredShell(Eased, Shell):
    """A shell whose commands are those that its class declares."""

    declared: Mapping[str, Deferred]

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - typer's
        super().__init__(**attributes)
        self.commands = cast("MutableMapping[str, Any]", Commands(self.declared))

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - as typer's version has them
        """Writes the list of commands, without importing any."""
        outlines: dict[str, Any] = {
            name: TyperCommand(name, short_help=one.short_help, rich_markup_mode=None)
            for name, one in self.declared.items()
        }
        TyperGroup(name=self.name, commands=outlines).format_commands(ctx, formatter)


def _built(name: str, command: Deferred) -> Any:  # noqa: ANN401 - a Command of click or of typer's copy
    """The command as typer makes it where it is one of a group."""
    with at_rest():
        member = getattr(importlib.import_module(command.module), command.member)
    group = typer.Typer(rich_markup_mode=None, add_completion=False)
    group.callback()(_nothing)
    if isinstance(member, typer.Typer):
        group.add_typer(member, name=name, short_help=command.short_help, cls=_Group)
    else:
        group.command(name, short_help=command.short_help, cls=_Command)(member)
    return cast("TyperGroup", typer.main.get_command(group)).commands[name]


def _nothing() -> None:
    """With a callback typer makes a group of one command, too."""


def _ease(params: Sequence[Any]) -> None:
    """Lets what was not given pass as None, or as nothing where there can be several.

    Some versions of typer ask pydantic what None is, for each option, and importing pydantic takes longer than most
    commands that need no Keras.
    """
    for param in params:
        if not isinstance(param.process_value, partial) and not param.required:
            param.process_value = partial(_processed, param, param.process_value)


def _processed(param: Any, process: Callable[[Any, Any], Any], context: Any, value: Any) -> Any:  # noqa: ANN401
    if value is not None:
        return process(context, value)
    absent = () if getattr(param, "multiple", False) or param.nargs == -1 else None
    return absent if param.callback is None else param.callback(context, param, absent)
