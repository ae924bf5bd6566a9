"""Pixels of a side: equal bits wherever they come from, and one decoding for all that is wanted of a picture."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL
import pytest
from PIL import Image

from zoo import decoding, disk_entries
from zoo.dataset import prepare
from zoo.disk_cache import DiskCache
from zoo.errors import SourceError
from zoo.events import DataReady, Event, Note
from zoo.handover import Handover
from zoo.health import scan
from zoo.pixels import load_pixels
from zoo.side_pixels import pixels_key, side_pixels
from zoo.values import ImageTable, Picture

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zoo.registry import Catalog
    from zoo.values import HealthReport

MIB = 2**20
DRAW = np.random.default_rng(3)
RGBA = DRAW.integers(0, 256, (6, 23, 31, 4)).astype(np.uint8)


def table_of(folder: Path, arrays: Sequence[np.ndarray] = RGBA[:, :, :, :3]) -> ImageTable:
    """Pictures in two classes, the even ones as files and the odd ones as arrays (files where they have alpha)."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    for index, array in enumerate(arrays):
        path = folder / f"{index}.png"
        Image.fromarray(array).save(path)
        where: dict[str, Any] = {"pixels": array} if index % 2 and array.shape[2] == 3 else {"path": str(path)}
        pictures.append(Picture(f"{index}.png", index % 2, **where))
    return ImageTable(str(folder), ("a", "b"), tuple(pictures))


@pytest.fixture
def report(tmp_path: Path) -> HealthReport:
    """What the scan found in six pictures of noise."""
    return scan(table_of(tmp_path / "photos"))


@pytest.fixture
def cache(tmp_path: Path) -> DiskCache:
    """An empty cache."""
    return DiskCache(tmp_path / "cache", limit=10 * MIB)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each picture is decoded from now on."""
    seen: Counter[str] = Counter()
    real = decoding.attempt

    def spy(picture: Picture, channels: int | None = 3) -> object:
        seen[picture.id] += 1
        return real(picture, channels)

    monkeypatch.setattr(decoding, "attempt", spy)
    return seen


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_bits_are_those_that_are_decoded(tmp_path: Path, cache: DiskCache, channels: int) -> None:
    """Written, read again, and from another cache: the same array as `load_pixels` gives, in any order of rows."""
    found = scan(table_of(tmp_path / "alpha", RGBA if channels in {2, 4} else RGBA[:, :, :, :3]))
    rows = [4, 1, 0, 5]
    wanted = load_pixels(found.table, rows, size=17, channels=channels)
    keys = set()
    for each in (cache, cache, DiskCache(cache.folder, limit=0), None):
        pixels, key = side_pixels(found, rows, size=17, channels=channels, cache=each)
        assert pixels.tobytes() == wanted.tobytes()
        assert pixels.flags.writeable == (each is None)
        keys.add(key)
    assert len(keys) == 1


def test_what_is_in_the_cache_is_not_decoded(report: HealthReport, cache: DiskCache, decoded: Counter[str]) -> None:
    """The second time no file is opened: they may even be gone. Another size is decoded."""
    first, _ = side_pixels(report, range(6), size=17, cache=cache)
    assert set(decoded.values()) == {1}
    for picture in report.table.pictures:
        if picture.path:
            (type(cache.folder)(picture.path)).unlink()
    second, _ = side_pixels(report, range(6), size=17, cache=DiskCache(cache.folder, limit=MIB))
    assert np.array_equal(first, second)
    assert set(decoded.values()) == {1}
    with pytest.raises(SourceError, match=r"can no longer be read"):
        side_pixels(report, range(6), size=18, cache=cache)
    assert len(cache.entries()) == 1


def test_the_key_is_made_of_what_decides_the_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content, order, size, channels and Pillow change it; folders, names and labels do not."""
    report = scan(table_of(tmp_path / "a"))
    changed = RGBA[:, :, :, :3].copy()
    changed[2, 0, 0, 0] ^= 1
    other = scan(table_of(tmp_path / "b", changed))

    def key(found: HealthReport = report, rows: Sequence[int] = (0, 2, 3), size: int = 8, channels: int = 3) -> str:
        return pixels_key(found, rows, size=size, channels=channels)

    keys = {key(), key(rows=(0, 3, 2)), key(rows=(0, 2)), key(size=9), key(channels=1), key(other)}
    assert len(keys) == 6
    assert key(other, rows=(0, 1, 3)) == key(rows=(0, 1, 3))  # a picture that changed elsewhere is no matter
    assert key(scan(table_of(tmp_path / "c"))) == key()
    monkeypatch.setattr(PIL, "__version__", "0.0")
    assert key() not in keys


def test_alpha_is_part_of_the_key_where_it_is_seen(tmp_path: Path) -> None:
    """Pictures that are equal on white and differ in alpha have other pixels with 4 channels, and the same with 3."""
    clear = np.full((2, 9, 9, 4), 255, np.uint8)
    clear[1, :, :5] = 0
    hidden = clear.copy()
    hidden[:, 2, 2] = (255, 255, 255, 0)  # white on white
    one, other = scan(table_of(tmp_path / "a", clear)), scan(table_of(tmp_path / "b", hidden))
    for channels, same in ((3, True), (1, True), (4, False), (2, False)):
        keys = {pixels_key(found, (0, 1), size=9, channels=channels) for found in (one, other)}
        assert (len(keys) == 1) == same


@pytest.mark.parametrize("channels", [1, 3])
def test_a_file_that_changed_after_the_check_is_not_kept(
    report: HealthReport, cache: DiskCache, tmp_path: Path, channels: int
) -> None:
    """It is pointed out, its side has a key of its own every time, and nothing false stays in the cache."""
    Image.fromarray(RGBA[5, :, :, :3]).save(tmp_path / "photos" / "2.png")
    seen: list[Event] = []
    options: dict[str, Any] = {"size": 17, "channels": channels, "cache": cache}
    pixels, key = side_pixels(report, range(6), **options, observe=seen.append)
    assert np.array_equal(pixels[2], load_pixels(report.table, [5], size=17, channels=channels)[0])
    texts = [event.text for event in seen if isinstance(event, Note)]
    assert len(texts) == 1
    assert texts[0].startswith("2.png changed after the pictures were checked")
    assert cache.entries() == ()
    assert side_pixels(report, range(6), **options)[1] != key
    side_pixels(report, [0, 1, 3], **options)
    assert len(cache.entries()) == 1


def test_a_full_disk_costs_no_run(report: HealthReport, cache: DiskCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be kept the pixels are in memory, and equal."""
    monkeypatch.setattr(disk_entries, "publish", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    pixels, _ = side_pixels(report, range(6), size=17, cache=cache)
    assert np.array_equal(pixels, load_pixels(report.table, range(6), size=17))
    assert pixels.flags.writeable
    assert list(cache.folder.iterdir()) == []


def test_one_decoding_for_all_sizes(photos: Path, catalog: Catalog, decoded: Counter[str], tmp_path: Path) -> None:
    """The check hands over thumbnails and pictures in the sizes that are expected; a later call decodes nothing.

    A size that nobody expected at the check is decoded once, for all that are then expected.
    """
    cache = DiskCache(tmp_path / "cache", limit=10 * MIB)
    first = prepare(photos, catalog, cache=cache, sizes=[20, 24])
    first.expect([20, 24])
    first.baselines()
    first.gather()
    assert len(decoded) == 48
    assert set(decoded.values()) == {1}
    for size in (16, 20, 24):
        wanted = load_pixels(first.report.table, first.indices("train"), size=size)
        assert first.side("train", size).pixels.tobytes() == wanted.tobytes()
    decoded.clear()
    again = type(first)(
        first.report, first.split, cache=DiskCache(cache.folder, limit=MIB), ready=Handover([], limit=MIB)
    )
    again.expect([20, 24])
    again.baselines()
    again.gather()
    assert not decoded
    again.expect([20, 30, 31])
    again.gather()
    assert len(decoded) == len(first.split.train) + len(first.split.validation)
    assert set(decoded.values()) == {1}
    wanted = load_pixels(first.report.table, first.indices("validation"), size=31)
    assert np.array_equal(again.side("validation", 31).pixels, wanted)


def test_what_is_kept_already_is_not_resized_again(photos: Path, catalog: Catalog, tmp_path: Path) -> None:
    """Who decodes for one size hands over the others that are expected, but for those that the cache has."""
    dataset = prepare(photos, catalog, cache=DiskCache(tmp_path / "cache", limit=10 * MIB))
    dataset.side("train", 20)
    dataset.expect([20, 30, 31])
    dataset._sides.clear()
    dataset.side("train", 30)
    assert dataset.ready is not None
    held = {size for size in (20, 30, 31) if dataset.ready.take(dataset.ids("train")[0], size) is not None}
    assert held == {31}


def test_nothing_of_the_test_part_is_left_when_the_split_is_told(photos: Path, catalog: Catalog) -> None:
    """What the check resized of test pictures is gone before anybody hears of the split, and is never kept."""
    held: list[Any] = []
    made: list[Handover] = []
    real = Handover.__init__

    def remember(self: Handover, *args: Any, **options: Any) -> None:
        made.append(self)
        real(self, *args, **options)

    def watch(event: Event) -> None:
        if isinstance(event, DataReady):
            held.extend(name for name, _ in made[0]._pictures)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Handover, "__init__", remember)
        dataset = prepare(photos, catalog, sizes=[20], observe=watch)
    assert len(dataset.split.test) > 3
    assert set(held) == {*dataset.ids("train"), *dataset.ids("validation")}


def test_pictures_meant_for_the_test_part_are_not_even_resized() -> None:
    """Where the data come split, the check knows, and offers nothing of them."""
    parts = ("train", "train", "test", "validation", "test", "train")
    pictures = [Picture(f"{i}", i % 2, pixels=RGBA[i, :, :, :3], part=parts[i]) for i in range(6)]  # type: ignore[arg-type]
    ready = Handover([8], limit=MIB)
    scan(ImageTable("there", ("a", "b"), tuple(pictures)), ready=ready)
    assert [ready.take(str(i), 8) is None for i in range(6)] == [False, False, True, False, True, False]


def test_a_handover_holds_no_more_than_its_limit() -> None:
    """The smallest sizes go first; what is taken makes room; another array than RGB is not held."""
    ready = Handover([8, 4], limit=3 * (64 + 16 + 16))
    for name in "abc":
        ready.offer(name, RGBA[0, :, :, :3])
    assert ready.held == 3 * (64 + 16 + 16)
    assert [ready.take(name, 8) is not None for name in "abc"] == [True, False, False]
    taken = ready.take("b", 4)
    assert taken is not None
    assert np.array_equal(taken, decoding.resize(RGBA[0, :, :, :3], 4))
    assert ready.take("b", 4) is None
    ready.offer("d", RGBA[0], sizes=[4])
    assert ready.take("d", 4) is None
    ready.drop(["a"])
    assert ready.held == 0
    ready.offer("e", RGBA[1, :, :, :3], sizes=[4])
    assert ready.held == 48
    ready.drop()
    assert (ready.held, ready.take("e", 4)) == (0, None)


def test_a_picture_that_has_the_size_already_is_not_kept_by_reference() -> None:
    """An array of a source is copied: who changes it later changes nothing that was handed over."""
    ready, array = Handover([8], limit=MIB), np.zeros((8, 8, 3), np.uint8)
    ready.offer("a", array)
    array[:] = 9
    taken = ready.take("a", 8)
    assert taken is not None
    assert not taken.any()
