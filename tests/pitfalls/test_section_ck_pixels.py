"""Pitfalls of pixels and of loading without TensorFlow: numbers 33, 34, 35, 94 and 97."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from zoo.builtin import source_folder
from zoo.events import Event, Note
from zoo.health import scan
from zoo.pixels import load_pixels, prepare
from zoo.values import ImageTable, Picture

if TYPE_CHECKING:
    from pathlib import Path


def rows(*paths: Path, size: int) -> np.ndarray:
    """The pixels of files as training gets them."""
    table = ImageTable("here", ("a",), tuple(Picture(path.name, 0, path=str(path)) for path in paths))
    return load_pixels(table, range(len(paths)), size=size)


@pytest.mark.parametrize("kind", ["png", "jpg", "webp"])
def test_pitfall_33_prediction_reads_as_training_does(kind: str, tmp_path: Path) -> None:
    """One file gives the same pixels in a data set, by its path, and as an array."""
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3)).astype(np.uint8)
    path = tmp_path / f"noise.{kind}"
    Image.fromarray(noise).save(path)
    trained = rows(path, size=96)[0]
    assert np.array_equal(prepare(path, size=96), trained)
    with Image.open(path) as image:
        assert np.array_equal(prepare(np.asarray(image), size=96), trained)
    assert trained.std() < 25  # sampling without antialiasing keeps more than twice that


def test_pitfall_34_phone_photos_are_upright_everywhere(tmp_path: Path) -> None:
    """A picture with orientation 6 and its turned copy are the same in training, in prediction and as copies."""
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    Image.fromarray(noise).save(tmp_path / "a" / "phone.png", exif=exif)
    Image.fromarray(np.rot90(noise, -1)).save(tmp_path / "a" / "turned.png")
    Image.fromarray(noise).save(tmp_path / "b" / "lying.png")
    paths = [tmp_path / "a" / "phone.png", tmp_path / "a" / "turned.png"]
    first, second = rows(*paths, size=32)
    assert np.array_equal(first, second)
    assert np.array_equal(prepare(paths[0], size=32), first)
    report = scan(source_folder.load(tmp_path))
    assert report.duplicates == (("a/phone.png", "a/turned.png"),)


def test_pitfall_34_all_orientations_of_one_photo_agree(shared: Path) -> None:
    """The eight real files of one upright picture are equal but for the loss of JPEG."""
    pixels = rows(*(shared / "hostile" / f"exif_orientation_{n}.jpg" for n in range(1, 9)), size=64).astype(int)
    assert np.abs(pixels - pixels[0]).mean(axis=(1, 2, 3)).max() < 3
    assert np.abs(pixels[0] - pixels[0, ::-1]).mean() > 20  # the measure would see a flip


def test_pitfall_35_modes_of_all_kinds_are_rgb(tmp_path: Path) -> None:
    """Grey, palette, RGBA, CMYK, 16-bit and animated files give one array of RGB, and no gradient is cut off."""
    ramp = np.tile(np.linspace(0, 255, 64).round().astype(np.uint8), (64, 1))
    grey = Image.fromarray(ramp)
    deep = Image.fromarray(ramp.astype(np.uint16) * 257)
    files = {
        "L.png": grey,
        "P.png": grey.convert("P"),
        "RGBA.png": grey.convert("RGBA"),
        "RGB.png": grey.convert("RGB"),
    }
    files |= {"CMYK.tif": grey.convert("RGB").convert("CMYK"), "deep.png": deep, "deep.tif": deep, "P.gif": grey}
    for name, image in files.items():
        several = {"save_all": True, "append_images": [image.rotate(90)]} if name == "P.gif" else {}
        image.save(tmp_path / name, **several)
    pixels = rows(*(tmp_path / name for name in files), size=64)
    assert pixels.shape == (8, 64, 64, 3)
    assert np.abs(pixels.astype(int) - ramp[None, :, :, None]).max() <= 1


def test_pitfall_94_pixels_beyond_the_limit_are_not_held_in_memory(tmp_path: Path) -> None:
    """With a limit of a fifth of what is needed, a memory map on the disk is used and a note tells both sizes."""
    pictures = tuple(Picture(f"{n}", 0, pixels=np.full((4, 4, 3), n, np.uint8)) for n in range(40))
    seen: list[Event] = []
    pixels = load_pixels(
        ImageTable("here", ("a",), pictures),
        range(40),
        size=209,
        limit_bytes=2**20,
        directory=tmp_path,
        observe=seen.append,
    )
    assert isinstance(pixels, np.memmap)
    assert pixels.mean(axis=(1, 2, 3)).tolist() == list(range(40))
    (note,) = [event for event in seen if isinstance(event, Note)]
    assert note.text.startswith("40 pictures of 209 × 209 pixels take 5.0 MiB, more than the 1.0 MiB that may be held")


WITHOUT_BACKENDS = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"tensorflow", "keras", "keras_cv", "jax", "torch"}:
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocked())
from zoo.builtin import source_demo, source_folder, source_presplit
from zoo.health import scan
from zoo.pixels import load_pixels, prepare, thumbnails
from zoo.splitting import split
report = scan(source_demo.load(images=40, size=32))
sides = split(report)
pixels = load_pixels(report.table, sides.train, size=32)
print(len(sides.train), pixels.shape, thumbnails(pixels).shape, prepare(pixels[0], size=16).shape)
"""


def test_pitfall_97_data_need_no_backend() -> None:
    """Listing, scanning, splitting and decoding work where no deep-learning library can be imported."""
    done = subprocess.run([sys.executable, "-c", WITHOUT_BACKENDS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "28 (28, 32, 32, 3) (28, 768) (16, 16, 3)"
