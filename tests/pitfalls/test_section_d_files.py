"""Pitfalls of files and folders: numbers 39 to 51 and 55 to 58."""

from __future__ import annotations

import csv
import os
import shutil
import unicodedata
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zoo.builtin import source_folder, source_presplit
from zoo.errors import SourceError
from zoo.health import scan
from zoo.splitting import split
from zoo.values import HealthReport, ImageTable, Picture


def paint(root: Path, *names: str, level: int | None = None) -> Path:
    """Different small pictures of noise, or of one brightness, below a folder."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(zlib.crc32(name.encode())).integers(0, 256, (36, 40, 3)).astype(np.uint8)
        Image.fromarray(noise if level is None else np.full_like(noise, level)).save(path, quality=95)
    return root


def check(root: Path) -> HealthReport:
    """List and scan a folder."""
    return scan(source_folder.load(root))


def test_pitfall_39_bad_files_are_found_before_training(tmp_path: Path) -> None:
    """Truncated, empty, HTML and NUL-filled files are left out before anything else and named with reasons."""
    paint(tmp_path, *(f"{name}/{n}.jpg" for name in "ab" for n in range(3)))
    whole = (tmp_path / "a" / "0.jpg").read_bytes()
    bad = {"cut": whole[: len(whole) // 2], "empty": b"", "html": b"<html>404</html>", "nul": bytes(4000)}
    for name, content in bad.items():
        (tmp_path / "a" / f"{name}.jpg").write_bytes(content)
    report = check(tmp_path)
    assert len(report.table) == 6
    assert [one.id for one in report.skipped] == ["a/cut.jpg", "a/empty.jpg", "a/html.jpg", "a/nul.jpg"]
    assert "truncated" in report.skipped[0].reason
    (note,) = report.notes
    assert all(f"a/{name}.jpg" in note for name in bad)


def test_pitfall_39_awkward_files_are_as_the_manifest_says(shared: Path, tmp_path: Path) -> None:
    """Of 87 awkward files what Pillow decodes is used, or is litter; the rest is listed with a reason, or counted."""
    with (shared / "hostile" / "MANIFEST.tsv").open(encoding="utf-8", newline="") as file:
        manifest = {
            row["file"]: row["can Pillow decode it"] == "yes"
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        }
    (tmp_path / "odd").symlink_to(shared / "hostile", target_is_directory=True)
    paint(tmp_path, "plain/1.png")
    report = check(tmp_path)
    used = {one.id.removeprefix("odd/") for one in report.table.pictures if one.label == 0}
    listed = {one.id.removeprefix("odd/") for one in report.skipped}
    litter = {name for name in manifest if name.startswith((".", "Thumbs", "desktop"))}
    other = {"vector.svg"}  # not the ending of a picture: counted
    assert len(manifest) == 87
    assert used == {name for name, decodes in manifest.items() if decodes} - litter
    assert listed == {name for name, decodes in manifest.items() if not decodes} - litter - other
    assert "Ignored files that are no pictures, 2: .svg 1, .tsv 1." in report.notes


def test_pitfall_40_webp_and_tiff_are_used_and_others_counted(tmp_path: Path) -> None:
    """No kind of picture is missing without a word."""
    paint(
        tmp_path, *(f"{name}/{n}.{kind}" for name in "ab" for n in range(3) for kind in ("jpg", "webp", "tif", "jfif"))
    )
    (tmp_path / "a" / "labels.csv").write_bytes(b"")
    report = check(tmp_path)
    assert len(report.table) == 24
    assert report.notes == ("Ignored files that are no pictures, 1: .csv 1.",)


@pytest.mark.parametrize("hidden", [".git", ".ipynb_checkpoints", "__MACOSX", "@eaDir"])
def test_pitfall_41_hidden_folders_are_no_classes(hidden: str, tmp_path: Path) -> None:
    """Folders of tools and systems are not taken for classes."""
    paint(tmp_path, "a/1.jpg", "b/1.jpg", f"{hidden}/x.jpg")
    assert source_folder.load(tmp_path).classes == ("a", "b")


def test_pitfall_42_checkpoints_inside_classes_are_skipped(tmp_path: Path) -> None:
    """Copies that Jupyter makes of every picture are not trained on, at any depth."""
    paint(tmp_path, *(f"{name}/sub/{n}.jpg" for name in "ab" for n in range(4)))
    clean = check(tmp_path)
    for path in sorted(tmp_path.rglob("*.jpg")):
        copy = path.parent / ".ipynb_checkpoints" / f"{path.stem}-checkpoint.jpg"
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(path, copy)
    assert check(tmp_path) == clean


def test_pitfall_43_an_archive_of_a_mac_is_as_the_clean_tree(tmp_path: Path) -> None:
    """AppleDouble files, `__MACOSX` and `.DS_Store` change nothing."""
    paint(tmp_path, "a/1.jpg", "b/1.jpg")
    clean = check(tmp_path)
    for name in (
        "a/._1.jpg",
        "b/.DS_Store",
        "__MACOSX/a/._1.jpg",
        "__MACOSX/b/2.jpg",
        "._a",
        "a/Thumbs.db",
        "desktop.ini",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"\0\5\x16\7Mac OS X")
    assert check(tmp_path) == clean


def test_pitfall_44_empty_classes_fall_away_with_a_word(tmp_path: Path) -> None:
    """Empty folders, folders of other files and classes of broken pictures only are no classes; labels have no gap."""
    paint(tmp_path, "a/1.jpg", "z/1.jpg")
    for name in ("c", "d", "m"):
        (tmp_path / name).mkdir()
    (tmp_path / "d" / "x.txt").write_bytes(b"x")
    (tmp_path / "m" / "broken.jpg").write_bytes(b"")
    report = check(tmp_path)
    assert report.table.classes == ("a", "z")
    assert [one.label for one in report.table.pictures] == [0, 1]
    assert "Class folders without pictures are left out: 'c', 'd'." in report.notes
    assert "Classes without a picture that can be read are left out: 'm'." in report.notes


def test_pitfall_45_and_46_wrong_folders_have_distinct_messages(tmp_path: Path) -> None:
    """One class, a flat folder and a missing one: three messages, each with the path and what was seen."""
    paint(tmp_path, "single/a/1.jpg", "single/a/2.jpg", *(f"flat/{n}.jpg" for n in range(3)))
    cases = {
        "single": "has pictures of one class only, 'a' (2 pictures); at least 2 are needed.",
        "flat": "has no sub-folders. Directly in it: 3 pictures.",
    }
    for name, message in cases.items():
        with pytest.raises(SourceError) as caught:
            source_folder.load(tmp_path / name)
        assert caught.value.message == f"{str(tmp_path / name)!r} {message}"
    with pytest.raises(SourceError) as caught:
        source_folder.load(tmp_path / "missing")
    assert caught.value.message == f"There is no folder {str(tmp_path / 'missing')!r}."


def test_pitfall_47_parts_are_no_classes(tmp_path: Path) -> None:
    """Divided data are read as such; parts without class folders are refused; a class may be called `train`."""
    paint(tmp_path, "ok/train/a/1.jpg", "ok/train/b/1.jpg", "ok/val/a/2.jpg", "ok/val/b/2.jpg")
    assert source_presplit.accepts(tmp_path / "ok")
    assert source_presplit.load(tmp_path / "ok").classes == ("a", "b")
    for other in ("val", "Valid", "TEST"):
        paint(tmp_path, f"{other} flat/train/a/1.jpg", f"{other} flat/{other}/1.jpg")
        with pytest.raises(SourceError, match="looks divided into parts"):
            source_folder.load(tmp_path / f"{other} flat")
    paint(tmp_path, "vehicles/bus/1.jpg", "vehicles/car/1.jpg", "vehicles/train/1.jpg")
    assert source_folder.load(tmp_path / "vehicles").classes == ("bus", "car", "train")


def test_pitfall_48_labels_are_by_code_point_and_carry_names(tmp_path: Path) -> None:
    """Folders 1, 2, 10 give the same class list from all sources, and each picture's label has its folder's name."""
    for name, level in (("1", 10), ("2", 120), ("10", 240)):
        paint(tmp_path / "flat", f"{name}/x.png", level=level)
        paint(tmp_path / "parts", f"train/{name}/x.png", f"val/{name}/y.png", level=level)
    flat, parts = source_folder.load(tmp_path / "flat"), source_presplit.load(tmp_path / "parts")
    assert flat.classes == parts.classes == ("1", "10", "2")
    for table in (flat, parts):
        assert all(table.classes[one.label] == Path(one.id).parent.name for one in table.pictures)


def test_pitfall_49_parts_are_joined_by_name(tmp_path: Path) -> None:
    """A part that lacks the first class still has the right labels."""
    paint(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "train/c/1.jpg", "val/c/1.jpg", "val/b/1.jpg")
    table = source_presplit.load(tmp_path)
    assert {one.id: one.label for one in table.pictures if one.part == "validation"} == {
        "val/b/1.jpg": 1,
        "val/c/1.jpg": 2,
    }


def test_pitfall_51_the_order_of_the_file_system_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With folders listed backwards: same classes, files, split and digests."""
    paint(tmp_path, *(f"{name}/{sub}{n}.jpg" for name in ("b", "a", "c") for sub in ("", "x/") for n in range(5)))
    before = check(tmp_path)
    real = os.scandir

    class Backwards:
        def __init__(self, path: Any) -> None:
            with real(path) as entries:
                self.entries = sorted(entries, key=lambda entry: entry.name, reverse=True)

        def __enter__(self) -> Any:
            return iter(self.entries)

        def __exit__(self, *_: object) -> None:
            """Nothing to close."""

    monkeypatch.setattr(os, "scandir", Backwards)
    after = check(tmp_path)
    assert after == before
    assert split(after) == split(before)


@pytest.mark.parametrize("label", [3, -1, 1.0, "1", None, True])
def test_pitfall_55_labels_outside_the_classes_are_refused(label: Any) -> None:
    """A source that gives a label that is no class gets one and the same error, before any backend sees it."""
    noise = np.random.default_rng(0).integers(0, 256, (3, 40, 40, 3)).astype(np.uint8)
    pictures = (*(Picture(f"{n}", n, pixels=noise[n]) for n in range(2)), Picture("odd", label, pixels=noise[2]))
    with pytest.raises(SourceError) as caught:
        scan(ImageTable("plugin", ("a", "b", "c"), pictures))
    assert caught.value.message == (
        f"'odd' of plugin has the label {label!r}; with 3 classes a label is a whole number from 0 to 2."
    )


def test_pitfall_55_labels_of_numpy_are_labels() -> None:
    """Whole numbers of numpy are as good as Python's, and become such."""
    noise = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 3)).astype(np.uint8)
    pictures = tuple(Picture(f"{n}", np.int64(n), pixels=noise[n]) for n in range(2))  # type: ignore[arg-type]
    report = scan(ImageTable("plugin", ("a", "b"), pictures))
    assert [type(one.label) for one in report.table.pictures] == [int, int]


def test_pitfall_56_names_in_all_scripts_are_read(tmp_path: Path) -> None:
    """Umlauts, Japanese, Cyrillic and decomposed Korean names are found, read and named in NFC."""
    korean = unicodedata.normalize("NFD", "정상")
    paint(tmp_path, "ä ö/файл №1.png", "日本語/[/] 100% #1.jpg", f"{korean}/{korean}.jpg")
    report = check(tmp_path)
    assert report.table.classes == ("ä ö", "日本語", "정상")
    assert len(report.table) == 3
    assert report.skipped == ()


def test_pitfall_57_links_are_followed_and_their_copies_found(tmp_path: Path) -> None:
    """A class that is a link to another is a contradiction; a dangling link is listed as bad."""
    paint(tmp_path, "a/1.jpg", "b/1.jpg")
    (tmp_path / "c").symlink_to(tmp_path / "b", target_is_directory=True)
    (tmp_path / "a" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    report = check(tmp_path)
    assert report.duplicates == report.conflicts == (("b/1.jpg", "c/1.jpg"),)
    assert [one.id for one in report.skipped] == ["a/gone.jpg"]
    assert any("a/gone.jpg (a link that leads nowhere)" in note for note in report.notes)


def test_pitfall_58_alike_class_names_are_pointed_out(tmp_path: Path) -> None:
    """Names that differ in case or blanks only are classes of their own, with a warning."""
    paint(tmp_path, "Cat/1.jpg", "cat/1.jpg", "c at/1.jpg", "dog/1.jpg")
    if len(list(tmp_path.iterdir())) == 3:
        pytest.skip("this file system does not tell case apart")
    table = source_folder.load(tmp_path)
    assert table.classes == ("Cat", "c at", "cat", "dog")
    assert table.notes == (
        "Class names that differ only in case or blanks: 'Cat', 'c at', 'cat'. Merge them if they mean one.",
    )
