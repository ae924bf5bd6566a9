"""The split: what it keeps together, what it keeps apart, what it says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from zoo.errors import SplitError
from zoo.splitting import split
from zoo.values import HealthReport, ImageTable, Picture, Split


def report(*rows: tuple[str, int, str], **more: Any) -> HealthReport:
    """A report of id, label and fingerprint; the ids that `parts` and `groups` hold get a part or group."""
    parts, groups = more.pop("parts", {}), more.pop("groups", {})
    pictures = tuple(
        Picture(name, label, path=name, part=parts.get(name), group=groups.get(name)) for name, label, _ in rows
    )
    classes = tuple(f"class {label}" for label in range(max(label for _, label, _ in rows) + 1))
    conflicts: dict[str, list[tuple[str, int]]] = {}
    for name, label, mark in rows:
        conflicts.setdefault(mark, []).append((name, label))
    return HealthReport(
        table=ImageTable("here", classes, pictures),
        fingerprints=tuple(mark for _, _, mark in rows),
        skipped=(),
        duplicates=(),
        conflicts=tuple(
            tuple(name for name, _ in group) for group in conflicts.values() if len({label for _, label in group}) > 1
        ),
        look_alikes=(),
        notes=(),
        digest="d",
    )


def plain(*sizes: int) -> HealthReport:
    """Different pictures, this many of each class."""
    return report(
        *((f"{label}/{n:03}", label, f"{label}-{n}") for label, size in enumerate(sizes) for n in range(size))
    )


def names(data: HealthReport, indices: tuple[int, ...]) -> set[str]:
    """Ids of a side."""
    return {data.table.pictures[index].id for index in indices}


def test_sides_are_sorted_and_complete() -> None:
    """Sides are sorted, disjoint and hold every picture; fractions are met."""
    sides = split(plain(50, 50))
    everything = (*sides.train, *sides.validation, *sides.test)
    assert sorted(everything) == list(range(100))
    assert (len(sides.train), len(sides.validation), len(sides.test)) == (70, 15, 15)
    assert all(list(side) == sorted(side) for side in (sides.train, sides.validation, sides.test))
    assert (sides.dropped, sides.seed, sides.fixed, sides.notes) == ((), 0, False, ())


def test_table_order_does_not_matter() -> None:
    """The same pictures in another order are on the same sides, with the same digest."""
    data = plain(20, 30)
    turned = replace(
        data, table=replace(data.table, pictures=data.table.pictures[::-1]), fingerprints=data.fingerprints[::-1]
    )
    one, other = split(data, seed=5), split(turned, seed=5)
    assert one.digest == other.digest
    assert names(data, one.test) == names(turned, other.test)


def test_seed_and_data_are_in_the_digest() -> None:
    """Another draw or other data have another digest."""
    data = plain(20, 30)
    assert len({split(data).digest, split(data, seed=1).digest, split(replace(data, digest="e")).digest}) == 3


def test_no_test_part_on_request() -> None:
    """A test fraction of 0 leaves the test part empty."""
    sides = split(plain(10, 10), fractions=(0.8, 0.2, 0.0))
    assert (len(sides.train), len(sides.validation), sides.test) == (16, 4, ())


@pytest.mark.parametrize(
    "fractions",
    [(0.5, 0.5, 0.5), (1.0, 0.0, 0.0), (0.0, 0.5, 0.5), (1.2, -0.1, -0.1), (float("nan"), 0.5, 0.5), (0.7, 0.3)],
)
def test_bad_fractions_are_refused(fractions: Any) -> None:
    """Shares must be three, not negative, sum to 1, and leave something for training and validation."""
    with pytest.raises(SplitError, match=r"Fractions \(.*\) cannot be used\.\nGive three shares that sum to 1"):
        split(plain(10, 10), fractions=fractions)


@pytest.mark.parametrize("seed", [-1, 1.5, True, "0"])
def test_bad_seeds_are_refused(seed: Any) -> None:
    """A seed is a whole number from 0."""
    with pytest.raises(SplitError, match=r"The seed .* cannot be used"):
        split(plain(10, 10), seed=seed)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 60), st.integers(0, 40)), min_size=12, max_size=80),
    seed=st.integers(0, 20),
)
def test_copies_and_groups_never_straddle(rows: list[tuple[int, int, int]], seed: int) -> None:
    """Chains of identical pictures and groups (union of both) lie on one side, whatever their sizes and labels."""
    labels = sorted({label for label, _, _ in rows})
    data = report(
        *((f"{index:03}", labels.index(label), str(mark)) for index, (label, mark, _) in enumerate(rows)),
        groups={f"{index:03}": str(group) for index, (_, _, group) in enumerate(rows) if group < 10},
    )
    try:
        sides = split(data, seed=seed)
    except SplitError:  # everything hangs together
        assume(False)  # the test fails if this happens often
    side_of = {index: part for part in ("train", "validation", "test") for index in getattr(sides, part)}
    assert sorted(side_of) == list(range(len(rows)))
    for mark in {mark for _, mark, _ in rows}:
        assert len({side_of[index] for index, row in enumerate(rows) if row[1] == mark}) == 1
    for group in {group for _, _, group in rows if group < 10}:
        assert len({side_of[index] for index, row in enumerate(rows) if row[2] == group}) == 1


def given_parts(sizes: dict[str, int], *, marks: dict[str, str] | None = None) -> HealthReport:
    """Two classes that come divided: this many pictures of each class on each side; the ids name it."""
    ids = [
        (f"{part}/{label}/{n}", label, part) for part, size in sizes.items() for label in (0, 1) for n in range(size)
    ]
    rows = [(name, label, (marks or {}).get(name, name)) for name, label, _ in ids]
    return report(*rows, parts={name: part for name, _, part in ids if part != "open"})


def test_given_parts_are_kept() -> None:
    """Data that come divided stay as they are."""
    data = given_parts({"train": 4, "validation": 3, "test": 2})
    sides = split(data, fractions=(0.1, 0.1, 0.8))
    assert sides.fixed
    assert sides.notes == ()
    assert {name.split("/")[0] for name in names(data, sides.train)} == {"train"}
    assert (len(sides.train), len(sides.validation), len(sides.test)) == (8, 6, 4)


@pytest.mark.parametrize("part", ["train", "open"])
def test_missing_validation_is_drawn_from_training(part: str) -> None:
    """Without a validation part one is drawn from the training pictures, in proportion, and the test part is kept."""
    data = given_parts({part: 20, "test": 5})
    sides = split(data, fractions=(0.6, 0.2, 0.2))
    assert (len(sides.train), len(sides.validation), len(sides.test)) == (30, 10, 10)
    assert {name.split("/")[0] for name in names(data, sides.test)} == {"test"}
    assert sides.notes == ("No validation part is given: 10 training pictures were drawn for it.",)


def test_missing_test_part_stays_missing() -> None:
    """Without a test part there is none, and a note says so."""
    sides = split(given_parts({"train": 4, "validation": 3}))
    assert sides.test == ()
    assert sides.notes == ("No test part is given, so there is none: scores are those of the validation part.",)


def test_copies_across_given_parts_are_dropped() -> None:
    """Of a picture on two sides the one that would leak is dropped, and named."""
    marks = {"train/0/0": "x", "test/1/0": "x", "train/1/0": "y", "validation/1/0": "y", "validation/0/1": "z"}
    marks |= {"test/0/1": "z", "train/0/1": "w", "train/0/2": "w"}
    data = given_parts({"train": 4, "validation": 3, "test": 2}, marks=marks)
    sides = split(data)
    assert names(data, sides.dropped) == {"train/0/0", "train/1/0", "validation/0/1"}
    assert {"train/0/1", "train/0/2"} <= names(data, sides.train)
    leaked = "holds the same picture, one that looks the same or one of its group"
    assert sides.notes[0] == f"Left out of train, 2, because validation or test {leaked}: train/0/0; train/1/0."
    assert sides.notes[1] == f"Left out of validation, 1, because test {leaked}: validation/0/1."


def test_thin_classes_are_named() -> None:
    """A class of one picture is for training only, one of two is in no test; both are said."""
    sides = split(plain(20, 1, 2))
    ends = [note.split(": ")[-1] for note in sides.notes]
    assert ends == ["'class 1' (1).", "'class 1' (1); 'class 2' (2)."]
    assert sides.notes[0].startswith("Classes without a validation picture, so that their recall there is unknown")
    assert sides.notes[1].startswith("Classes without a test picture, so that their recall there is unknown")


def test_sides_that_would_be_empty_are_errors() -> None:
    """No validation pictures, no training pictures, or a class without training pictures: an error each."""
    with pytest.raises(SplitError, match=r"^No picture of here is left for the validation part\.\nAdd pictures"):
        split(plain(1, 1))
    with pytest.raises(SplitError, match=r"^No picture of here is left for the train part\.\n"):
        split(given_parts({"validation": 3, "test": 3}))
    marks = {f"{part}/1/{n}": f"m{n}" for part in ("train", "test") for n in range(3)}
    with pytest.raises(SplitError, match=r"^Classes without a training picture in here: 'class 1'\.\n"):
        split(given_parts({"train": 3, "validation": 3, "test": 3}, marks=marks))


def test_result_is_a_plain_value() -> None:
    """Indices are Python ints, so that a split can be written as JSON."""
    sides: Split = split(plain(5, 5))
    assert all(type(index) is int for index in (*sides.train, *sides.validation, *sides.test))
