"""Looks through folders that hold one sub-folder for each class, and tells divided data from undivided."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo import folders
from zoo.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.values import Part

PART_NAMES: Mapping[str, Part] = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "development": "validation",
    "test": "test",
    "testing": "test",
    "tst": "test",
}
"""Names of folders of divided data, and of parts in a table, in lower case."""


@dataclass(frozen=True, slots=True)
class ClassFolders:
    """What lies in a folder of class folders.

    Attributes:
        classes: What each class holds, empty ones included, by name in NFC, in order of code points.
        beside: What lies directly in the folder, beside the class folders.
        merged: Names that two folders share, but for the way accents are written.
    """

    classes: Mapping[str, folders.Found]
    beside: folders.Found
    merged: tuple[str, ...] = ()


def as_path(location: object) -> Path | None:
    """The path that a location means, absolute, with `~` for the home folder; None if it is not a path."""
    if not isinstance(location, str | os.PathLike):
        return None
    text = os.fspath(location)
    if not text or isinstance(text, bytes):
        return None
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:  # `~name` of a user that does not exist
        return Path(text).absolute()


def is_directory(path: Path) -> bool:
    """Whether it is an existing folder or a link to one. False where that cannot be told."""
    try:
        return path.is_dir()
    except OSError:
        return False


def part_folders(path: Path) -> dict[str, Part]:
    """Names of the sub-folders that are parts of divided data: named so, and with sub-folders of their own."""
    names = [
        entry.name
        for entry in folders.listing(path)
        if entry.name.casefold() in PART_NAMES and folders.is_folder(entry)
    ]
    return {
        name: PART_NAMES[name.casefold()]
        for name in names
        if any(folders.is_folder(entry) for entry in folders.listing(path / name))
    }


def is_presplit(path: Path) -> bool:
    """Whether a folder holds a training part and another one. False where it cannot be looked into."""
    try:
        parts = set(part_folders(path).values())
    except SourceError:
        return False
    return "train" in parts and len(parts) > 1


def survey(path: Path, *, prefix: str = "") -> ClassFolders:
    """Look through all class folders of a folder.

    Args:
        path: The folder.
        prefix: What ids begin with, `train/` for instance.

    Raises:
        SourceError: A folder may not be opened.
    """
    classes: dict[str, folders.Found] = {}
    merged: list[str] = []
    beside: list[os.DirEntry[str]] = []
    for entry in folders.listing(path):
        if not folders.is_folder(entry):
            beside.append(entry)
            continue
        name = unicodedata.normalize("NFC", entry.name)
        if name in classes:
            merged.append(name)
        found = folders.walk(Path(entry.path), prefix + entry.name, outside=path)
        classes[name] = folders.together([classes.get(name, folders.Found()), found])
    return ClassFolders(dict(sorted(classes.items())), folders.sort(beside, prefix), tuple(merged))
