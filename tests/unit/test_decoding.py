"""Decoding one file: what comes out, what is refused, and that nothing outside is touched."""

from __future__ import annotations

import io
import threading
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageFile

from zoo import decoding
from zoo.channels import of_image
from zoo.decoding import attempt, decode, decode_all, resize
from zoo.errors import SourceError
from zoo.events import Progress
from zoo.values import Picture, Skipped

if TYPE_CHECKING:
    from pathlib import Path

NOISE = np.random.default_rng(7).integers(0, 256, (30, 40, 3)).astype(np.uint8)


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    """A small PNG of noise."""
    Image.fromarray(NOISE).save(tmp_path / "noise.png")
    return tmp_path / "noise.png"


def test_lossless_file_comes_back_as_it_was(noise: Path) -> None:
    """An RGB PNG decodes to exactly its pixels, as uint8 (height, width, 3)."""
    pixels = decode(noise)
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels, NOISE)


MODES = ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "LA", "PA", "RGBX", "RGBa", "La"]


@pytest.mark.parametrize("mode", [*MODES, "I;16", "I;16L", "I;16B", "I;16N"])
def test_every_mode_of_pillow_becomes_rgb(mode: str) -> None:
    """Whatever mode Pillow has for an image, three channels of 8 bits come out."""
    pixels = of_image(Image.new(mode, (5, 3)))
    assert (pixels.shape, pixels.dtype) == ((3, 5, 3), np.uint8)


def test_16_bit_grey_is_scaled(tmp_path: Path) -> None:
    """A gradient over 16 bits becomes a gradient over 8, with white for 65535."""
    grey = np.linspace(0, 65535, 256).round().astype(np.uint16).reshape(16, 16)
    Image.fromarray(grey).save(tmp_path / "deep.png")
    assert np.array_equal(decode(tmp_path / "deep.png")[:, :, 1].ravel(), np.arange(256))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 2.0, 200.0], [0, 2, 200]),
        ([-10.0, 0.0, 10.0], [0, 128, 255]),
        ([100.0, 1100.0, 2100.0], [0, 128, 255]),
        ([7000.0, 7000.0, 7000.0], [0, 0, 0]),
    ],
    ids=["fractions", "bytes", "negative", "large", "constant"],
)
def test_float_grey_follows_its_range(values: list[float], expected: list[int], tmp_path: Path) -> None:
    """Floats within 0–1 are scaled, within 0–255 kept, and otherwise stretched."""
    Image.fromarray(np.array([values], np.float32)).save(tmp_path / "float.tif")
    assert decode(tmp_path / "float.tif")[0, :, 0].tolist() == expected


def test_float_that_is_no_number_is_refused(tmp_path: Path) -> None:
    """A float picture with a NaN has no brightness there, so it is refused."""
    Image.fromarray(np.array([[0.0, np.nan]], np.float32)).save(tmp_path / "nan.tif")
    with pytest.raises(SourceError, match=r"nan\.tif cannot be used: it holds values that are not finite numbers\.$"):
        decode(tmp_path / "nan.tif")


def transparent_images() -> dict[str, Image.Image]:
    """Images of two pixels, the first of them transparent (its hidden colour is black), the second red or grey."""
    rgba = Image.fromarray(np.array([[[0, 0, 0, 0], [200, 0, 0, 255]]], np.uint8))
    palette = Image.new("P", (2, 1))
    palette.putpalette([0, 0, 0, 200, 0, 0])
    palette.putdata([0, 1])
    return {
        "RGBA": rgba,
        "RGBa": rgba.convert("RGBa"),
        "palette": palette,
        "LA": Image.fromarray(np.array([[[0, 0], [200, 255]]], np.uint8)),
        "RGB": Image.fromarray(np.array([[[0, 0, 0], [200, 0, 0]]], np.uint8)),
        "L": Image.fromarray(np.array([[0, 200]], np.uint8)),
        "I;16": Image.fromarray(np.array([[0, 51400]], np.uint16)),
    }


@pytest.mark.parametrize("mode", transparent_images())
def test_transparency_lies_on_white(mode: str, tmp_path: Path) -> None:
    """Alpha channels, transparent palette entries and colour keys all show white where nothing is."""
    image = transparent_images()[mode]
    keys = {"palette": 0, "RGB": (0, 0, 0), "L": 0, "I;16": 0}
    if mode == "RGBa":
        pixels = of_image(image)
    else:
        image.save(tmp_path / "see.png", **({"transparency": keys[mode]} if mode in keys else {}))
        pixels = decode(tmp_path / "see.png")
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[0, 1, 0] == 200


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tiff"])
def test_first_frame_is_taken(suffix: str, tmp_path: Path) -> None:
    """Of animated and multi-page files the first frame is the picture."""
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue", "lime")]
    options = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(tmp_path / f"many.{suffix}", save_all=True, append_images=frames[1:], **options)
    assert decode(tmp_path / f"many.{suffix}")[8, 8].tolist() == [255, 0, 0]


UPRIGHT = {
    1: NOISE,
    2: NOISE[:, ::-1],
    3: NOISE[::-1, ::-1],
    4: NOISE[::-1],
    5: NOISE.transpose(1, 0, 2),
    6: np.rot90(NOISE, -1),
    7: np.rot90(NOISE, 2).transpose(1, 0, 2),
    8: np.rot90(NOISE),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_exif_orientation_is_obeyed(orientation: int, suffix: str, tmp_path: Path) -> None:
    """All eight orientations come out upright."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(NOISE).save(tmp_path / f"turned.{suffix}", exif=exif)
    assert np.array_equal(decode(tmp_path / f"turned.{suffix}"), UPRIGHT[orientation])


def test_broken_exif_counts_as_none(tmp_path: Path) -> None:
    """A picture whose EXIF block is garbage is taken as it lies."""
    Image.fromarray(NOISE).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff broken")
    assert decode(tmp_path / "a.jpg").shape == NOISE.shape


REASONS = {
    "empty": (b"", "the file is empty"),
    "zeros": (bytes(999), "it begins with zero bytes only"),
    "html": (b"\xef\xbb\xbf\n <!DOCTYPE html><html>404", "an HTML page, not a picture"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer in place of the picture; `git lfs"),
    "svg": (b"<svg xmlns='x'/>", "an SVG drawing, not a picture made of pixels"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIF picture, which Pillow cannot read without a plugin"),
    "text": (b"nothing to see here\n", "text, not a picture"),
    "garbage": (bytes(range(1, 200)), "not a picture that Pillow can read"),
}


@pytest.mark.parametrize("kind", REASONS)
def test_reason_says_what_the_file_is(kind: str, tmp_path: Path) -> None:
    """A file that is no picture is refused with a line that says what it is."""
    content, reason = REASONS[kind]
    (tmp_path / "x.jpg").write_bytes(content)
    with pytest.raises(SourceError) as caught:
        decode(tmp_path / "x.jpg")
    assert caught.value.message.startswith(f"{tmp_path / 'x.jpg'} cannot be used: {reason}")


def test_absent_file_and_folder_have_reasons(tmp_path: Path) -> None:
    """A path to nothing and a path to a folder are data errors too."""
    with pytest.raises(SourceError, match="no such file or directory"):
        decode(tmp_path / "gone.png")
    with pytest.raises(SourceError, match=r"(is a directory|permission denied)\."):
        decode(tmp_path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "bmp", "tif", "webp", "ppm", "jp2"])
def test_damage_never_escapes_as_another_error(suffix: str, tmp_path: Path) -> None:
    """Of 60 files with random damage each is decoded or refused in one line; no other error and no warning escapes."""
    buffer = io.BytesIO()
    formats = {"jpg": "JPEG", "tif": "TIFF", "jp2": "JPEG2000"}
    Image.fromarray(NOISE).save(buffer, format=formats.get(suffix, suffix.upper()))
    whole, rng = np.frombuffer(buffer.getvalue(), np.uint8), np.random.default_rng(3)
    refused = 0
    for _ in range(60):
        broken = whole.copy()
        places = rng.integers(0, min(len(broken), int(rng.choice([40, 400, 10**6]))), 6)
        broken[places] = rng.integers(0, 256, 6)
        (tmp_path / "x").write_bytes(broken[: rng.integers(1, len(broken) + 1)].tobytes())
        outcome = attempt(Picture("x", 0, path=str(tmp_path / "x")))
        if isinstance(outcome, Skipped):
            refused += 1
            assert outcome.reason
            assert "\n" not in outcome.reason
        else:
            assert outcome.shape[2] == 3
    assert refused > 10


def test_bombs_are_refused_by_our_own_limit(noise: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit holds although Pillow's is switched off, and the message has the size."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    monkeypatch.setattr(decoding, "MAX_PIXELS", 1199)
    with pytest.raises(SourceError, match="too large: 40×30 pixels, the limit is 1,199"):
        decode(noise)


def test_pictures_between_pillows_limits_pass_silently(noise: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow's warning about a large picture does not escape, even where warnings are errors."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert decode(noise).shape == NOISE.shape


def test_nothing_global_changes(noise: Path) -> None:
    """After decoding in many threads at once, warning filters and Pillow's settings are as before."""
    before, truncated = list(warnings.filters), ImageFile.LOAD_TRUNCATED_IMAGES
    threads = [threading.Thread(target=lambda: [decode(noise) for _ in range(30)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before
    assert truncated is ImageFile.LOAD_TRUNCATED_IMAGES


def test_arrays_go_the_same_way() -> None:
    """A picture held as an array is handed on; one of another type or shape has a reason."""
    assert attempt(Picture("a", 0, pixels=NOISE)) is NOISE
    wrong = attempt(Picture("a", 0, pixels=NOISE.astype(np.float32)))  # type: ignore[arg-type]
    assert isinstance(wrong, Skipped)
    assert wrong.reason.startswith("its array is float32 (30, 40, 3), not uint8 (height, width) or (height, width, ch")
    assert attempt(Picture("a", 0)) == Skipped("a", "it has neither a path nor pixels")


def test_many_come_back_in_order_with_progress() -> None:
    """Results are in the order of the pictures, and progress ends at the total."""
    pictures = [Picture(str(i), 0, pixels=np.full((2, 2, 3), i, np.uint8)) for i in range(150)]
    seen: list[object] = []

    def first(index: int, outcome: object) -> tuple[int, int]:
        assert isinstance(outcome, np.ndarray)
        return index, int(outcome[0, 0, 0])

    assert decode_all(pictures, first, task="t", observe=seen.append, workers=5) == [(i, i) for i in range(150)]
    assert seen[-1] == Progress("t", 150, 150)
    assert [event.done for event in seen if isinstance(event, Progress)] == list(range(1, 151))


def test_an_error_ends_the_work() -> None:
    """An error in what is done with a picture is raised, and most of the rest is not begun."""
    begun: list[int] = []

    def fail(index: int, _: object) -> None:
        begun.append(index)
        raise SourceError("no")

    pictures = [Picture(str(i), 0, pixels=NOISE) for i in range(2000)]
    with pytest.raises(SourceError, match="no"):
        decode_all(pictures, fail, task="t", workers=2)
    assert len(begun) < 1000


def test_resize_keeps_the_whole_picture_and_smooths_it() -> None:
    """Shrinking averages (no aliasing) and the edges stay in."""
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3)).astype(np.uint8)
    assert resize(noise, 20).std() < 6  # plain bilinear sampling gives 47, nearest 74
    edged = np.zeros((40, 80, 3), np.uint8)
    edged[:, :8] = 255
    assert resize(edged, 10)[:, 0].min() > 200
    assert resize(noise, 400) is noise
