"""The scan of all files before anything is trained: what is broken, what is there twice, what contradicts itself.

The scan opens every file once, and it does so before there is a split: only then can broken files be left out of all
sides, and identical pictures be kept on one side. It keeps a fingerprint of each picture; who wants pictures of the
training and validation parts in certain sizes gets them while they are decoded, and lets those of the test part go as
soon as there is a split. After that nothing reads a test picture before a row has been selected.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import numbers
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from zoo import fingerprints
from zoo.errors import SourceError
from zoo.events import ignore
from zoo.likeness import look_alikes
from zoo.values import PARTS, HealthReport, Skipped

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zoo.events import Observer
    from zoo.fingerprints import Facts, FingerprintCache
    from zoo.handover import Handover
    from zoo.values import ImageTable, Picture

Groups = tuple[tuple[str, ...], ...]
"""Groups of ids."""

SMALL = 32
"""Pictures whose shorter side has fewer pixels are pointed out: it is the least that most backbones take."""

_NAMED = 5  # items that a sentence names; all of them are in the report
_LEAST_CLASSES = 2


def scan(
    table: ImageTable,
    *,
    observe: Observer = ignore,
    workers: int | None = None,
    cache: FingerprintCache | None = None,
    ready: Handover | None = None,
) -> HealthReport:
    """Decode every picture once and report on it.

    Args:
        table: Pictures from a source, in any order.
        observe: Gets progress of `checking pictures`.
        workers: Number of threads; as many as processors by default.
        cache: Remembers findings, so that a file that has not changed is not decoded again.
        ready: Gets what is decoded, so that it need not be decoded again; who gives it drops the test part from it.

    Returns:
        The report. Its table is sorted by id and holds only pictures that decode and only classes that have one:
        labels are numbered anew where a class fell away. Its notes are those of the source and of the scan.

    Raises:
        SourceError: Labels outside the classes, ids or class names that occur twice, or fewer than two classes with
            a picture that can be read.
    """
    _check(table)
    pictures = sorted(table.pictures, key=lambda picture: picture.id)
    outcomes = fingerprints.examine(pictures, observe=observe, workers=workers, cache=cache, ready=ready)
    broken = [outcome for outcome in outcomes if isinstance(outcome, Skipped)]
    facts = [outcome for outcome in outcomes if not isinstance(outcome, Skipped)]
    sound = [picture for picture, outcome in zip(pictures, outcomes, strict=True) if not isinstance(outcome, Skipped)]
    skipped = tuple(sorted((*table.skipped, *broken), key=lambda one: one.id))
    kept = _renumber(table, sound, broken=broken)
    prints = tuple(fact.fingerprint for fact in facts)
    duplicates, conflicts = _copies(kept.pictures, prints)
    alike, uniform = _look_alikes(kept.pictures, facts)
    notes = (
        *_absence_notes(skipped, sorted(set(table.classes) - set(kept.classes))),
        *_copy_notes(duplicates, conflicts),
        *_likeness_notes(kept, alike, uniform),
        *_look_notes(kept.pictures, facts),
    )
    return HealthReport(
        table=kept,
        fingerprints=prints,
        skipped=skipped,
        duplicates=duplicates,
        conflicts=conflicts,
        look_alikes=alike,
        notes=(*table.notes, *notes),
        digest=_digest(kept, prints),
        channels=_channels(kept.pictures, facts),
        alpha=_alpha(kept.pictures, facts),
    )


def _check(table: ImageTable) -> None:
    """What a plugin's source could get wrong and what would surface much later otherwise."""
    for kind, names in (("class", table.classes), ("picture", [picture.id for picture in table.pictures])):
        name, times = max(Counter(names).items(), key=lambda pair: pair[1], default=("", 0))
        if times > 1:
            raise SourceError(f"{table.location} names more than one {kind} {name!r}; each needs its own name.")
    count = len(table.classes)
    for picture in table.pictures:
        label: object = picture.label
        if isinstance(label, bool) or not isinstance(label, numbers.Integral) or int(label) not in range(count):
            raise SourceError(
                f"{picture.id!r} of {table.location} has the label {label!r}; "
                f"with {count} classes a label is a whole number from 0 to {count - 1}.",
                hint="Labels are positions in the list of classes, counted from 0.",
            )
        if picture.part is not None and picture.part not in PARTS:
            raise SourceError(
                f"{picture.id!r} of {table.location} is meant for {picture.part!r}; "
                f"the sides of a split are {', '.join(PARTS)}."
            )


def _renumber(table: ImageTable, pictures: Sequence[Picture], *, broken: Sequence[Skipped]) -> ImageTable:
    """The table with these pictures only, and with only the classes that they have."""
    used = sorted({int(picture.label) for picture in pictures})
    if len(used) < _LEAST_CLASSES:
        seen = f"pictures of one class only, {table.classes[used[0]]!r}," if used else "no pictures"
        why = f" Not readable: {_several([f'{one.id} ({one.reason})' for one in broken])}." if broken else ""
        raise SourceError(
            f"{table.location} has {seen} that can be read; at least {_LEAST_CLASSES} classes are needed.{why}",
            hint="Mend the files, or add pictures of another class.",
        )
    position = {label: index for index, label in enumerate(used)}
    return replace(
        table,
        classes=tuple(table.classes[label] for label in used),
        pictures=tuple(replace(picture, label=position[int(picture.label)]) for picture in pictures),
    )


def _copies(pictures: Sequence[Picture], prints: Sequence[str]) -> tuple[Groups, Groups]:
    """Groups of pictures with identical pixels, and those of them that carry different labels."""
    groups: dict[str, list[Picture]] = {}
    for picture, fingerprint in zip(pictures, prints, strict=True):
        groups.setdefault(fingerprint, []).append(picture)
    several = [group for group in groups.values() if len(group) > 1]
    conflicting = [group for group in several if len({picture.label for picture in group}) > 1]
    return _ids(several), _ids(conflicting)


def _look_alikes(pictures: Sequence[Picture], facts: Sequence[Facts]) -> tuple[Groups, Groups]:
    """Groups of different pictures that look alike, and such as are too large to be copies. Of equals, the first."""
    first: dict[str, int] = {}
    for index, fact in enumerate(facts):
        first.setdefault(fact.fingerprint, index)
    different = list(first.values())
    found = look_alikes([facts[index].look for index in different])
    alike, uniform = (
        _ids([[pictures[different[position]] for position in group] for group in groups])
        for groups in (found.groups, found.uniform)
    )
    return alike, uniform


def _ids(groups: Sequence[Sequence[Picture]]) -> Groups:
    return tuple(tuple(picture.id for picture in group) for group in groups)


def _channels(pictures: Sequence[Picture], facts: Sequence[Facts]) -> tuple[tuple[int, str], ...]:
    """Each limit to the number of channels with the first picture that has it."""
    first: dict[int, str] = {}
    for picture, fact in zip(pictures, facts, strict=True):
        first.setdefault(fact.channels, picture.id)
    return tuple(sorted(first.items()))


def _alpha(pictures: Sequence[Picture], facts: Sequence[Facts]) -> str:
    """The digest of all transparent pictures."""
    found = [[picture.id, fact.alpha] for picture, fact in zip(pictures, facts, strict=True) if fact.alpha]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest() if found else ""


def _digest(table: ImageTable, prints: Sequence[str]) -> str:
    digest = hashlib.sha256(json.dumps(table.classes).encode())
    for picture, fingerprint in zip(table.pictures, prints, strict=True):
        digest.update(json.dumps([picture.id, picture.label, fingerprint]).encode())
    return digest.hexdigest()


def _absence_notes(skipped: Sequence[Skipped], gone: Sequence[str]) -> list[str]:
    notes = []
    if skipped:
        named = _several([f"{one.id} ({one.reason})" for one in skipped])
        notes.append(f"Files that could not be read and are left out, {len(skipped):,}: {named}.")
    if gone:
        notes.append(f"Classes without a picture that can be read are left out: {_several([repr(n) for n in gone])}.")
    return notes


def _copy_notes(duplicates: Groups, conflicts: Groups) -> list[str]:
    notes = []
    if duplicates:
        count = sum(map(len, duplicates))
        notes.append(
            f"Groups of files with identical pixels, {len(duplicates):,} ({count:,} files); each is kept on one side "
            f"of the split: {_several([_joined(group, ' = ') for group in duplicates])}."
        )
    if conflicts:
        notes.append(
            f"Identical pictures with different labels, {len(conflicts):,}; no model can get all of them right: "
            f"{_several([_joined(group, ' = ') for group in conflicts])}. "
            "Decide which label is right and remove the other."
        )
    return notes


def _likeness_notes(table: ImageTable, alike: Groups, uniform: Groups) -> list[str]:
    notes = []
    if alike:
        notes.append(
            f"Groups of pictures that look the same, as if resized or encoded again, {len(alike):,} "
            f"({sum(map(len, alike)):,} pictures); each is kept on one side of the split: "
            f"{_several([_joined(group, ' ~ ') for group in alike])}."
        )
        labels = {picture.id: picture.label for picture in table.pictures}
        mixed = [group for group in alike if len({labels[name] for name in group}) > 1]
        if mixed:
            notes.append(
                f"Pictures that look the same with different labels, {len(mixed):,}: "
                f"{_several([_joined(group, ' ~ ') for group in mixed])}. Look at them: one label may be wrong."
            )
    if uniform:
        named = _several([_joined(group, " ~ ") for group in uniform])
        notes.append(
            f"Pictures so much of one kind that copies cannot be told from others, {sum(map(len, uniform)):,}: "
            f"{named}. They are not kept together: make sure that no two show the same thing."
        )
    return notes


def _look_notes(pictures: Sequence[Picture], facts: Sequence[Facts]) -> list[str]:
    flat = [picture.id for picture, fact in zip(pictures, facts, strict=True) if fact.constant]
    small = [
        f"{picture.id} ({fact.width}×{fact.height})"
        for picture, fact in zip(pictures, facts, strict=True)
        if min(fact.width, fact.height) < SMALL
    ]
    notes = []
    if flat:
        notes.append(f"Pictures of one colour all over, {len(flat):,}: {_several(flat)}.")
    if small:
        notes.append(f"Pictures with a side of less than {SMALL} pixels, {len(small):,}: {_several(small)}.")
    return notes


def _joined(group: Sequence[str], sign: str) -> str:
    """The ids of a group; of one of thousands the first five, and how many there are in all."""
    more = [f"… ({len(group):,})"] if len(group) > _NAMED else []
    return sign.join([*group[:_NAMED], *more])


def _several(items: Iterable[str]) -> str:
    """At most five of them, and how many there are besides."""
    all_items = list(items)
    rest = len(all_items) - _NAMED
    return "; ".join(itertools.islice(all_items, _NAMED)) + (f"; and {rest:,} more" if rest > 0 else "")
