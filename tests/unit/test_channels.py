"""Pictures with other numbers of channels than three, from files of all kinds and from arrays."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from zoo import arrays
from zoo.channels import of_image
from zoo.decoding import attempt, decode, resize
from zoo.errors import SourceError
from zoo.feasibility import check_channels
from zoo.health import scan
from zoo.pixels import load_pixels, prepare, thumbnails
from zoo.values import ImageTable, Picture, Skipped, Spec

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(3)
NOISE = RNG.integers(0, 256, (30, 40, 5)).astype(np.uint8)
MODES = [
    "1",
    "L",
    "P",
    "RGB",
    "RGBA",
    "CMYK",
    "YCbCr",
    "LAB",
    "HSV",
    "I",
    "F",
    "LA",
    "PA",
    "RGBX",
    "RGBa",
    "La",
    "I;16",
]


def saved(folder: Path, values: np.ndarray, name: str = "a.npy") -> Path:
    """A file of an array, or of a picture by its ending."""
    if name.endswith(".npy"):
        np.save(folder / name, values)
    else:
        Image.fromarray(values).save(folder / name)
    return folder / name


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_mode_of_pillow_has_one_to_four_channels(mode: str, channels: int) -> None:
    """Whatever mode Pillow has for an image, as many channels of 8 bits come out as are wanted."""
    pixels = of_image(Image.new(mode, (5, 3)), channels)
    assert (pixels.shape, pixels.dtype) == ((3, 5, channels), np.uint8)


def test_channels_are_luminance_colours_and_alpha(tmp_path: Path) -> None:
    """Grey lies on white as RGB does; with alpha, the colours under it stay as they are stored."""
    path = saved(tmp_path, NOISE[:, :, :4], "a.png")
    colours = decode(path)
    assert np.array_equal(decode(path, channels=1)[:, :, 0], np.asarray(Image.fromarray(colours).convert("L")))
    assert np.array_equal(decode(path, channels=4), NOISE[:, :, :4])
    both = decode(path, channels=2)
    stored = Image.fromarray(np.ascontiguousarray(NOISE[:, :, :3])).convert("L")
    assert np.array_equal(both[:, :, 0], np.asarray(stored))
    assert np.array_equal(both[:, :, 1], NOISE[:, :, 3])


def test_pictures_without_alpha_are_opaque(tmp_path: Path) -> None:
    """A JPEG has alpha 255 all over, and grey stays the grey that it is."""
    path = saved(tmp_path, NOISE[:, :, 0], "grey.png")
    assert np.array_equal(decode(path, channels=1)[:, :, 0], NOISE[:, :, 0])
    assert np.array_equal(decode(path, channels=4), np.dstack([*[NOISE[:, :, 0]] * 3, np.full((30, 40), 255)]))
    assert (decode(path, channels=2)[:, :, 1] == 255).all()


def test_16_bit_grey_is_scaled_for_any_channels(tmp_path: Path) -> None:
    """The gradient over 16 bits is one over 8 bits, and its colour key becomes alpha 0."""
    grey = np.linspace(0, 65535, 256).round().astype(np.uint16).reshape(16, 16)
    Image.fromarray(grey).save(tmp_path / "deep.png", transparency=0)
    assert np.array_equal(decode(tmp_path / "deep.png", channels=4)[:, :, 2].ravel(), np.arange(256))
    assert decode(tmp_path / "deep.png", channels=2)[:, :, 1].ravel().tolist() == [0] + [255] * 255
    assert decode(tmp_path / "deep.png", channels=1).ravel().tolist() == [255, *range(1, 256)]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("channels", range(1, 6))
def test_arrays_come_back_as_they_were(channels: int, order: Any, tmp_path: Path) -> None:
    """With as many channels as they have, in either order of memory."""
    values = np.asarray(NOISE[:, :, :channels], order=order)
    assert np.array_equal(decode(saved(tmp_path, values), channels=channels), values)


def test_grey_and_rgb_arrays_are_pictures(tmp_path: Path) -> None:
    """They give what a PNG of the same values gives, for each number of channels."""
    for values in (NOISE[:, :, 0], np.ascontiguousarray(NOISE[:, :, :3])):
        array, png = saved(tmp_path, values), saved(tmp_path, values, "a.png")
        for channels in (1, 2, 3, 4):
            assert np.array_equal(decode(array, channels=channels), decode(png, channels=channels))


@pytest.mark.parametrize(("own", "wanted"), [(2, 3), (4, 3), (5, 3), (5, 4), (3, 5), (1, 16), (4, 1)])
def test_other_arrays_are_taken_as_they_are_or_not_at_all(own: int, wanted: int, tmp_path: Path) -> None:
    """The message has both numbers."""
    values = np.ascontiguousarray(NOISE[:, :, :own])
    with pytest.raises(SourceError, match=rf"a\.npy cannot be used: (it is|a pict).* channels, not {wanted}"):
        decode(saved(tmp_path, values), channels=wanted)
    assert isinstance(attempt(Picture("a", 0, pixels=values), wanted), Skipped)


def test_a_picture_has_no_five_channels(tmp_path: Path) -> None:
    """There is nothing to make the fifth of."""
    path = saved(tmp_path, NOISE[:, :, :4], "a.png")
    with pytest.raises(SourceError, match=r"a picture can be had with 1 to 4 channels, not 5"):
        decode(path, channels=5)
    with Image.open(path) as image, pytest.raises(SourceError, match="not 5"):
        prepare(image, size=8, channels=5)


WRONG = {
    "float": (
        np.zeros((4, 4), np.float32),
        r"its array is float32 \(4, 4\), not uint8 .*; save values of 0 to 255 as uint8",
    ),
    "channels first": (np.zeros((3, 40, 40), np.uint8), r"its array is uint8 \(3, 40, 40\), not uint8 \(height, width"),
    "no channels": (np.zeros((4, 4, 0), np.uint8), r"its array is uint8 \(4, 4, 0\)"),
    "batch": (np.zeros((2, 4, 4, 3), np.uint8), r"its array is uint8 \(2, 4, 4, 3\)"),
    "line": (np.zeros(9, np.uint8), r"its array is uint8 \(9,\)"),
    "empty": (np.zeros((0, 4), np.uint8), r"its array is uint8 \(0, 4\)"),
    "objects": (np.array([[print]], dtype=object), r"its array is object \(1, 1\)"),
    "fields": (np.zeros((4, 4), [("a", "u1")]), r"its array is \[\('a', 'u1'\)\] \(4, 4\)"),
}


@pytest.mark.parametrize(("values", "message"), WRONG.values(), ids=WRONG.keys())
def test_arrays_that_are_no_pictures_say_why(values: np.ndarray, message: str, tmp_path: Path) -> None:
    """Type and shape are told; pickled objects are not loaded."""
    np.save(tmp_path / "a.npy", values, allow_pickle=True)
    with pytest.raises(SourceError, match=message):
        decode(tmp_path / "a.npy")


def header(text: str) -> bytes:
    """The beginning of a file of NumPy, with any header."""
    whole = text.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(whole).to_bytes(2, "little") + whole


BROKEN = {
    "bomb": (
        header("{'descr': '|u1', 'fortran_order': False, 'shape': (200000, 200000, 3)}"),
        "too large: an array of",
    ),
    "cut": (header("{'descr': '|u1', 'fortran_order': False, 'shape': (4, 4)}") + b"123", "the file is cut off"),
    "negative": (header("{'descr': '|u1', 'fortran_order': False, 'shape': (-4, -4)}"), r"its array is uint8 \(-4, -4"),
    "code": (header("__import__('os').abort()"), "the header of the array cannot be read"),
    "version": (b"\x93NUMPY\x07\x00" + b" " * 60, r"version \(7, 0\)|7"),
    "stump": (b"\x93NUMPY\x01", "."),
    "picture": (None, ""),
}


@pytest.mark.parametrize(("content", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_arrays_are_refused_before_memory_is_taken(content: bytes | None, message: str, tmp_path: Path) -> None:
    """Whatever the header claims; and a PNG that is called .npy is a PNG."""
    path = tmp_path / "a.npy"
    if content is None:
        stream = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(NOISE[:, :, :3])).save(stream, "png")
        path.write_bytes(stream.getvalue())
        assert np.array_equal(decode(path), NOISE[:, :, :3])
        return
    path.write_bytes(content)
    with pytest.raises(SourceError, match=message):
        decode(path)


def test_an_array_by_another_name_is_told(tmp_path: Path) -> None:
    """Pillow cannot read it; the reason says what it is."""
    saved(tmp_path, NOISE[:, :, :3]).rename(tmp_path / "a.png")
    with pytest.raises(SourceError, match=r"an array of NumPy; name it \.npy"):
        decode(tmp_path / "a.png")
    assert not arrays.is_array(tmp_path / "a.png")


@pytest.mark.parametrize("channels", [1, 2, 4, 5])
def test_each_channel_is_stretched_on_its_own(channels: int) -> None:
    """A channel does not depend on the others: alpha does not weigh the colours."""
    whole = resize(NOISE[:, :, :channels], 12)
    assert whole.shape == (12, 12, channels)
    for index in range(channels):
        alone = Image.fromarray(np.ascontiguousarray(NOISE[:, :, index])).resize((12, 12), Image.Resampling.BILINEAR)
        assert np.array_equal(whole[:, :, index], np.asarray(alone))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_prediction_reads_as_training_does(channels: int, tmp_path: Path) -> None:
    """A file gives the same pixels in a data set, by its path, as an image and as an array."""
    path = saved(tmp_path, NOISE[:, :, :4], "a.png")
    table = ImageTable("here", ("a",), (Picture("a", 0, path=str(path)),))
    (trained,) = load_pixels(table, [0], size=16, channels=channels)
    assert trained.shape == (16, 16, channels)
    assert np.array_equal(prepare(path, size=16, channels=channels), trained)
    with Image.open(path) as image:
        assert np.array_equal(prepare(image, size=16, channels=channels), trained)
        assert np.array_equal(prepare(np.asarray(image), size=16, channels=channels), trained)
    with pytest.raises(SourceError, match="not one picture"):
        prepare(NOISE, size=16, channels=channels)
    assert prepare(NOISE.astype(float), size=16, channels=5).shape == (16, 16, 5)
    assert thumbnails(trained[None]).shape == (1, 256 * channels)


def test_the_scan_knows_what_channels_there_are(tmp_path: Path) -> None:
    """Pictures and arrays of 1 or 3 channels are of one kind, others have a number; copies are found among them."""
    table = ImageTable(
        "here",
        ("a", "b"),
        (
            Picture("grey", 0, path=str(saved(tmp_path, NOISE[:, :, 0], "grey.npy"))),
            Picture("copy", 0, path=str(saved(tmp_path, NOISE[:, :, 0], "grey.png"))),
            Picture("five", 1, path=str(saved(tmp_path, NOISE, "five.npy"))),
            Picture("other five", 1, pixels=NOISE.copy()),
            Picture("float", 1, path=str(saved(tmp_path, NOISE / 255, "float.npy"))),
        ),
    )
    report = scan(table)
    assert report.channels == ((0, "copy"), (5, "five"))
    assert report.duplicates == (("copy", "grey"), ("five", "other five"))
    assert [one.id for one in report.skipped] == ["float"]
    assert report.skipped[0].reason.startswith("its array is float64 (30, 40, 5), not uint8")


def test_a_tiff_whose_bands_are_left_out_is_not_taken_for_opaque(tmp_path: Path) -> None:
    """Pillow reads RGB of RGB and near infrared; alpha 255 would hide that. Real alpha hides nothing."""
    path = tmp_path / "nir.tif"
    Image.frombytes("RGBX", (40, 30), NOISE[:, :, :4].tobytes()).save(path, tiffinfo={338: 0})
    Image.fromarray(np.ascontiguousarray(NOISE[:, :, :4])).save(tmp_path / "alpha.tif")
    assert np.array_equal(decode(path), NOISE[:, :, :3])
    assert decode(path, channels=1).shape == (30, 40, 1)
    for channels in (2, 4):
        with pytest.raises(SourceError, match=rf"a TIFF with more bands than can be read, not .* {channels} channels"):
            decode(path, channels=channels)
    assert np.array_equal(decode(tmp_path / "alpha.tif", channels=4), NOISE[:, :, :4])
    pictures = tuple(
        Picture(name, label, path=str(tmp_path / f"{name}.tif")) for label, name in enumerate(("alpha", "nir"))
    )
    report = scan(ImageTable("here", ("a", "b"), pictures))
    assert report.channels == ((0, "alpha"), (3, "nir"))
    check_channels(report, Spec("net", (("channels", 1),)))
    check_channels(report, Spec("net"))
    with pytest.raises(SourceError, match="'nir' of here is a TIFF with more bands than are read"):
        check_channels(report, Spec("net", (("channels", 4),)))
