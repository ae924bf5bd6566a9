"""Pictures in a folder with one sub-folder for each class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.builtin import _folders
from zoo.builtin._folder_table import counted, existing_folder, kinds, listed, make_table
from zoo.contracts import Source
from zoo.errors import SourceError
from zoo.folders import together
from zoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.builtin._folders import ClassFolders
    from zoo.values import ImageTable

_LEAST_CLASSES = 2
_OWN_FOLDER = 2  # a class and a file make two parts of an id


def accepts(location: object) -> bool:
    """Whether it is an existing folder that is not divided into parts."""
    path = _folders.as_path(location)
    return path is not None and _folders.is_directory(path) and not _folders.is_presplit(path)


def load(location: object) -> ImageTable:
    """List the pictures of all class content, without opening them.

    Classes are the names of the sub-folders in NFC, sorted by code point, so that labels are the same on every
    machine. Sub-folders of class folders count, at any depth, and links are followed. Files with the ending of a
    picture are taken, and files without an ending that begin like one; what else was seen stands in the notes.

    Args:
        location: Path of the folder.

    Raises:
        SourceError: There is no such folder, it is a file, it may not be opened, it has no sub-content, no pictures,
            pictures of one class only, or it looks divided into parts but is not.
    """
    path = existing_folder(location)
    content = _folders.survey(path)
    classes = [name for name, found in content.classes.items() if found.pictures]
    if not content.classes:
        raise _flat(path, content)
    if not classes:
        raise _nothing(path, content)
    if _is_half_divided(classes):
        raise SourceError(
            f"{str(path)!r} looks divided into parts ({listed(map(repr, classes))}), "
            "but not every part has class content.",
            hint="Put class folders into each part, or give one part that has class folders as the data.",
        )
    if len(classes) < _LEAST_CLASSES:
        raise _single(path, classes[0], content)
    return make_table(path, {None: content}, classes=classes, notes=_repeated(content, classes))


def _repeated(content: ClassFolders, classes: list[str]) -> list[str]:
    """A note where all classes have the same sub-folders: those may be the classes, and these parts or years."""
    below = [
        {parts[1] for id_, _ in content.classes[name].pictures if len(parts := id_.split("/")) > _OWN_FOLDER}
        for name in classes
    ]
    if len(below[0]) < _LEAST_CLASSES or any(one != below[0] for one in below):
        return []
    note = (
        f"Each of {listed(map(repr, classes))} has the same sub-folders, {listed(map(repr, sorted(below[0])))}: the "
        "former are taken for the classes. If the latter are, name the parts train and val or test, or give one part."
    )
    return [note]


def _is_half_divided(classes: list[str]) -> bool:
    """Whether `train` comes with another part, or all are parts. `bus, car, train` are classes."""
    parts = {_folders.PART_NAMES[name.casefold()] for name in classes if name.casefold() in _folders.PART_NAMES}
    return len(parts) > 1 and ("train" in parts or len(parts) == len(classes))


def _flat(path: Path, content: ClassFolders) -> SourceError:
    loose, ignored = content.beside.pictures, content.beside.ignored
    if not loose and not ignored:
        return SourceError(f"The folder {str(path)!r} is empty.", hint="Make one sub-folder for each class in it.")
    others = f"; other files: {kinds(ignored)}" if ignored else ""
    return SourceError(
        f"{str(path)!r} has no sub-folders. Directly in it: {counted(len(loose), 'picture')}{others}.",
        hint="Make one sub-folder for each class and sort the pictures into them.",
    )


def _nothing(path: Path, content: ClassFolders) -> SourceError:
    found = together([content.beside, *content.classes.values()])
    seen = [f"{counted(len(content.classes), 'sub-folder')} ({listed(map(repr, content.classes))})"]
    if found.pictures:
        seen.append(f"{counted(len(found.pictures), 'picture')} beside them, not in them")
    if found.ignored:
        seen.append(f"other files: {kinds(found.ignored)}")
    if found.skipped:
        seen.append(f"not readable: {listed(f'{one.id} ({one.reason})' for one in found.skipped)}")
    return SourceError(
        f"No pictures in the sub-folders of {str(path)!r}. Seen: {'; '.join(seen)}.",
        hint="Pictures are JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, … files, or arrays (.npy), "
        "in one sub-folder for each class.",
    )


def _single(path: Path, name: str, content: ClassFolders) -> SourceError:
    count = counted(len(content.classes[name].pictures), "picture")
    steps = [id_.split("/") for id_, _ in content.classes[name].pictures]
    below = sorted({parts[1] for parts in steps if parts[2:]})
    deeper = f"If the classes are {listed(map(repr, below))}, give {str(path / name)!r} instead."
    loose = len(content.beside.pictures)
    beside = f", and {counted(loose, 'picture')} beside it without a class" if loose else ""
    return SourceError(
        f"{str(path)!r} has pictures of one class only, {name!r} ({count}){beside}; "
        f"at least {_LEAST_CLASSES} are needed.",
        hint=deeper if len(below) >= _LEAST_CLASSES else "Add a sub-folder with pictures of another class.",
    )


@hookimpl
def zoo_sources() -> list[Source]:
    """The source of this file."""
    return [Source(name="folder", title="a folder with one sub-folder for each class", accepts=accepts, load=load)]
