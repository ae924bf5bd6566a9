"""Makes a table of what was found in class folders, and says what was left out and what is odd."""

from __future__ import annotations

import difflib
from collections import Counter
from typing import TYPE_CHECKING

from zoo import folders
from zoo.builtin import _folders
from zoo.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from zoo.builtin._folders import ClassFolders
    from zoo.values import ImageTable, Part

_NAMED = 5  # items that a sentence names
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")


def existing_folder(location: object) -> Path:
    """The folder that a location means.

    Raises:
        SourceError: It is no path, does not exist or is a file.
    """
    path = _folders.as_path(location)
    if path is None:
        raise SourceError(f"{location!r} is not the path of a folder.", hint="Give the folder that holds the pictures.")
    if _folders.is_directory(path):
        return path
    if _exists(path):
        archive = path.suffix.lower() in _ARCHIVES
        raise SourceError(
            f"{str(path)!r} is a file, not a folder.",
            hint="Unpack it first."
            if archive
            else "Give the folder that holds one sub-folder for each class, "
            "or a table of pictures, which ends in .csv, .tsv or .parquet.",
        )
    try:
        neighbours = [entry.name for entry in folders.listing(path.parent) if folders.is_folder(entry)]
    except SourceError:
        neighbours = []
    near = difflib.get_close_matches(path.name, neighbours, n=3)
    raise SourceError(
        f"There is no folder {str(path)!r}.",
        hint=f"Did you mean {listed(map(repr, near), joint=' or ')}?" if near else "Check the path.",
    )


def existing_file(location: object) -> Path:
    """The file that a location means.

    Raises:
        SourceError: It is no path, does not exist or is a folder.
    """
    path = _folders.as_path(location)
    if path is None:
        raise SourceError(f"{location!r} is not the path of a file.", hint="Give the table that lists the pictures.")
    if _folders.is_directory(path):
        raise SourceError(f"{str(path)!r} is a folder, not a file.", hint="Give the table that lists the pictures.")
    if _exists(path):
        return path
    try:
        inside = [entry.name for entry in folders.listing(path.parent) if not folders.is_folder(entry)]
    except SourceError:
        inside = []
    neighbours = {name.casefold(): name for name in inside}
    near = [neighbours[name] for name in difflib.get_close_matches(path.name.casefold(), neighbours, n=3)]
    raise SourceError(
        f"There is no file {str(path)!r}.",
        hint=f"Did you mean {listed(map(repr, near), joint=' or ')}?" if near else "Check the path.",
    )


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError as error:
        raise SourceError(
            f"{str(path)!r} may not be looked at: permission denied.",
            hint="Change the permissions of the folders above it.",
        ) from error
    except OSError:  # a name that the system does not allow
        return False


def make_table(
    path: Path, sides: Mapping[Part | None, ClassFolders], *, classes: Sequence[str], notes: Iterable[str] = ()
) -> ImageTable:
    """A table of the pictures of some classes.

    Args:
        path: For messages.
        sides: What was found, by the part that its pictures are meant for.
        classes: The classes, in order of their labels. Others must be empty.
        notes: What the source has to say; notes about files and names are added.
    """
    from zoo.values import ImageTable, Picture

    label = {name: index for index, name in enumerate(classes)}
    pictures = [
        Picture(id=name, label=label[owner], path=file, part=part)
        for part, side in sides.items()
        for owner, found in side.classes.items()
        for name, file in found.pictures
    ]
    everything = [found for side in sides.values() for found in (side.beside, *side.classes.values())]
    return ImageTable(
        location=str(path),
        classes=tuple(classes),
        pictures=tuple(sorted(pictures, key=lambda picture: picture.id)),
        skipped=folders.together(everything).skipped,
        notes=(*notes, *_file_notes(sides), *_name_notes(sides, classes)),
    )


def counted(number: int, noun: str) -> str:
    """`1 picture`, `1,200 pictures`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(items: Iterable[str], *, joint: str = ", ") -> str:
    """At most five of them, and how many there are besides."""
    several = list(items)
    rest = len(several) - _NAMED
    return joint.join(several[:_NAMED]) + (f" and {rest:,} more" if rest > 0 else "")


def kinds(endings: Iterable[str]) -> str:
    """`.txt 10, .csv 2`."""
    counts = sorted(Counter(endings).items(), key=lambda pair: (-pair[1], pair[0]))
    return listed(f"{ending} {count:,}" for ending, count in counts)


def _file_notes(sides: Mapping[Part | None, ClassFolders]) -> list[str]:
    notes = []
    ignored = [
        ending for side in sides.values() for found in (side.beside, *side.classes.values()) for ending in found.ignored
    ]
    if ignored:
        notes.append(f"Ignored files that are no pictures, {len(ignored):,}: {kinds(ignored)}.")
    taken = [file for side in sides.values() for found in side.classes.values() for _, file in found.pictures]
    arrays = sum(file.lower().endswith(folders.ARRAYS) for file in taken)
    if 0 < arrays < len(taken):
        notes.append(f"Arrays ({folders.ARRAYS}) are taken as pictures, {arrays:,} of {len(taken):,}.")
    loose = [name for side in sides.values() for name, _ in side.beside.pictures]
    if loose:
        notes.append(
            f"Ignored pictures beside the class folders, which have no class, {len(loose):,}: {listed(loose)}."
        )
    return notes


def _name_notes(sides: Mapping[Part | None, ClassFolders], classes: Sequence[str]) -> list[str]:
    notes = []
    seen = {name for side in sides.values() for name in side.classes}
    if empty := sorted(seen - set(classes)):
        notes.append(f"Class folders without pictures are left out: {listed(map(repr, empty))}.")
    if merged := sorted({name for side in sides.values() for name in side.merged}):
        notes.append(
            f"Folders whose names differ only in how accents are encoded are one class: {listed(map(repr, merged))}."
        )
    alike: dict[str, list[str]] = {}
    for name in classes:
        alike.setdefault("".join(name.split()).casefold(), []).append(name)
    notes += [
        f"Class names that differ only in case or blanks: {listed(map(repr, names))}. Merge them if they mean one."
        for names in alike.values()
        if len(names) > 1
    ]
    return notes
