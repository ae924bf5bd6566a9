"""Which installed distributions declare entry points of a group, read from their metadata as plain files.

`importlib.metadata` tells the same, but importing it takes longer than a command that lists, because it brings a parser
of e-mails along. So what is laid out as installers lay it out is read here, and everything else is left to it: zipped
distributions, eggs, finders of other people, and metadata that are written in an unusual way.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from functools import partial, reduce
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ENDINGS = (".dist-info", ".egg-info")
_POINT = re.compile(r"([^\s=\[#;](?:[^=]*[^\s=])?)\s*=\s*([A-Za-z_][\w.]*)\s*(?::\s*([A-Za-z_][\w.]*))?")


class Point(NamedTuple):
    """An entry point.

    Attributes:
        name: Its name.
        value: As it is written: `module` or `module:attribute`.
        load: Imports it and returns what it names. May raise anything.
    """

    name: str
    value: str
    load: Callable[[], object]


class Installed(NamedTuple):
    """A distribution as Python sees it.

    Attributes:
        name: As its metadata spell it.
        version: Likewise.
        points: Its entry points of the group, sorted.
    """

    name: str
    version: str
    points: tuple[Point, ...]


class UnusualError(Exception):
    """Something is not as installers write it: `importlib.metadata` has to say what it is. Never gets to a person."""


def with_group(group: str) -> list[Installed]:
    """Every distribution that declares entry points of a group, as the copy that Python sees first has them.

    Raises:
        UnusualError: Something is there that only `importlib.metadata` understands.
    """
    section = re.compile(rf"^\s*\[\s*{re.escape(group)}\s*\]", re.MULTILINE)
    found = list(_metadata_folders())
    first: dict[str, str] = {}
    for stem, folder in found:
        first.setdefault(stem, folder)
    names: dict[str, None] = {}
    for stem, folder in found:
        if section.search(_declared(folder)):
            if _normal(_header(folder, "Name")) != stem:
                raise UnusualError(folder)
            names[stem] = None
    return [_installed(first[stem], group) for stem in names]


def version_of(name: str) -> str | None:
    """The version of a distribution, None if it is not installed.

    Raises:
        UnusualError: As above.
    """
    wanted = _normal(name)
    for stem, folder in _metadata_folders():
        if stem == wanted:
            return _header(folder, "Version")
    return None


def _metadata_folders() -> Iterator[tuple[str, str]]:
    """Normal name and folder of all metadata on `sys.path`, in the order in which Python looks."""
    if any(hasattr(finder, "find_distributions") and finder is not PathFinder for finder in sys.meta_path):
        message = "a finder of its own"
        raise UnusualError(message)
    for place in sys.path:
        if not isinstance(place, str) or place.lower().endswith(".egg"):
            raise UnusualError(place)
        try:
            children = os.listdir(place or ".")
        except FileNotFoundError:
            continue
        except OSError as error:  # a zip file, or a folder that may not be read
            raise UnusualError(place) from error
        for child in children:
            low = child.lower()
            if low.endswith(_ENDINGS):
                yield _normal(low.rpartition(".")[0].partition("-")[0]), os.path.join(place, child)


def _declared(folder: str) -> str:
    """The entry points of a distribution as they are written; none where they cannot be read."""
    try:
        with open(os.path.join(folder, "entry_points.txt"), encoding="utf-8") as file:
            return file.read()
    except (OSError, ValueError):  # unreadable or not UTF-8: whatever it is, it cannot be a plugin of ours
        return ""


def _header(folder: str, key: str) -> str:
    """A field of the metadata that is written in one line, as installers write it."""
    try:
        with open(os.path.join(folder, "METADATA"), encoding="utf-8") as file:
            head = file.read().partition("\n\n")[0]
    except (OSError, ValueError) as error:
        raise UnusualError(folder) from error
    found = re.findall(rf"^{key}:[ \t]*(\S+)[ \t]*$", head, re.MULTILINE)
    if len(found) != 1:
        raise UnusualError(folder)
    return str(found[0])


def _installed(folder: str, group: str) -> Installed:
    points: dict[tuple[str, str], Point] = {}
    within = False
    for line in map(str.strip, _declared(folder).split("\n")):
        if line.startswith("[") and line.endswith("]"):
            within = line.strip("[]") == group
        elif within and line and not line.startswith("#"):
            parts = _POINT.fullmatch(line)
            if parts is None:
                raise UnusualError(line)
            name, value = (part.strip() for part in line.split("=", 1))
            points[name, value] = Point(name, value, partial(_loaded, parts[2], parts[3] or ""))
    return Installed(_header(folder, "Name"), _header(folder, "Version"), tuple(points[key] for key in sorted(points)))


def _loaded(module: str, attributes: str) -> object:
    return reduce(getattr, filter(None, attributes.split(".")), importlib.import_module(module))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
