"""`zoo show NAME --preview DATA`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    Zoo = Callable[..., Result]

SMALL = ("--count", "2", "--versions", "2", "--size", "32")


@pytest.fixture
def folder(tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, which holds the photos; one class has a name like markup."""
    (photos / "dark").rename(photos / "[red]")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_sheet_is_written_and_named(zoo: Zoo, folder: Path) -> None:
    """The file has the size that is told, and nothing else is on stdout."""
    result = zoo("show", "cutmix", "--preview", "photos", "-o", "sheet.png", *SMALL)
    assert result.exit_code == 0, result.output
    with Image.open(folder / "sheet.png") as sheet:
        assert sheet.format == "PNG"
        assert result.stdout.strip() == f"sheet.png: {sheet.width} × {sheet.height} pixels, the versions of cutmix"


def test_without_a_place_the_name_says_what_it_is(zoo: Zoo, folder: Path) -> None:
    """The default is preview-NAME.png, with the options, in the working folder."""
    result = zoo("show", "light:strength=0.5", "--preview", "photos", "--json", *SMALL)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["sheet"] == "preview-light-strength=0.5.png"
    with Image.open(folder / told["sheet"]) as sheet:
        assert told["pixels"] == list(sheet.size)
    assert (told["format"], told["spec"]) == (1, "light:strength=0.5")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("gap", "--preview", "photos"), "'gap' is a head; only augmentations have a preview."),
        (("lihgt", "--preview", "photos"), "There is no augmentation named 'lihgt'."),
        (("light", "--preview", "photos", "--kind", "policy"), "A policy has no preview."),
        (("light:streng=1", "--preview", "photos"), "The augmentation 'light' has no option 'streng'."),
        (("light", "-o", "sheet.png"), "--output is for a preview."),
        (("light", "--seed", "1"), "--seed is for a preview."),
        (("light", "--preview", "photos", "-o", "sheet.jpg"), "'sheet.jpg' does not end in .png."),
        (("light", "--preview", "photos", "-o", "no/sheet.png"), "There is no folder 'no' to write into."),
        (("light", "--preview", "photos", "--count", "0"), "count must be a whole number from 1 to 100, not 0."),
    ],
)
def test_what_does_not_go_together_is_said(zoo: Zoo, folder: Path, words: tuple[str, ...], message: str) -> None:
    """Exit code 2, one message, no file."""
    result = zoo("show", *words, columns=None)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not list(folder.glob("*.png"))


def test_data_that_cannot_be_read_are_said(zoo: Zoo, folder: Path) -> None:
    """The exit code of an error of data, and no file."""
    result = zoo("show", "light", "--preview", "nowhere")
    assert result.exit_code == 4
    assert "nowhere" in result.stderr
    assert not list(folder.glob("*.png"))
