"""Pictures that a table lists: CSV, TSV or Parquet with a path, a label, and maybe a part and a group in each row."""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.builtin import _folders
from zoo.builtin._columns import find_columns
from zoo.builtin._folder_table import counted, existing_file, existing_folder, listed
from zoo.builtin._listed_files import Faults, Places
from zoo.builtin._table_files import PARQUET, SEPARATORS, TEXT, TableFile
from zoo.contracts import Option, Source
from zoo.errors import SourceError
from zoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo.values import ImageTable, Part, Skipped

_LEAST_CLASSES = 2
_EMPTY_WORDS = frozenset({"nan", "na", "n/a", "none", "null", "<na>", "-", "?"})

_OPTIONS = (
    Option("path", "", "Column with the path of each picture; found by its name where it has a usual one."),
    Option("label", "", "Column with the class of each picture; found by its name where it has a usual one."),
    Option("split", "", "Column with the part (train, val, test); found by its name; none for no column."),
    Option("group", "", "Column with what must stay on one side; found by its name; none for no column."),
    Option("root", "", "Folder that paths are relative to; that of the table if it is not given."),
    Option("suffix", "", "Ending of all files, such as .jpg, where the table leaves it out."),
    Option("missing", "error", "What files that are not there are.", choices=("error", "skip", "unchecked")),
    Option("encoding", "", "Of a text: UTF-8 if it is not given, or what a mark at its beginning says."),
    Option("separator", "auto", "What stands between cells of a text.", choices=("auto", *SEPARATORS)),
)


@dataclass
class _Listed:
    """What was read so far.

    Attributes:
        pictures: Id, path, number of the class name, part and group of each, in order of the rows.
        rows: Number of the row of each.
        place: Position of each id.
        names: Class names in the order in which they came.
        repeated: Rows that say nothing new.
        skipped: Files that are not there.
    """

    pictures: list[tuple[str, str, int, Part | None, str | None]] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    place: dict[str, int] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    repeated: list[int] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def accepts(location: object) -> bool:
    """Whether it is the path of a table by its ending: `.csv`, `.tsv` or `.parquet`; it need not exist."""
    path = _folders.as_path(location)
    return path is not None and path.suffix.lower() in {*TEXT, PARQUET} and not _folders.is_directory(path)


def load(
    location: object,
    *,
    path: str = "",
    label: str = "",
    split: str = "",
    group: str = "",
    root: str = "",
    suffix: str = "",
    missing: str = "error",
    encoding: str = "",
    separator: str = "auto",
) -> ImageTable:
    """List the pictures of a table, without opening them. Nothing but the list is held in memory.

    Classes are the labels, sorted by code point; if all are whole numbers, by value. Rows of one group stay on one side
    of the split; an empty cell is no group. Without a validation row the training rows get no part, so that the split
    can draw one. A row that is there twice counts once, with a note.

    Args:
        location: Path of the table.
        path: Column with the path of each picture; see `_columns.NAMES` for those that are found.
        label: Column with its class.
        split: Column with its part; `none` for no column.
        group: Column with what must stay on one side; `none` for no column.
        root: Folder that paths are relative to; that of the table if empty.
        suffix: Ending that is added to all paths.
        missing: `error`, `skip` (left out with a note), or `unchecked` (the scan will leave them out).
        encoding: Of a text; UTF-8, or what its byte order mark says, if empty.
        separator: `comma`, `semicolon`, `tab` or `bar`; `auto` takes what the first line has most of.

    Raises:
        SourceError: The file is no such table, a column is not there, or rows cannot be used. All faults of rows are
            told at once, with their lines.
    """
    table = TableFile(existing_file(location), encoding, separator)
    where = repr(str(table.path))
    base = existing_folder(table.path.parent / Path(root).expanduser()) if root else table.path.parent
    header = table.header()
    columns = find_columns(header, {"path": path, "label": label, "split": split, "group": group}, where=where)
    faults = Faults(where, table.unit)
    places = Places(base, suffix=suffix, check=missing != "unchecked")
    found = _read(table, columns, places, faults, skip=missing == "skip")
    faults.raise_if_any(places.advice())
    if not found.pictures:
        seen = f"{counted(len(found.skipped), 'row')}, but none of its files is there" if found.skipped else "no rows"
        raise SourceError(f"{where} has {seen}.", hint=places.advice() or "Each row after the first is a picture.")
    if len(found.names) < _LEAST_CLASSES:
        raise SourceError(
            f"{where} has one class only, {next(iter(found.names))!r} (column {header[columns['label'] or 0]!r}); "
            f"at least {_LEAST_CLASSES} are needed.",
            hint="Name another column with --source manifest:label=NAME, or add pictures of another class.",
        )
    return _table(str(table.path), found, [_column_note(header, columns), *_row_notes(found, table.unit)])


def _read(
    table: TableFile, columns: Mapping[str, int | None], places: Places, faults: Faults, *, skip: bool
) -> _Listed:
    from zoo.values import Skipped

    found = _Listed()
    used = [place for place in columns.values() if place is not None]
    position = {role: used.index(place) for role, place in columns.items() if place is not None}
    for row, cells in table.rows(used):
        if cells is None:
            faults.add("with more cells than there are columns (quote cells that hold the separator)", row)
            continue
        name = cells[position["path"]]
        label = unicodedata.normalize("NFC", cells[position["label"]])
        part = _part(cells[position["split"]], row, faults) if "split" in position else None
        group = cells[position["group"]] if "group" in position else ""
        if not label:
            faults.add("without a label", row, name)
        fault = places.fault(name)
        if fault:
            faults.add(fault, row, name)
            continue
        id_, file = places.locate(name)
        if file is None:
            if skip:
                found.skipped.append(Skipped(id_, f"no such file ({table.unit} {row:,})"))
            else:
                faults.add("whose file is not there", row, name)
            continue
        _keep(found, row, id_, file, label, part, group, faults)
    return found


def _part(text: str, row: int, faults: Faults) -> Part | None:
    part = _folders.PART_NAMES.get(text.casefold())
    if part is None:
        faults.add("whose part is not train, val or test", row, repr(text), hint="split=none ignores that column.")
    return part


def _keep(
    found: _Listed, row: int, id_: str, file: str, label: str, part: Part | None, group: str, faults: Faults
) -> None:
    """Adds a picture, or says what is wrong with one that is there already."""
    number = found.names.setdefault(label, len(found.names))
    kept = found.groups.setdefault(group, group) or None
    picture = (id_, file, number, part, kept)
    place = found.place.setdefault(id_, len(found.pictures))
    if place == len(found.pictures):
        found.pictures.append(picture)
        found.rows.append(row)
        return
    first = found.pictures[place]
    if first == picture:
        found.repeated.append(row)
        return
    what = "label" if first[2] != number else "part" if first[3] != part else "group"
    hint = "A picture has one label; several at once are not supported." if what == "label" else ""
    faults.add(f"that list a file again with another {what}", row, f"{id_}, as in {found.rows[place]:,}", hint=hint)


def _table(location: str, found: _Listed, notes: Sequence[str]) -> ImageTable:
    from zoo.values import ImageTable, Picture

    whole = all(name.removeprefix("-").isdecimal() for name in found.names)
    classes = sorted(found.names, key=(lambda name: (int(name), name)) if whole else None)
    label = {found.names[name]: index for index, name in enumerate(classes)}
    drawn = all(part != "validation" for *_, part, _ in found.pictures)
    pictures = [
        Picture(id_, label[number], file, part=None if drawn and part == "train" else part, group=group)
        for id_, file, number, part, group in sorted(found.pictures, key=lambda one: one[0])
    ]
    if any(one.part for one in pictures) and all(part != "train" for *_, part, _ in found.pictures):
        raise SourceError(
            f"{location!r} has no row for training: {_counts(found)}.",
            hint="split=none ignores the column, and draws the sides.",
        )
    return ImageTable(
        location=location,
        classes=tuple(classes),
        pictures=tuple(pictures),
        skipped=tuple(sorted(found.skipped, key=lambda one: one.id)),
        notes=tuple(notes),
    )


def _counts(found: _Listed) -> str:
    from zoo.values import PARTS

    counts = Counter(part for *_, part, _ in found.pictures)
    return ", ".join(f"{part} {counts[part]:,}" for part in PARTS if counts[part])


def _column_note(header: Sequence[str], columns: Mapping[str, int | None]) -> str:
    used = [f"{role} {header[place]!r}" for role, place in columns.items() if place is not None]
    absent = "".join(f"; no {role}" for role, place in columns.items() if place is None)
    return f"Columns of the table: {', '.join(used)}{absent}."


def _row_notes(found: _Listed, unit: str) -> list[str]:
    notes = []
    if found.repeated:
        notes.append(
            f"Rows that are there more than once count once, {len(found.repeated):,} left out: {unit} "
            f"{listed(f'{row:,}' for row in found.repeated)}."
        )
    sizes = Counter(group for *_, group in found.pictures if group)
    if sizes:
        largest = max(sizes.values())
        notes.append(
            f"Groups are kept on one side of the split: {len(sizes):,} of {sum(sizes.values()):,} pictures, "
            f"the largest of {largest:,}."
        )
    if any(Path(id_).is_absolute() for id_, *_ in found.pictures):
        notes.append("Some paths lie outside the base folder: elsewhere the same pictures count as other data.")
    return [*notes, *_label_notes(found)]


def _label_notes(found: _Listed) -> list[str]:
    notes = []
    counts = Counter(number for _, _, number, _, _ in found.pictures)
    if doubtful := [repr(name) for name in found.names if name.casefold() in _EMPTY_WORDS]:
        notes.append(f"Labels that may mean that there is none: {listed(doubtful)}. They are taken as classes.")
    alike: dict[object, list[str]] = {}
    for name in sorted(found.names):
        alike.setdefault(_meaning(name), []).append(repr(name))
    notes += [
        f"Labels that differ only in case, blanks or how a number is written: {listed(names)}. They are different "
        "classes: write them alike if they mean one."
        for names in alike.values()
        if len(names) > 1
    ]
    if len(counts) > _LEAST_CLASSES and 2 * len(counts) > len(found.pictures):
        notes.append(
            f"There are {len(counts):,} classes for {len(found.pictures):,} pictures: is that column the label?"
        )
    return notes


def _meaning(name: str) -> object:
    try:
        return float(name)
    except ValueError:
        return "".join(name.split()).casefold()


@hookimpl
def zoo_sources() -> list[Source]:
    """The source of this file."""
    title = "a table (CSV, TSV, Parquet) with a path and a label in each row, maybe a part and a group"
    return [Source(name="manifest", title=title, accepts=accepts, load=load, options=_OPTIONS)]
