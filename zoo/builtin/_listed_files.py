"""Files that a table lists: where they are, and what is wrong with its rows."""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zoo import folders
from zoo.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

_is_file = os.path.isfile  # of texts: a million paths need no million objects
_NAMED = 5  # rows that a message names
_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")
_DRIVE = re.compile(r"[a-zA-Z]:[\\/]")
_LOOKED_FOR = (".jpg", ".jpeg", ".png", ".JPG", ".webp", ".tif")


class Places:
    """Turns the paths of a table into files.

    Args:
        base: Absolute folder that paths are relative to.
        suffix: Ending that is added to all paths.
        check: Whether files are looked for.
    """

    def __init__(self, base: Path, *, suffix: str = "", check: bool = True) -> None:
        self._base = os.path.normpath(base)
        self._inside = self._base.rstrip("/\\") + os.sep
        self._suffix = suffix
        self._check = check
        self._first = ""  # path that was not found

    @staticmethod
    def fault(name: str) -> str:
        """What is wrong with a path before it is looked for; nothing if all is well."""
        if not name:
            return "without a path"
        if "\0" in name:
            return "with zero bytes (it is no text, or UTF-16 without a mark: encoding=utf-16-le)"
        if _ADDRESS.match(name):
            return "with an address instead of a file (download the pictures first)"
        return ""

    def locate(self, name: str) -> tuple[str, str | None]:
        """Id and path of a file; no path if it is not there.

        The id is the path below the base folder with `/`, or the absolute path of a file that lies elsewhere.
        Backslashes separate folders as `/` does, unless there is a file with just that name.
        """
        name += self._suffix
        id_, path = self._place(name)
        if not self._check or _is_file(path):
            return id_, path
        if "\\" in name and os.sep == "/":
            other_id, other = self._place(name.replace("\\", "/"))
            if _is_file(other):
                return other_id, other
        self._first = self._first or name
        return id_, None

    def _place(self, name: str) -> tuple[str, str]:
        if os.sep == "\\" or not self._check:
            name = name.replace("\\", "/")
        if name.startswith((".", "/")) or "/." in name or "//" in name or _DRIVE.match(name):
            full = os.path.normpath(os.path.join(self._base, name))  # noqa: PTH118 - normpath has no other
            inside = full.startswith(self._inside)
            id_ = full[len(self._inside) :] if inside else posixpath.normpath(name)
            return id_.replace(os.sep, "/"), full
        return name, self._inside + name.replace("/", os.sep)

    def advice(self) -> str:
        """What may help where files were not found, judged by the first of them; nothing where all were found."""
        name = self._first
        if not name:
            return ""
        if folders.is_folder_path(self._place(name)[1]):
            return f"{name!r} is a folder: name the files in it."
        endings = [ending for ending in _LOOKED_FOR if _is_file(self._place(name + ending)[1])]
        if endings:
            return f"There is {name + endings[0]!r}: --source manifest:suffix={endings[0]}"
        if _DRIVE.match(name) or name.startswith("/"):
            return "Absolute paths hold on one machine only: write them relative to the table."
        looked = f"They were looked for in {self._base!r}"
        tail = name.replace("\\", "/").split("/")
        for start in range(1, len(tail)):
            if _is_file(self._place("/".join(tail[start:]))[1]):
                return f"{looked}, where {'/'.join(tail[start:])!r} is: the paths begin with a folder too many."
        below = self._below(name)
        where = f" {below!r} has the first of them: --source manifest:root={below}" if below else ""
        return f"{looked}; root=FOLDER gives another folder, missing=skip leaves out what is not there.{where}"

    def _below(self, name: str) -> str:
        """A folder directly in the base folder that has a file, if any."""
        try:
            with os.scandir(self._base) as entries:
                folders = sorted(entry.name for entry in entries if entry.is_dir())
        except OSError:
            return ""
        return next((one for one in folders if _is_file(self._place(f"{one}/{name}")[1])), "")


@dataclass
class _Kind:
    """Rows with one fault."""

    rows: int = 0
    named: list[str] = field(default_factory=list)
    hint: str = ""


class Faults:
    """Collects what is wrong with rows, so that all of it is told at once.

    Args:
        where: The table, for messages.
        unit: `line` or `row`.
    """

    def __init__(self, where: str, unit: str) -> None:
        self._where = where
        self._unit = unit
        self._kinds: dict[str, _Kind] = {}

    def add(self, fault: str, row: int, what: str = "", *, hint: str = "") -> None:
        """Remembers a row; of each fault the first five are named."""
        kind = self._kinds.setdefault(fault, _Kind())
        kind.rows += 1
        kind.hint = kind.hint or hint
        if len(kind.named) < _NAMED:
            kind.named.append(f"{self._unit} {row:,}{f' ({what})' if what else ''}")

    def raise_if_any(self, advice: str = "") -> None:
        """Tells all faults, with their hints and more advice, if there were any.

        Raises:
            SourceError: There were.
        """
        if not self._kinds:
            return
        said = []
        for fault, kind in self._kinds.items():
            rest = f" and {kind.rows - len(kind.named):,} more" if kind.rows > len(kind.named) else ""
            said.append(f"{kind.rows:,} {fault}: {', '.join(kind.named)}{rest}")
        hints = dict.fromkeys([*(kind.hint for kind in self._kinds.values()), advice])
        raise SourceError(
            f"{self._where} has rows that cannot be used. {'; '.join(said)}.",
            hint=" ".join(filter(None, hints)) or f"Mend these {self._unit}s, or take them out.",
        )
