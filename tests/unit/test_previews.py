"""Contact sheets of augmentations."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from zoo import contact_sheet, previews
from zoo.augmenting import Augmenter
from zoo.contact_sheet import Cell, draw_sheet
from zoo.contracts import Augmentation
from zoo.errors import ContractError, SourceError, TrainingError, UnknownNameError, UsageError
from zoo.hookspecs import hookimpl
from zoo.plugins import load_catalog
from zoo.previews import preview, save_preview

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.registry import Catalog

Rows = list[list[Cell]]


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> Rows:
    """The cells of the last sheet that was drawn."""
    kept: Rows = []

    def draw(title: str, rows: Any) -> Image.Image:
        kept[:] = rows
        return draw_sheet(title, rows)

    monkeypatch.setattr(previews, "draw_sheet", draw)
    return kept


def test_rows_are_pictures_of_all_classes_and_columns_their_versions(
    photos: Path, catalog: Catalog, rows: Rows
) -> None:
    """The original comes first, with its class and id; classes take turns; the sheet holds every cell."""
    sheet = preview("light", photos, count=4, versions=3, size=32, catalog=catalog)
    assert [row[0].lines[0] for row in rows] == ["dark", "light", "dark", "light"]
    assert [len(row) for row in rows] == [4, 4, 4, 4]
    for row in rows:
        file = photos / row[0].lines[1]
        np.testing.assert_array_equal(row[0].pixels, np.asarray(Image.open(file).resize((32, 32), 2)))
        assert len({cell.pixels.tobytes() for cell in row}) == 4
        assert {cell.lines for cell in row[1:]} == {()}
    assert sheet.mode == "RGB"
    assert sheet.width == 8 + 4 * (32 + 8)
    found = np.asarray(sheet)[31:63, 8:40]
    np.testing.assert_array_equal(found, rows[0][0].pixels)


def test_versions_are_what_training_would_see(photos: Path, catalog: Catalog, rows: Rows) -> None:
    """The first version is the augmentation's first batch, the second its second, with the layers of that seed."""
    preview("strong", photos, count=8, versions=2, size=32, seed=3, catalog=catalog)
    pixels = np.stack([row[0].pixels for row in rows])
    augment = Augmenter(tuple(catalog.augmentation("strong").build(32, 3)))
    for column in (1, 2):
        batch, _ = augment(pixels, np.eye(8))
        np.testing.assert_array_equal(np.stack([row[column].pixels for row in rows]), np.rint(batch))


@pytest.mark.parametrize("name", ["mixup:alpha=1.0,base=none", "cutmix:base=none"])
def test_mixed_labels_stand_under_their_pictures(photos: Path, catalog: Catalog, rows: Rows, name: str) -> None:
    """Class names with shares that sum to 1, the largest first; in truth mixed, not all one class."""
    preview(name, photos, count=8, versions=4, size=32, catalog=catalog)
    lines = [cell.lines for row in rows for cell in row[1:]]
    assert {len(text) for text in lines} == {1, 2}
    for text in lines:
        shares = [float(re.fullmatch(r"(\d\.\d\d) (dark|light)", line)[1]) for line in text]  # type: ignore[index]
        assert sum(shares) == pytest.approx(1, abs=0.011)
        assert shares == sorted(shares, reverse=True)


def test_one_picture_is_mixed_with_others_that_are_not_shown(photos: Path, catalog: Catalog, rows: Rows) -> None:
    """A sheet of one row still shows mixtures."""
    preview("cutmix:base=none", photos, count=1, versions=10, size=32, catalog=catalog)
    assert len(rows) == 1
    assert len({cell.pixels.tobytes() for cell in rows[0]}) > 3


def test_the_seed_decides_all(photos: Path, catalog: Catalog) -> None:
    """Equal seeds give equal sheets, whatever was drawn before; another gives other pictures."""

    def drawn(seed: int) -> bytes:
        return preview("light", photos, count=3, versions=2, size=32, seed=seed, catalog=catalog).tobytes()

    first = drawn(0)
    np.random.default_rng().normal()
    assert drawn(0) == first
    assert drawn(1) != first


def test_unreadable_pictures_are_passed_over(photos: Path, catalog: Catalog, rows: Rows) -> None:
    """With one sound picture in a class, that one is shown; with none at all, the reason is said."""
    for path in sorted((photos / "dark").iterdir())[1:]:
        path.write_bytes(b"no picture")
    preview("light", photos, count=4, versions=1, size=32, catalog=catalog)
    assert [row[0].lines[1] for row in rows].count("dark/00.png") == 1
    assert [row[0].lines[0] for row in rows] == ["dark", "light", "light", "light"]
    for path in photos.glob("*/*.png"):
        path.write_bytes(b"no picture")
    with pytest.raises(SourceError, match=r"No picture of .* can be read: (dark|light)/\d\d\.png: "):
        preview("light", photos, catalog=catalog)


@pytest.mark.parametrize(
    "wrong", [{"count": 0}, {"versions": 21}, {"size": 8}, {"seed": -1}, {"count": True}, {"size": 32.0}]
)
def test_numbers_out_of_range_are_refused(photos: Path, catalog: Catalog, wrong: dict[str, Any]) -> None:
    """The name, the range and the value are said."""
    (name, value), *_ = wrong.items()
    with pytest.raises(UsageError, match=rf"{name} must be a whole number from \d+ to \d+, not {value!r}"):
        preview("light", photos, catalog=catalog, **wrong)


def test_unknown_names_and_data_are_refused(photos: Path, tmp_path: Path, catalog: Catalog) -> None:
    """Near matches for the augmentation; the path for the data."""
    with pytest.raises(UnknownNameError) as caught:
        preview("lihgt", photos, catalog=catalog)
    assert "light" in caught.value.hint
    with pytest.raises(SourceError, match="nowhere"):
        preview("light", tmp_path / "nowhere", catalog=catalog)


class BrokenPlugin:
    """An augmentation that fails, and one that changes the shape."""

    @staticmethod
    @hookimpl
    def zoo_augmentations() -> list[Augmentation]:
        """Both."""

        def build(size: int, seed: int) -> tuple[Any, ...]:
            raise RuntimeError(f"no layers for {size} and {seed}\nsecond line")

        def crop(size: int, seed: int) -> tuple[Any, ...]:
            import keras

            return (keras.layers.RandomCrop(size // 2, size // 2, seed=seed),)

        broken = Augmentation(name="broken", title="fails", build=build)
        return [broken, dataclasses.replace(broken, name="crop", build=crop)]


def test_an_augmentation_that_fails_is_named(photos: Path) -> None:
    """Its error in one line, no traceback; a shape that changes is told as in training."""
    catalog = load_catalog(only=[], extra=[BrokenPlugin])
    with pytest.raises(ContractError, match="'broken' failed: RuntimeError: no layers for 32 and 0") as caught:
        preview("broken", photos, size=32, catalog=catalog)
    assert "second line" not in caught.value.message
    with pytest.raises(TrainingError, match="turned pictures of shape"):
        preview("crop", photos, size=32, catalog=catalog)


def test_a_sheet_is_written_as_png_or_the_reason_is_said(tmp_path: Path) -> None:
    """Wrong ending, missing folder, a folder of that name, and a place that may not be written."""
    sheet = Image.new("RGB", (4, 4))
    save_preview(sheet, tmp_path / "a.PNG")
    with Image.open(tmp_path / "a.PNG") as written:
        assert (written.format, written.size) == ("PNG", (4, 4))
    (tmp_path / "b.png").mkdir()
    for name, words in (("a.jpg", "does not end in .png"), ("no/a.png", "no folder"), ("b.png", "is a folder")):
        with pytest.raises(UsageError, match=words):
            save_preview(sheet, tmp_path / name)
    with pytest.raises(UsageError, match="cannot be written"):
        save_preview(sheet, tmp_path / f"{'x' * 300}.png")


def test_texts_on_a_sheet_are_plain_and_cut_to_their_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Markup stays as it is, control characters become escapes, long names end in an ellipsis."""
    written: list[str] = []
    text = contact_sheet.ImageDraw.ImageDraw.text
    monkeypatch.setattr(
        contact_sheet.ImageDraw.ImageDraw, "text", lambda self, at, t, **k: (written.append(t), text(self, at, t, **k))
    )
    cell = Cell(np.zeros((160, 160, 3), np.uint8), ("[red]a[/]", "a\x1b[2J", "word " * 30, "日本 é"))
    sheet = draw_sheet("title", [[cell], [dataclasses.replace(cell, lines=())]])
    assert written[:3] == ["title", "[red]a[/]", "a\\x1b[2J"]
    assert written[3].startswith("word word")
    assert written[3].endswith("…")
    assert written[4] == "日本 é"
    assert sheet.size == (176, 31 + 168 + 60 + 168)


def test_pictures_without_three_channels_are_shown_in_grey() -> None:
    """The first channel, as it is."""
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 5), dtype=np.uint8)
    found = np.asarray(draw_sheet("", [[Cell(pixels)]]))[31:47, 8:24]
    for channel in range(3):
        np.testing.assert_array_equal(found[..., channel], pixels[..., 0])
