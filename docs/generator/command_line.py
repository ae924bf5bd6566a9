"""The page of the command line: every command with its arguments and options, in a fixed width.

The parameters are read and the text is set here. What typer prints depends on its version and on the terminal.
"""

from __future__ import annotations

import inspect
import textwrap
from typing import TYPE_CHECKING, Any

import typer

from generator.markdown import page, text_block
from zoo.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDTH = 80
_TYPERS = ("--install-completion", "--show-completion")
"""Options that typer adds by itself."""

_INTRO = (
    "What `zoo COMMAND --help` says. Options of `zoo` itself stand before the command: `zoo --no-plugin NAME compare "
    "…`. Results go to stdout, everything else to stderr. Exit codes: [errors](errors.md#exit-codes)."
)


def write() -> str:
    """The page."""
    group = commands_of_app()
    listed = "\n".join(f"- [`zoo {name}`](#zoo-{name}): {one.short_help}" for name, one in group.commands.items())
    parts = [_INTRO, "## zoo", text_block(_help("zoo", group, rest="COMMAND …")), listed]
    for name, command in group.commands.items():
        inner = getattr(command, "commands", {})
        parts += [f"## zoo {name}", text_block(_help(f"zoo {name}", command, rest="[COMMAND …]" if inner else ""))]
        for below, one in inner.items():
            parts += [f"### zoo {name} {below}", text_block(_help(f"zoo {name} {below}", one))]
    return page("Command line", parts)


def commands_of_app() -> Any:  # noqa: ANN401 - a group of click or of typer's copy of it
    """The group of all commands."""
    return typer.main.get_command(app)


def flags(option: Any) -> list[str]:  # noqa: ANN401 - an option of click or of typer's copy of it
    """All spellings of an option, short ones first."""
    return [*sorted(option.opts, key=len), *option.secondary_opts]


def _help(path: str, command: Any, *, rest: str = "") -> Iterator[str]:  # noqa: ANN401 - as above
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and one.opts[0] not in _TYPERS]
    yield " ".join(filter(None, (path, "[OPTIONS]", *map(_argument, arguments), rest)))
    for paragraph in inspect.cleandoc(command.help).split("\n\n"):
        yield ""
        yield from textwrap.wrap(paragraph, _WIDTH)
    sections = {"arguments": [(_argument(one), one.help) for one in arguments], "options": map(_option, options)}
    for heading, pairs in sections.items():
        entries = [line for left, words in pairs for line in _entry(left, words)]
        yield from ("", f"{heading}:", *entries) if entries else ()


def _argument(argument: Any) -> str:  # noqa: ANN401 - as above
    name = argument.metavar.strip("[]")
    return name if argument.required else f"[{name}]"


def _option(option: Any) -> tuple[str, str]:  # noqa: ANN401 - as above
    joint = " / " if option.secondary_opts else ", "
    spelt = joint.join(flags(option))
    default = f" [default: {option.default}]" if isinstance(option.default, str) else ""
    return spelt if option.is_flag else f"{spelt} {option.metavar}", f"{option.help}{default}"


def _entry(left: str, words: str) -> Iterator[str]:
    yield f"  {left}"
    yield from textwrap.wrap(words, _WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)
