"""The scan of all files: what it keeps, what it leaves out, what it says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from zoo.errors import SourceError
from zoo.events import Event, Progress
from zoo.health import scan
from zoo.values import ImageTable, Picture, Skipped

if TYPE_CHECKING:
    from pathlib import Path


def noise(seed: int, *, height: int = 40, width: int = 50) -> Any:
    """A picture of noise."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def table(*rows: tuple[str, int, Any], classes: tuple[str, ...] = ("a", "b"), **more: Any) -> ImageTable:
    """A table of id, label and array or path."""
    pictures = tuple(
        Picture(name, label, path=str(value))
        if not isinstance(value, np.ndarray)
        else Picture(name, label, pixels=value)
        for name, label, value in rows
    )
    return ImageTable("here", classes, pictures, **more)


@pytest.fixture
def sound() -> ImageTable:
    """Four different pictures of two classes."""
    return table(("a/1", 0, noise(1)), ("a/2", 0, noise(2)), ("b/1", 1, noise(3)), ("b/2", 1, noise(4)))


def test_sound_pictures_pass_without_a_word(sound: ImageTable) -> None:
    """Nothing is left out, nothing is said, and each picture has its own fingerprint."""
    report = scan(sound)
    assert report.table == sound
    assert (report.skipped, report.duplicates, report.conflicts, report.notes) == ((), (), (), ())
    assert len(set(report.fingerprints)) == 4
    assert all(len(mark) == 64 for mark in (*report.fingerprints, report.digest))


def test_order_does_not_matter(sound: ImageTable) -> None:
    """A table in another order gives the same report, sorted by id."""
    assert scan(replace(sound, pictures=sound.pictures[::-1])) == scan(sound)


def test_workers_do_not_matter(sound: ImageTable) -> None:
    """One thread and many find the same."""
    assert scan(sound, workers=1) == scan(sound, workers=7)


def test_progress_is_told(sound: ImageTable) -> None:
    """Progress of `checking pictures` ends at the number of pictures."""
    seen: list[Event] = []
    scan(sound, observe=seen.append)
    assert seen[-1] == Progress("checking pictures", 4, 4)


def test_fingerprints_are_of_shape_and_pixels(tmp_path: Path) -> None:
    """The same pixels in another file format are the same; the same bytes in another shape are not."""
    image = noise(1, height=20, width=30)
    Image.fromarray(image).save(tmp_path / "x.png")
    Image.fromarray(image).save(tmp_path / "x.bmp")
    rows = (("a", 0, tmp_path / "x.png"), ("b", 0, tmp_path / "x.bmp"), ("c", 0, image.reshape(30, 20, 3)))
    prints = scan(table(*rows, ("d", 1, noise(9)))).fingerprints
    assert prints[0] == prints[1] != prints[2]


def test_broken_files_are_left_out_and_named(sound: ImageTable, tmp_path: Path) -> None:
    """Broken files go to `skipped` with reasons, beside those of the source; a note names five of them."""
    broken = [Picture(f"b/x{index}", 1, path=str(tmp_path / "none.png")) for index in range(6)]
    source = Skipped("a/0", "a link that leads nowhere")
    report = scan(replace(sound, pictures=(*broken, *sound.pictures), skipped=(source,), notes=("hello",)))
    assert report.table.pictures == sound.pictures
    assert [one.id for one in report.skipped] == ["a/0", *(f"b/x{index}" for index in range(6))]
    assert report.notes == (
        "hello",
        "Files that could not be read and are left out, 7: a/0 (a link that leads nowhere); "
        + "; ".join(f"b/x{index} (no such file or directory)" for index in range(4))
        + "; and 2 more.",
    )


def test_classes_without_pictures_fall_away() -> None:
    """Labels are numbered anew where a class in the middle has no picture that can be read."""
    rows = (("a", 0, noise(1)), ("b", 1, noise(2)[:0]), ("c", 2, noise(3)))
    report = scan(table(*rows, classes=("x", "y", "z")))
    assert report.table.classes == ("x", "z")
    assert [picture.label for picture in report.table.pictures] == [0, 1]
    assert report.notes[-1] == "Classes without a picture that can be read are left out: 'y'."


def test_one_class_is_not_enough(tmp_path: Path) -> None:
    """With one class left, or none, the error says what was broken."""
    rows = (("a", 0, noise(1)), ("b", 1, tmp_path / "none.png"))
    with pytest.raises(SourceError, match=r"^here has pictures of one class only, 'a', that can be read; at least 2 "):
        scan(table(*rows))
    with pytest.raises(
        SourceError, match=r"^here has no pictures that can be read; .* b \(no such file or directory\)\."
    ):
        scan(table(rows[1]))


def test_copies_and_contradictions_are_found() -> None:
    """Identical pixels make a group; with different labels they are a conflict too."""
    twin, rival = noise(1), noise(2)
    rows = [
        ("a/1", 0, twin),
        ("a/2", 0, twin.copy()),
        ("a/3", 0, rival),
        ("b/1", 1, rival.copy()),
        ("b/2", 1, noise(3)),
    ]
    report = scan(table(*rows))
    assert report.duplicates == (("a/1", "a/2"), ("a/3", "b/1"))
    assert report.conflicts == (("a/3", "b/1"),)
    copies, rivals = report.notes
    assert copies.startswith(
        "Groups of files with identical pixels, 2 (4 files); each is kept on one side of the split:"
    )
    assert copies.endswith(": a/1 = a/2; a/3 = b/1.")
    assert rivals.startswith(
        "Identical pictures with different labels, 1; no model can get all of them right: a/3 = b/1."
    )


def scene(seed: int, side: int = 120) -> Any:
    """Soft shapes; a smaller one of the same seed looks the same."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))


def test_look_alikes_with_different_labels_are_pointed_out() -> None:
    """A smaller copy under another label: the group is told, and that one label may be wrong."""
    rows = [("a/1", 0, scene(1)), ("a/2", 0, scene(2)), ("b/1", 1, scene(1, 64)), ("b/2", 1, scene(3))]
    report = scan(table(*rows))
    assert report.look_alikes == (("a/1", "b/1"),)
    alike, mixed = report.notes
    assert alike.startswith("Groups of pictures that look the same, as if resized or encoded again, 1 (2 pictures)")
    assert mixed == (
        "Pictures that look the same with different labels, 1: a/1 ~ b/1. Look at them: one label may be wrong."
    )


def test_pictures_of_one_kind_are_not_called_copies() -> None:
    """Twelve versions of one form with a dot each: they are told as uniform and belong to no group."""

    def form(number: int) -> Any:
        pixels = scene(5).copy()
        pixels[10 * number : 10 * number + 2, 3:5] = 255
        return pixels

    report = scan(table(*((f"{'ab'[n % 2]}/{n:02}", n % 2, form(n)) for n in range(12))))
    assert report.look_alikes == ()
    (note,) = report.notes
    assert note.startswith("Pictures so much of one kind that copies cannot be told from others, 12: a/00 ~ ")
    assert "… (12)" in note


def test_empty_looking_and_tiny_pictures_are_pointed_out() -> None:
    """Pictures of one colour, and those with a side of less than 32 pixels, have a note each."""
    flat = np.full((40, 40, 3), 7, np.uint8)
    nearly = flat.copy()
    nearly[3, 3] = 8
    rows = [("a", 0, flat), ("b", 1, nearly), ("c", 1, noise(1, height=31, width=90))]
    assert scan(table(*rows)).notes == (
        "Pictures of one colour all over, 1: a.",
        "Pictures with a side of less than 32 pixels, 1: c (90×31).",
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "a/2"}, "here names more than one picture 'a/2'; each needs its own name"),
        ({"part": "dev"}, "'a/1' of here is meant for 'dev'; the sides of a split are train, validation, test"),
    ],
)
def test_faulty_tables_are_refused(change: dict[str, Any], message: str, sound: ImageTable) -> None:
    """Ids that occur twice and parts that do not exist are errors of the source."""
    with pytest.raises(SourceError, match=message):
        scan(replace(sound, pictures=(replace(sound.pictures[0], **change), *sound.pictures[1:])))


def test_class_names_must_differ(sound: ImageTable) -> None:
    """Two classes of one name cannot be told apart in any result."""
    with pytest.raises(SourceError, match="here names more than one class 'a'"):
        scan(replace(sound, classes=("a", "a")))


def test_the_digest_names_the_data_set(sound: ImageTable) -> None:
    """Any change of a pixel, a label, an id or a class name changes the digest; the location does not."""
    changed = sound.pictures[0]
    others = [
        replace(sound, pictures=(replace(changed, pixels=noise(77)), *sound.pictures[1:])),
        replace(sound, pictures=(replace(changed, label=1), *sound.pictures[1:])),
        replace(sound, pictures=(replace(changed, id="a/0"), *sound.pictures[1:])),
        replace(sound, classes=("a", "c")),
    ]
    digests = {scan(one).digest for one in (sound, *others)}
    assert len(digests) == 5
    assert scan(replace(sound, location="elsewhere")).digest == scan(sound).digest


def test_names_that_are_no_text_have_a_digest(sound: ImageTable) -> None:
    """File names with undecodable bytes, control characters and emoji are fine."""
    names = ["a/\udcff", "a/\n\x1b[31m", "b/🚗", "b/[/]"]
    pictures = tuple(replace(one, id=name) for one, name in zip(sound.pictures, names, strict=True))
    assert len(scan(replace(sound, pictures=pictures)).digest) == 64
