"""The page of recipes: specs, settings and grid files."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from typing import cast

from generator.command_line import commands_of_app, flags
from generator.markdown import page, table
from zoo import grid, specs
from zoo.settings import SETTINGS

_LEFT_OUT = "—"


def write() -> str:
    """The page."""
    settings = (
        (f"`{one.name}`", _flag(one.name), _default(one.default), one.words, one.help) for one in SETTINGS.values()
    )
    meanings = _attributes(grid.GridRecipe)
    keys = ((f"`{field.name}`", _default(field.default), meanings[field.name]) for field in fields(grid.GridRecipe))
    parts = (
        "What one run is, and how a grid of runs is written down.",
        "## Names with options",
        *_paragraphs(specs),
        "## Settings",
        "Each has the same meaning in Python, in a grid file and on the command line.",
        table(("setting", "option", "default", "must be", "meaning"), settings),
        "## Grid files",
        "`zoo compare FILE.toml` runs what such a file says. Options given beside it win.",
        *(part for part in _paragraphs(grid) if part.startswith("```")),
        table(("key", "default", "meaning"), keys),
        "Relative paths in `data` and `store` start at the folder of the file.",
    )
    return page("Recipes", parts)


def _flag(name: str) -> str:
    """The option that sets a setting: the one whose help begins with the setting's."""
    commands = commands_of_app().commands
    options = [one for command in ("compare", "fit") for one in commands[command].params]
    found = next(one for one in options if str(one.help).startswith(SETTINGS[name].help))
    return f"`{flags(found)[-1]}`"


def _default(value: object) -> str:
    if value is None or value == ():
        return _LEFT_OUT
    return f"`{'/'.join(map(str, value)) if isinstance(value, tuple) else value}`"


def _paragraphs(module: object) -> list[str]:
    """Those of a module's docstring, without the first."""
    return cast("str", inspect.getdoc(module)).split("\n\n")[1:]


def _attributes(record: type) -> dict[str, str]:
    """What the docstring of a record says of each of its attributes."""
    _, _, text = cast("str", inspect.getdoc(record)).partition("Attributes:\n")
    found = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", text, re.MULTILINE)
    return {name: " ".join(words.split()) for name, words in found}
