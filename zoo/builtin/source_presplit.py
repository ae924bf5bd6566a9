"""Pictures that come divided: a training folder and others beside it, each with one sub-folder for each class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.builtin import _folders
from zoo.builtin._folder_table import existing_folder, listed, make_table
from zoo.contracts import Source
from zoo.errors import SourceError
from zoo.folders import is_folder, listing
from zoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zoo.builtin._folders import ClassFolders
    from zoo.values import ImageTable, Part

_LEAST_CLASSES = 2


def accepts(location: object) -> bool:
    """Whether it is a folder that holds a training part (`train`) and a validation or test part, under usual names."""
    path = _folders.as_path(location)
    return path is not None and _folders.is_directory(path) and _folders.is_presplit(path)


def load(location: object) -> ImageTable:
    """List the pictures of all parts, without opening them.

    Classes are those of the training part, by name: the other parts get their labels from it. Without a validation
    part the training pictures get no part, so that the split can draw one from them. For the rest see `folder`.

    Args:
        location: Path of the folder that holds the parts.

    Raises:
        SourceError: There is no such folder, it is not divided into parts, two folders mean one part, a part has a
            class that the training part lacks, or there are fewer than two classes.
    """
    path = existing_folder(location)
    names = _parts(path)
    found = {part: _folders.survey(path / name, prefix=f"{name}/") for part, name in names.items()}
    classes = _filled(found["train"])
    _check_classes(path, found, classes)
    drawn = "validation" not in found
    sides: dict[Part | None, ClassFolders] = {
        None if drawn and part == "train" else part: content for part, content in found.items()
    }
    notes = [*_beside_notes(path, names), *_class_notes(found, classes)]
    return make_table(path, sides, classes=classes, notes=notes)


def _parts(path: Path) -> dict[Part, str]:
    names: dict[Part, str] = {}
    for name, part in _folders.part_folders(path).items():
        if part in names:
            raise SourceError(
                f"{str(path)!r} has two folders for the {part} part, {names[part]!r} and {name!r}.",
                hint="Merge or rename one of them.",
            )
        names[part] = name
    if "train" not in names or len(names) == 1:
        raise SourceError(
            f"{str(path)!r} is not divided into parts.",
            hint="It needs a folder `train` and one of `val` and `test`, each with one sub-folder for each class.",
        )
    return names


def _filled(content: ClassFolders) -> list[str]:
    return [name for name, found in content.classes.items() if found.pictures]


def _check_classes(path: Path, found: Mapping[Part, ClassFolders], classes: list[str]) -> None:
    for part, content in found.items():
        if unknown := [name for name in _filled(content) if name not in classes]:
            raise SourceError(
                f"The {part} part of {str(path)!r} has classes without training pictures: "
                f"{listed(map(repr, unknown))}; the training part has {listed(map(repr, classes)) or 'none'}.",
                hint="Names must be equal to the letter, case included. Rename the folders or move pictures to train.",
            )
    if len(classes) < _LEAST_CLASSES:
        what = f"pictures of one class only, {classes[0]!r}" if classes else "no pictures"
        raise SourceError(
            f"The training part of {str(path)!r} has {what}; at least {_LEAST_CLASSES} classes are needed.",
            hint="Add a sub-folder with pictures for each class.",
        )


def _class_notes(found: Mapping[Part, ClassFolders], classes: list[str]) -> list[str]:
    notes = []
    for part, content in found.items():
        filled = _filled(content)
        if absent := [name for name in classes if name not in filled]:
            notes.append(f"Classes without {part} pictures: {listed(map(repr, absent))}.")
    return notes


def _beside_notes(path: Path, names: Mapping[Part, str]) -> list[str]:
    entries = [entry for entry in listing(path) if entry.name not in names.values()]
    folders = [repr(entry.name) for entry in entries if is_folder(entry)]
    files = [repr(entry.name) for entry in entries if not is_folder(entry)]
    notes = []
    if folders:
        notes.append(f"Ignored folders beside the parts, or parts without class folders: {listed(folders)}.")
    if files:
        notes.append(f"Ignored files beside the parts: {listed(files)}.")
    return notes


@hookimpl
def zoo_sources() -> list[Source]:
    """The source of this file."""
    title = "a folder with train/ and val/ or test/, each with one sub-folder for each class"
    return [Source(name="presplit", title=title, accepts=accepts, load=load)]
