"""Arrays of pixels: order, equality of all ways to them, memory, and what prediction accepts."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from zoo import memory
from zoo.errors import SourceError
from zoo.events import Event, Note, Progress
from zoo.memory import default_limit
from zoo.pixels import list_pictures, load_pixels, prepare, thumbnails
from zoo.values import ImageTable, Picture

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(5)
NOISE = RNG.integers(0, 256, (6, 33, 47, 3)).astype(np.uint8)


@pytest.fixture
def table(tmp_path: Path) -> ImageTable:
    """Six pictures of noise, the even ones as files and the odd ones as arrays."""
    pictures = []
    for index, array in enumerate(NOISE):
        path = tmp_path / "data" / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(array).save(path)
        files = {"path": str(path)} if index % 2 == 0 else {"pixels": array}
        pictures.append(Picture(f"{index}.png", index % 2, **files))  # type: ignore[arg-type]
    return ImageTable("somewhere", ("a", "b"), tuple(pictures))


def test_rows_follow_the_indices(table: ImageTable) -> None:
    """Rows come in the order asked for, repeated ones too, as uint8 squares."""
    rows = load_pixels(table, [4, 1, 4, 0], size=20)
    assert (rows.shape, rows.dtype) == ((4, 20, 20, 3), np.uint8)
    assert np.array_equal(rows, load_pixels(table, range(6), size=20)[[4, 1, 4, 0]])


def test_no_pictures_are_no_rows(table: ImageTable) -> None:
    """An empty side is an empty array of the right shape."""
    assert load_pixels(table, [], size=20).shape == (0, 20, 20, 3)


def test_progress_is_told(table: ImageTable) -> None:
    """Progress of `reading pictures` ends at the number of pictures."""
    seen: list[Event] = []
    load_pixels(table, range(6), size=8, observe=seen.append)
    assert seen[-1] == Progress("reading pictures", 6, 6)


def test_a_file_that_vanished_is_named(table: ImageTable, tmp_path: Path) -> None:
    """A file that is gone since the scan is named with the reason, and so is the first one in order."""
    (tmp_path / "data" / "2.png").unlink()
    (tmp_path / "data" / "4.png").write_bytes(b"")
    with pytest.raises(SourceError, match=r"^2\.png of somewhere can no longer be read: no such file or directory\.\n"):
        load_pixels(table, range(6), size=8)
    with pytest.raises(SourceError, match=r"^4\.png of somewhere can no longer be read: the file is empty\.\n"):
        load_pixels(table, [0, 4], size=8)


def test_above_the_limit_a_file_is_used_and_leaves_nothing(table: ImageTable, tmp_path: Path) -> None:
    """One byte above the limit the array is a memory map with the same values, and no file stays in the folder."""
    need, folder, seen = 6 * 20 * 20 * 3, tmp_path / "cache", list[Event]()
    inside = load_pixels(table, range(6), size=20, limit_bytes=need, directory=folder, observe=seen.append)
    assert not isinstance(inside, np.memmap)
    assert not any(isinstance(event, Note) for event in seen)
    mapped = load_pixels(table, range(6), size=20, limit_bytes=need - 1, directory=folder, observe=seen.append)
    assert isinstance(mapped, np.memmap)
    assert np.array_equal(mapped, inside)
    assert list(folder.iterdir()) == []
    notes = [event.text for event in seen if isinstance(event, Note)]
    told = "6 pictures of 20 × 20 pixels take 0.0 MiB, more than the 0.0 MiB that may be held in memory: they are kept"
    assert notes == [f"{told} in a temporary file in {folder}."]


def test_full_disk_is_an_error_before_anything_is_read(
    table: ImageTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too little room on the disk is said at once, not by a crash in the middle."""

    class Usage:
        free = 2 * 2**20

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage)
    table = ImageTable(table.location, table.classes, table.pictures * 300)
    with pytest.raises(SourceError, match=r"2\.1 MiB for pixels cannot be written to .*: only 2\.0 MiB are free there"):
        load_pixels(table, range(1800), size=20, limit_bytes=10, directory=tmp_path)


def test_default_limit_is_a_share_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of the memory, but never more than 4 GiB."""
    monkeypatch.setattr(memory, "_memory", lambda: 8 * 2**30)
    assert default_limit() == 2 * 2**30
    monkeypatch.setattr(memory, "_memory", lambda: 512 * 2**30)
    assert default_limit() == 4 * 2**30


def test_real_memory_is_found() -> None:
    """The memory of this machine is a sensible number."""
    assert 2**28 < memory._memory() < 2**50


@pytest.mark.parametrize("size", [0, -3, 2.5, True, "64"])
def test_sizes_are_checked(size: Any, table: ImageTable) -> None:
    """A side that is no whole number above 0 is refused."""
    with pytest.raises(SourceError, match=r"Pictures cannot be .* pixels wide"):
        load_pixels(table, [0], size=size)


@pytest.mark.parametrize("convert", [np.float32, np.float64, np.int64, np.uint16, lambda a: a.tolist()])
def test_number_types_make_no_difference(convert: Any) -> None:
    """The same 0–255 values in any number type give the same picture."""
    assert np.array_equal(prepare(convert(NOISE[0]), size=16), prepare(NOISE[0], size=16))


def test_channels_are_completed() -> None:
    """Grey becomes RGB, alpha is laid on white, a Pillow image is taken as it is."""
    grey = NOISE[0, :, :, 0]
    assert np.array_equal(prepare(grey, size=9), prepare(np.repeat(grey[:, :, None], 3, 2), size=9))
    assert np.array_equal(prepare(grey[:, :, None], size=9), prepare(grey, size=9))
    clear = np.concatenate([NOISE[0], np.zeros((33, 47, 1), np.uint8)], axis=2)
    assert prepare(clear, size=9).min() == 255
    assert np.array_equal(prepare(Image.fromarray(NOISE[0]), size=9), prepare(NOISE[0], size=9))


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (NOISE[0] / 255, "looks already divided by 255"),
        (NOISE[0] / 127.5 - 1, "holds values from -1 to 1"),
        (NOISE[0].astype(np.uint16) * 257, "holds values from 0 to 65535"),
        (np.full((4, 4, 3), np.nan), "holds values from nan to nan"),
        (NOISE, r"shape \(6, 33, 47, 3\) is not one picture"),
        (np.zeros((3, 40, 40)), r"shape \(3, 40, 40\) is not one picture"),
        (np.zeros((0, 4, 3)), r"shape \(0, 4, 3\) is not one picture"),
        (NOISE[0] > 9, "A ndarray of bool values is not a picture"),
        ([[1, 2], [3]], "A list is not a picture"),
        (None, "A NoneType of object values is not a picture"),
        ("nowhere/x.png", "nowhere/x.png cannot be used: no such file or directory"),
    ],
)
def test_what_is_no_picture_is_refused(item: Any, message: str) -> None:
    """Wrong ranges, shapes and types have a message each."""
    with pytest.raises(SourceError, match=message):
        prepare(item, size=16)


def test_black_floats_are_a_picture() -> None:
    """A black picture is black, whatever it was divided by."""
    assert prepare(np.zeros((5, 5, 3), np.float32), size=4).max() == 0


@pytest.mark.parametrize("side", [16, 64, 40, 100, 7])
def test_thumbnails_are_area_averages(side: int) -> None:
    """Each value is the mean of its field, whether or not fields fall on whole pixels."""
    noise = RNG.integers(0, 256, (3, side, side, 3)).astype(np.uint8)
    small = thumbnails(noise)
    assert (small.shape, small.dtype) == ((3, 768), np.float32)
    fine = noise.repeat(16, axis=1).repeat(16, axis=2)  # 16 · side divides by 16
    means = fine.reshape(3, 16, side, 16, side, 3).mean(axis=(2, 4)).reshape(3, -1)
    assert np.abs(small - means).max() < 0.02


def test_pictures_of_a_folder_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All depths, sorted, without litter and other files; the present folder too."""
    for name in ("b.jpg", "a/x.PNG", "a/.hidden.png", "notes.txt", "._b.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert list_pictures(tmp_path) == (tmp_path / "a" / "x.PNG", tmp_path / "b.jpg")
    monkeypatch.chdir(tmp_path)
    assert [path.name for path in list_pictures(type(tmp_path)())] == ["x.PNG", "b.jpg"]
