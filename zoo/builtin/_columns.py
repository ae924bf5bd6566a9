"""Which column of a table is the path, the label, the part and the group."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from zoo.builtin._folder_table import listed
from zoo.builtin._table_files import SEPARATORS
from zoo.errors import SourceError
from zoo.folders import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NONE = "none"
"""Said instead of a column's name: there is no such column."""

_IDS = ("group", "patient", "subject", "person", "case", "car", "vehicle", "animal", "individual", "series", "scene")

NAMES: Mapping[str, tuple[str, ...]] = {
    "path": (
        *("path", "file", "filename", "filepath", "image", "imagepath", "imagefile", "imagename", "imagefilename"),
        *("img", "imgpath", "imgname", "picture", "photo"),
    ),
    "label": ("label", "labels", "class", "classname", "classlabel", "category", "target"),
    "split": ("split", "part", "set", "subset", "partition"),
    "group": (*_IDS, *(f"{name}id" for name in _IDS)),
}
"""Names that are found by themselves, in any case and whatever `_`, `-`, `.` and blanks stand in them."""

_NEEDED = ("path", "label")


def find_columns(header: Sequence[str], wanted: Mapping[str, str], *, where: str) -> dict[str, int | None]:
    """The position of the column of each role; None where there is none.

    Args:
        header: Names of all columns.
        wanted: For each role of `NAMES` the name that was asked for, `none`, or nothing to look for usual names.
        where: The table, for messages.

    Raises:
        SourceError: A column is not there, several could be meant, a name is there twice, two roles are one column, or
            the first row names no columns.
    """
    _check_header(header, wanted, where)
    found: dict[str, int | None] = {}
    for role, name in wanted.items():
        if name == NONE and role not in _NEEDED:
            found[role] = None
        else:
            found[role] = _named(header, role, name, where) if name else _usual(header, role, where)
    places = [place for place in found.values() if place is not None]
    for place in places:
        if places.count(place) > 1:
            roles = [role for role, other in found.items() if other == place]
            raise SourceError(
                f"The column {header[place]!r} of {where} cannot be {' and '.join(roles)} at once.",
                hint=f"Name another column: --source manifest:{roles[1]}=NAME",
            )
    return found


def _plain(name: str) -> str:
    return re.sub(r"[\s_.-]", "", name).casefold()


def _check_header(header: Sequence[str], wanted: Mapping[str, str], where: str) -> None:
    usual = {name for names in NAMES.values() for name in names}
    if any(_plain(name) in usual or name in wanted.values() for name in header):
        return
    files = [cell for cell in header if any(cell.lower().endswith(ending) for ending in SUFFIXES)]
    if files:
        raise SourceError(
            f"{where} has no line with the names of its columns: it begins with {files[0]!r}.",
            hint="Write a first line that names them, such as path,label",
        )


def _named(header: Sequence[str], role: str, name: str, where: str) -> int:
    places = [place for place, other in enumerate(header) if other == name]
    places = places or [place for place, other in enumerate(header) if _plain(other) == _plain(name)]
    if len(places) == 1:
        return places[0]
    if places:
        raise SourceError(
            f"{where} has {len(places)} columns {name!r}.", hint="Give each column a name of its own in the first line."
        )
    near = difflib.get_close_matches(name, header, n=3, cutoff=0.5)
    hint = f"Did you mean {listed(map(repr, near), joint=' or ')}? " if near else ""
    raise SourceError(f"{where} has no column {name!r} for the {role}.", hint=hint + _known(header))


def _usual(header: Sequence[str], role: str, where: str) -> int | None:
    places = [place for place, name in enumerate(header) if _plain(name) in NAMES[role]]
    if len(places) == 1:
        return places[0]
    choose = f"--source manifest:{role}=NAME"
    if places:
        names = listed(repr(header[place]) for place in places)
        none = "" if role in _NEEDED else f", or say {role}={NONE}"
        raise SourceError(f"{where} has several columns that could be the {role}: {names}.", hint=f"{choose}{none}")
    if role not in _NEEDED:
        return None
    plain = {_plain(name): name for name in header}
    near = [plain[name] for one in NAMES[role][:3] for name in difflib.get_close_matches(one, plain, n=1)]
    meant = f"Did you mean {listed(map(repr, dict.fromkeys(near)), joint=' or ')}? " if near else ""
    raise SourceError(
        f"{where} has no column for the {role}; such names are known: {', '.join(NAMES[role][:4])}, …",
        hint=f"{meant}Name it: {choose}. {_known(header)}",
    )


def _known(header: Sequence[str]) -> str:
    named = [repr(name) for name in header if name]
    if len(named) == 1:
        word = next((word for word, sign in SEPARATORS.items() if sign in header[0]), "semicolon")
        return f"There is one column only, {named[0]}: is the separator right? --source manifest:separator={word}"
    return f"Its columns: {', '.join(named[:30])}{', …' if len(named) > 30 else ''}."  # noqa: PLR2004 - enough to see
