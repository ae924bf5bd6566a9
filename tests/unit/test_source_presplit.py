"""Data that come divided: parts, classes that must agree, and what lies beside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zoo.builtin import source_folder, source_presplit
from zoo.builtin.source_presplit import accepts, load
from zoo.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path


def fill(root: Path, *names: str) -> Path:
    """Files of these names below a folder."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"not opened")
    return root


@pytest.mark.parametrize("name", ["val", "valid", "validation", "VAL", "Validation"])
def test_names_of_the_validation_part(name: str, tmp_path: Path) -> None:
    """All usual names of a validation folder are understood, in any case, and ids keep the name of the folder."""
    fill(
        tmp_path, "Train/a/1.jpg", "Train/b/1.jpg", f"{name}/a/2.jpg", f"{name}/b/2.jpg", "test/b/3.jpg", "test/a/3.jpg"
    )
    table = load(tmp_path)
    assert [(one.id, one.label, one.part) for one in table.pictures if one.part != "test"] == [
        *(("Train/a/1.jpg", 0, "train"), ("Train/b/1.jpg", 1, "train")),
        *((f"{name}/a/2.jpg", 0, "validation"), (f"{name}/b/2.jpg", 1, "validation")),
    ]
    assert sum(one.part == "test" for one in table.pictures) == 2
    assert (table.classes, table.notes) == (("a", "b"), ())
    assert list(table.pictures) == sorted(table.pictures, key=lambda one: one.id)


def test_without_validation_training_pictures_are_open(tmp_path: Path) -> None:
    """With train and test only, the training pictures get no part, so that the split can draw a validation part."""
    table = load(fill(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "test/a/2.jpg", "test/b/2.jpg"))
    assert {(one.id.split("/")[0], one.part) for one in table.pictures} == {("train", None), ("test", "test")}


@pytest.mark.parametrize(
    ("names", "divided"),
    [
        (["train/a/1.jpg", "val/a/1.jpg"], True),
        (["TRAIN/a/1.jpg", "Test/a/1.jpg"], True),
        (["train/a/1.jpg", "val/a/1.jpg", "test/1.jpg"], True),
        (["train/a/1.jpg", "b/c/1.jpg"], False),
        (["val/a/1.jpg", "test/a/1.jpg"], False),
        (["train/1.jpg", "val/1.jpg"], False),
        (["train/a/1.jpg", "test/1.jpg"], False),
        (["train/a/1.jpg"], False),
    ],
)
def test_the_two_folder_sources_never_both_accept(names: list[str], divided: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter of the test
    """A folder is divided if train and another part have class folders; exactly one of the sources accepts it."""
    fill(tmp_path, *names)
    assert accepts(tmp_path) is divided
    assert source_folder.accepts(tmp_path) is not divided


def test_what_lies_beside_the_parts_is_noted(tmp_path: Path) -> None:
    """Other folders, parts without class folders and files beside the parts are named."""
    names = ["train/a/1.jpg", "train/b/1.jpg", "val/a/1.jpg", "val/b/1.jpg", "test/1.jpg", "extra/a/1.jpg", "README.md"]
    assert load(fill(tmp_path, *names)).notes == (
        "Ignored folders beside the parts, or parts without class folders: 'extra', 'test'.",
        "Ignored files beside the parts: 'README.md'.",
    )


def test_classes_that_a_part_lacks_are_noted(tmp_path: Path) -> None:
    """A class without validation pictures is named; its training pictures stay."""
    table = load(fill(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "val/b/1.jpg"))
    assert table.notes == ("Classes without validation pictures: 'a'.",)
    assert [(one.id, one.label) for one in table.pictures][-1] == ("val/b/1.jpg", 1)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["train/a/1.jpg", "train/b/1.jpg", "val/A/1.jpg", "val/b/1.jpg"],
            r"The validation part of .* has classes without training pictures: 'A'; the training part has 'a', 'b'\.",
        ),
        (["train/a/1.jpg", "val/a/1.jpg"], r"The training part of .* has pictures of one class only, 'a'; at least 2"),
        (["train/a/x.txt", "val/a/x.txt"], r"The training part of .* has no pictures; at least 2 classes are needed"),
        (
            ["train/a/1.jpg", "val/a/1.jpg", "valid/a/1.jpg"],
            r"has two folders for the validation part, 'val' and 'valid'\.",
        ),
        (["a/1.jpg", "b/1.jpg"], r"is not divided into parts\.\nIt needs a folder `train`"),
    ],
    ids=["classes disagree", "one class", "no pictures", "two folders", "not divided"],
)
def test_faults_are_told_apart(names: list[str], message: str, tmp_path: Path) -> None:
    """Each way in which divided data can be wrong has its message."""
    with pytest.raises(SourceError, match=message):
        load(fill(tmp_path, *names))


def test_plugin_contributes_one_source() -> None:
    """The hook returns the record."""
    (source,) = source_presplit.zoo_sources()
    assert (source.name, source.load, source.accepts, source.options) == ("presplit", load, accepts, ())
