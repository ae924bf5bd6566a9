"""Pitfalls of splits: numbers 60, 61, 62, 64, 65 and 66, and what the real photos hold."""

from __future__ import annotations

import csv
import zlib
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from zoo.builtin import source_folder, source_presplit
from zoo.health import scan
from zoo.splitting import split
from zoo.values import PARTS, HealthReport, ImageTable, Picture, Split

if TYPE_CHECKING:
    from pathlib import Path


def paint(root: Path, *names: str) -> Path:
    """Different small pictures of noise below a folder."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(zlib.crc32(name.encode())).integers(0, 256, (36, 40, 3)).astype(np.uint8)
        Image.fromarray(noise).save(root / name)
    return root


def made_up(*names: str) -> HealthReport:
    """A report of different pictures with these ids; the first step of an id is its class."""
    classes = sorted({name.split("/")[0] for name in names})
    pictures = tuple(
        Picture(
            name,
            classes.index(name.split("/")[0]),
            pixels=np.random.default_rng(zlib.crc32(name.encode())).integers(0, 256, (36, 36, 3)).astype(np.uint8),
        )
        for name in names
    )
    return scan(ImageTable("made up", tuple(classes), pictures))


def side_of(report: HealthReport, sides: Split) -> dict[str, str]:
    """The side of each id that is on one."""
    return {report.table.pictures[index].id: part for part in PARTS for index in getattr(sides, part)}


def classes_on(report: HealthReport, indices: tuple[int, ...]) -> Counter[str]:
    """How many pictures of each class a side has."""
    return Counter(report.table.classes[report.table.pictures[index].label] for index in indices)


def test_pitfall_60_validation_is_no_tail_of_a_sorted_list() -> None:
    """Of sorted files each class has its share in both parts, and not only its last files."""
    report = made_up(*(f"{name}/{n}" for name in "abcd" for n in range(8)))
    draws = [split(report, fractions=(0.75, 0.25, 0.0), seed=seed) for seed in range(8)]
    for sides in draws:
        assert classes_on(report, sides.validation) == dict.fromkeys("abcd", 2)
    assert len({draw.validation for draw in draws}) == len(draws)


def test_pitfall_61_rare_classes_are_on_every_side() -> None:
    """Of 40, 40 and 2 pictures the rare class has one each for training and validation; a single one is said."""
    names = [f"{name}/{n}" for name in "ab" for n in range(40)]
    report = made_up(*names, "rare/0", "rare/1")
    sides = split(report, fractions=(0.8, 0.2, 0.0))
    assert classes_on(report, sides.train)["rare"] == classes_on(report, sides.validation)["rare"] == 1
    alone = made_up(*names, "rare/0")
    sides = split(alone, fractions=(0.8, 0.2, 0.0))
    assert classes_on(alone, sides.train)["rare"] == 1
    (note,) = sides.notes
    assert note.startswith("Classes without a validation picture")
    assert note.endswith("'rare' (1).")


def test_pitfall_62_sides_are_disjoint_under_every_seed() -> None:
    """One object holds all sides; they are disjoint and complete, and its digest tells draws apart."""
    report = made_up(*(f"{name}/{n}" for name in "ab" for n in range(17)))
    draws = [split(report, seed=seed) for seed in range(30)]
    for sides in draws:
        assert sorted((*sides.train, *sides.validation, *sides.test)) == list(range(34))
    assert len({sides.digest for sides in draws}) == len({sides.train for sides in draws}) > 25


def test_pitfall_64_copies_under_other_names_stay_together(tmp_path: Path) -> None:
    """Twenty pictures with a renamed copy each, half of them saved in another format: no copy is on another side."""
    paint(tmp_path, *(f"{name}/{n}.png" for name in "ab" for n in range(10)))
    for number, path in enumerate(sorted(tmp_path.rglob("*.png"))):
        with Image.open(path) as image:
            image.save(path.with_name(f"z{number}.{'bmp' if number % 2 else 'png'}"))
    report = scan(source_folder.load(tmp_path))
    assert len(report.duplicates) == 20
    for seed in range(10):
        side = side_of(report, split(report, seed=seed))
        assert all(len({side[name] for name in group}) == 1 for group in report.duplicates)


def soft(name: str) -> Image.Image:
    """A picture of soft shapes, another for each name."""
    coarse = np.random.default_rng(zlib.crc32(name.encode())).integers(0, 256, (7, 8, 3)).astype(np.uint8)
    return Image.fromarray(coarse).resize((240, 210), Image.Resampling.BICUBIC)


def test_pitfall_64_resized_and_recoded_copies_stay_together_and_are_said(tmp_path: Path) -> None:
    """Each picture comes again, smaller or as a JPEG of low quality: the pair is reported and on one side."""
    for name in [f"{label}/{n}" for label in "ab" for n in range(10)]:
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        image = soft(name)
        image.save(path)
        if int(name[-1]) % 2:
            image.save(path.with_suffix(".jpg"), quality=40)
        else:
            image.resize((96, 84), Image.Resampling.LANCZOS).save(path.with_name(f"{path.stem}-small.png"))
    report = scan(source_folder.load(tmp_path))
    assert report.duplicates == ()
    assert len(report.look_alikes) == 20
    assert {len({name.split(".")[0].removesuffix("-small") for name in group}) for group in report.look_alikes} == {1}
    assert any(
        note.startswith("Groups of pictures that look the same") and "20 (40 pictures)" in note for note in report.notes
    )
    for seed in range(10):
        side = side_of(report, split(report, seed=seed))
        assert all(len({side[name] for name in group}) == 1 for group in report.look_alikes)


def test_pitfall_64_copies_across_given_parts_are_left_out(tmp_path: Path) -> None:
    """A training picture that is in the given test part too is not trained on."""
    paint(
        tmp_path, *(f"{part}/{name}/{part}{n}.png" for part in ("train", "val", "test") for name in "ab" for n in "123")
    )
    (tmp_path / "train/a/copy.png").write_bytes((tmp_path / "test/a/test1.png").read_bytes())
    report = scan(source_presplit.load(tmp_path))
    sides = split(report)
    assert [report.table.pictures[index].id for index in sides.dropped] == ["train/a/copy.png"]
    assert "train/a/copy.png" in sides.notes[0]


def test_pitfall_64_near_copies_across_given_parts_are_said(tmp_path: Path) -> None:
    """A smaller copy in the given test part of a training picture: the note names both, and it is not trained on."""
    for part in ("train", "val", "test"):
        for name in "ab":
            for n in range(3):
                path = tmp_path / part / name / f"{part}{n}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                soft(f"{part}{name}{n}").save(path)
    soft("testa1").resize((96, 84), Image.Resampling.LANCZOS).save(tmp_path / "train/a/small.png")
    report = scan(source_presplit.load(tmp_path))
    assert report.look_alikes == (("test/a/test1.png", "train/a/small.png"),)
    sides = split(report)
    assert [report.table.pictures[index].id for index in sides.dropped] == ["train/a/small.png"]
    assert "train/a/small.png" in sides.notes[0]


def test_pitfall_65_one_picture_in_two_classes_is_a_conflict(tmp_path: Path) -> None:
    """The warning names both files, and they are on one side."""
    paint(tmp_path, *(f"{name}/{n}.png" for name in "ab" for n in range(6)))
    (tmp_path / "b" / "same.png").write_bytes((tmp_path / "a" / "1.png").read_bytes())
    report = scan(source_folder.load(tmp_path))
    assert report.conflicts == (("a/1.png", "b/same.png"),)
    assert any("a/1.png = b/same.png" in note and "different labels" in note for note in report.notes)
    sides = split(report)
    side = side_of(report, sides)
    assert side["a/1.png"] == side["b/same.png"]
    assert any(f"whole groups on each side: {side['a/1.png']} 1." in note for note in sides.notes)


@pytest.mark.parametrize("seed", range(5))
def test_pitfall_66_groups_never_cross(seed: int) -> None:
    """Pictures of one patient are on one side, while classes are still on all."""
    report = made_up(*(f"{name}/p{patient:02}_{n}" for name in "ab" for patient in range(12) for n in range(4)))
    pictures = tuple(replace(one, group=one.id[2:5]) for one in report.table.pictures)
    report = replace(report, table=replace(report.table, pictures=pictures))
    sides = split(report, fractions=(0.6, 0.2, 0.2), seed=seed)
    side = side_of(report, sides)
    assert all(len({side[name] for name in side if name[2:5] == f"p{patient:02}"}) == 1 for patient in range(12))
    for part in PARTS:
        assert set(classes_on(report, getattr(sides, part))) == {"a", "b"}


def test_real_augmented_copies_are_found_in_part(shared: Path) -> None:
    """Of the known copies that are mirrored, turned or cropped, 9 of 72 keep enough of their look; the page says so."""
    report = scan(source_folder.load(shared / "car-damage"))
    groups = [set(group) for group in (*report.duplicates, *report.look_alikes)]
    augmented = pairs_of(shared / "car-damage-duplicates.tsv", "augmented-copy")
    assert len(augmented) == 72
    assert sum(any(set(pair) <= group for group in groups) for pair in augmented) == 9


def pairs_of(path: Path, kind: str) -> set[tuple[str, str]]:
    """Pairs of a kind in a list of duplicates."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {tuple(sorted((row["file_a"], row["file_b"]))) for row in rows if row["kind"] == kind}  # type: ignore[misc]


@pytest.mark.parametrize(("name", "pairs", "conflicts", "alike"), [("car-damage", 24, 0, 53), ("trashnet", 3, 3, 19)])
def test_real_photos_have_the_copies_that_are_known(
    name: str, pairs: int, conflicts: int, alike: int, shared: Path
) -> None:
    """All files decode, exactly the known copies are found and all known look-alikes; none of them crosses a side."""
    report = scan(source_folder.load(shared / name))
    found = {(a, b) for group in report.duplicates for a in group for b in group if a < b}
    assert report.skipped == ()
    assert found == pairs_of(shared / f"{name}-duplicates.tsv", "exact")
    assert (len(found), len(report.conflicts)) == (pairs, conflicts)
    near = pairs_of(shared / f"{name}-duplicates.tsv", "near")
    assert len(near) == alike
    for seed in range(5):
        side = side_of(report, split(report, seed=seed))
        assert len(side) == len(report.table)
        assert all(side[a] == side[b] for a, b in found | near)


def test_real_divided_photos_stay_divided(shared: Path) -> None:
    """The ants and bees keep the parts that they come with."""
    report = scan(source_presplit.load(shared / "hymenoptera"))
    sides = split(report)
    assert (len(sides.train), len(sides.validation), len(sides.test), sides.dropped) == (245, 153, 0, ())
    assert classes_on(report, sides.validation) == {"ants": 70, "bees": 83}
