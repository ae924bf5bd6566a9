"""Trivial cues: what tells the class without a look at what a picture shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from zoo import cues
from zoo.values import Picture

if TYPE_CHECKING:
    from pathlib import Path

LABELS = np.arange(80) % 2


def files(
    folder: Path, *, formats: tuple[str, str] = ("png", "png"), sizes: tuple[int, int] = (32, 32)
) -> list[Picture]:
    """Eighty files of noise in a format and size for each class."""
    draw = np.random.default_rng(0)
    made = []
    for index, label in enumerate(LABELS.tolist()):
        path = folder / f"{index}.{formats[label]}"
        pixels = draw.integers(0, 256, (32, sizes[label], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        made.append(Picture(id=path.name, label=label, path=str(path)))
    return made


def noise(*, lighter: int = 0) -> np.ndarray:
    """Eighty decoded pictures, those of class 1 lighter."""
    pixels = np.random.default_rng(1).integers(20, 200, (80, 32, 32, 3))
    return (pixels + lighter * LABELS[:, None, None, None]).astype(np.uint8)


def reached(pictures: list[Picture], pixels: np.ndarray) -> dict[str, float]:
    """Accuracies on the last twenty pictures."""
    found = cues.cues_of((pictures[:60], pixels, np.arange(60)), (pictures[60:], pixels, np.arange(60, 80)))
    return cues.reached(found, LABELS[:60], LABELS[60:], classes=2)


def test_formats_that_go_with_classes_are_seen(tmp_path: Path) -> None:
    """PNG against JPEG tells all; the noise itself tells nothing."""
    found = reached(files(tmp_path, formats=("png", "jpg")), noise())
    assert found["file format"] == 1.0
    assert found["all of them"] >= 0.95
    assert found["border"] < 0.85
    assert found["brightness and colour"] < 0.85


def test_sizes_that_go_with_classes_are_seen(tmp_path: Path) -> None:
    """Wide against square."""
    found = reached(files(tmp_path, sizes=(32, 48)), noise())
    assert found["picture size"] == 1.0
    assert found["file format"] < 0.85


def test_brightness_of_arrays_is_seen() -> None:
    """Pictures without files have no format; lighter ones are told by colour and border."""
    pictures = [Picture(id=str(index), label=0, pixels=pixels) for index, pixels in enumerate(noise())]
    found = reached(pictures, noise(lighter=40))
    assert set(found) == {"brightness and colour", "border", "all of them"}
    assert found["brightness and colour"] == 1.0


def test_without_a_cue_nothing_is_reached(tmp_path: Path) -> None:
    """Equal files and noise: about what guessing reaches."""
    assert max(reached(files(tmp_path), noise()).values()) < 0.85


def test_a_file_that_is_gone_costs_its_cues_only(tmp_path: Path) -> None:
    """Where one header cannot be read any more, files are not compared; pixels are."""
    pictures = files(tmp_path)
    (tmp_path / "3.png").unlink()
    found = reached(pictures, noise())
    assert "file format" not in found
    assert "border" in found


def test_figures_made_by_chunks_are_those_of_all_at_once() -> None:
    """Tones and borders of rows in more than one chunk, to the last bit."""
    pixels, rows = np.concatenate([noise(), noise(lighter=9)]), np.arange(1, 160, 2)
    for figures in (cues._tones, cues._border):
        assert np.array_equal(cues._by_chunks(figures, pixels, rows), figures(pixels[rows]))


def test_tones_and_borders_are_means_and_deviations() -> None:
    """Computed in whole numbers, they are what floating-point numbers give, for any number of channels."""
    draw = np.random.default_rng(2)
    for channels in (1, 2, 3, 4):
        pixels = draw.integers(0, 256, (70, 21, 21, channels), dtype=np.uint8)
        pixels[0] = 255
        some = pixels[:, ::4, ::4].astype(np.float64)
        rim = np.concatenate([pixels[:, 0], pixels[:, -1], pixels[:, :, 0], pixels[:, :, -1]], axis=1).astype(float)
        wanted = np.column_stack([some.mean(axis=(1, 2)), some.std(axis=(1, 2))])
        np.testing.assert_allclose(cues._by_chunks(cues._tones, pixels, np.arange(70)), wanted, rtol=1e-9, atol=1e-6)
        wanted = np.column_stack([rim.mean(axis=1), rim.std(axis=1)])
        np.testing.assert_allclose(cues._by_chunks(cues._border, pixels, np.arange(70)), wanted, rtol=1e-9, atol=1e-6)
