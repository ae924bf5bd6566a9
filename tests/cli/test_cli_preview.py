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


def test_show_of_an_augmentation_says_what_becomes_of_labels_and_how_to_look(zoo: Zoo, folder: Path) -> None:
    """Without a preview: labels, the paper, and the command that draws a sheet; as JSON too."""
    text = " ".join(zoo("show", "cutmix:base=none", columns=None).stdout.split())
    assert "labels mixed with the pictures" in text
    assert "to look at zoo show cutmix:base=none --preview DATA -o sheet.png" in text
    assert "reference https://arxiv.org/abs/1905.04899" in text
    assert "labels kept" in " ".join(zoo("show", "light", columns=None).stdout.split())
    told = json.loads(zoo("show", "mixup", "--json").stdout)
    assert (told["mixes_labels"], told["reference"]) == (True, "https://arxiv.org/abs/1710.09412")
