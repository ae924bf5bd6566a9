"""Folders with one sub-folder for each class: what is found, what is said, what is refused."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from zoo import decoding, folders
from zoo.builtin import source_folder, source_presplit
from zoo.builtin.source_folder import accepts, load
from zoo.errors import SourceError
from zoo.values import Skipped

if TYPE_CHECKING:
    from pathlib import Path


def fill(root: Path, *names: str, content: bytes = b"not opened") -> Path:
    """Files of these names below a folder."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def ids(root: Path) -> list[str]:
    """Ids of the pictures of a folder."""
    return [picture.id for picture in load(root).pictures]


def test_table_of_a_plain_folder(tmp_path: Path) -> None:
    """Ids are paths below the folder with slashes, labels follow the sorted names, paths exist; no word is said."""
    table = load(fill(tmp_path, "b/2.jpg", "b/1.png", "a/x.webp"))
    assert table.classes == ("a", "b")
    assert [(one.id, one.label) for one in table.pictures] == [("a/x.webp", 0), ("b/1.png", 1), ("b/2.jpg", 1)]
    assert all(one.path == str(tmp_path / one.id) and one.part is None for one in table.pictures)
    assert (table.location, table.skipped, table.notes) == (str(tmp_path), (), ())


def test_paths_of_all_kinds_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text, Path, a relative path and `~` mean the same, and paths in the table do not depend on the place."""
    fill(tmp_path / "data", "a/1.jpg", "b/1.jpg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    tables = [load(location) for location in (tmp_path / "data", str(tmp_path / "data"), "data", "~/data")]
    assert tables == [tables[0]] * 4


def test_every_ending_is_one_that_can_be_decoded() -> None:
    """Each ending belongs to a format that decoding tries, and each of those formats has an ending."""
    Image.init()
    known = Image.registered_extensions() | {".heic": "HEIF", ".heif": "HEIF", ".hif": "HEIF"}
    found = {"JPEG" if known[suffix] == "MPO" else known[suffix] for suffix in folders.SUFFIXES}
    assert found == set(decoding.FORMATS)


def test_files_without_ending_count_if_they_begin_like_pictures(tmp_path: Path) -> None:
    """JPEG, PNG, WebP and AVIF without an ending are taken; text and empty files are counted."""
    fill(tmp_path, "b/1.jpg", "a/notes")
    fill(tmp_path, "a/empty", content=b"")
    fill(tmp_path, "a/jpeg", content=b"\xff\xd8\xff\xe0....")
    fill(tmp_path, "a/png", content=b"\x89PNG\r\n\x1a\n")
    fill(tmp_path, "a/webp", content=b"RIFF....WEBPVP8 ")
    fill(tmp_path, "a/wave", content=b"RIFF....WAVEfmt ")
    fill(tmp_path, "a/avif", content=b"\0\0\0\x1cftypavif")
    table = load(tmp_path)
    assert [one.id for one in table.pictures] == ["a/avif", "a/jpeg", "a/png", "a/webp", "b/1.jpg"]
    assert table.notes == ("Ignored files that are no pictures, 3: without ending 3.",)


def test_other_files_are_counted_by_kind(tmp_path: Path) -> None:
    """Files that are no pictures are counted by ending, those beside the class folders too."""
    names = ["a/1.jpg", "b/1.jpg", "labels.csv", "a/x.txt", "a/sub/y.TXT", "b/z.xml"]
    assert load(fill(tmp_path, *names)).notes == ("Ignored files that are no pictures, 4: .txt 2, .csv 1, .xml 1.",)


def test_pictures_beside_the_class_folders_are_noted(tmp_path: Path) -> None:
    """Pictures that lie directly in the folder have no class, and are named."""
    table = load(fill(tmp_path, "a/1.jpg", "b/1.jpg", "cover.jpg"))
    assert len(table) == 2
    assert table.notes == ("Ignored pictures beside the class folders, which have no class, 1: cover.jpg.",)


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    """Linked class folders, sub-folders and files count; circles, repeats and dangling links are listed."""
    fill(tmp_path, "elsewhere/c/1.jpg", "data/a/1.jpg", "data/b/1.jpg")
    data = tmp_path / "data"
    (data / "c").symlink_to(tmp_path / "elsewhere" / "c", target_is_directory=True)
    (data / "a" / "more").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (data / "a" / "up").symlink_to(data, target_is_directory=True)
    (data / "a" / "self").symlink_to(data / "a", target_is_directory=True)
    (data / "b" / "2.jpg").symlink_to(data / "a" / "1.jpg")
    (data / "b" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (data / "b" / "round").symlink_to(data / "b" / "round")
    table = load(data)
    assert [one.id for one in table.pictures] == ["a/1.jpg", "a/more/c/1.jpg", "b/1.jpg", "b/2.jpg", "c/1.jpg"]
    assert table.skipped == (
        Skipped("a/self", "a link to a folder that is read already"),
        Skipped("a/up", "a link to a folder that is read already"),
        Skipped("b/gone.jpg", "a link that leads nowhere"),
        Skipped("b/round", "a link that leads nowhere"),
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_pipes_are_not_opened(tmp_path: Path) -> None:
    """A pipe named like a picture, or without an ending, does not make the scan wait for ever."""
    fill(tmp_path, "a/1.jpg", "b/1.jpg")
    os.mkfifo(tmp_path / "a" / "pipe.jpg")
    os.mkfifo(tmp_path / "a" / "pipe")
    assert load(tmp_path).skipped == (
        Skipped("a/pipe", "not a file that can be read"),
        Skipped("a/pipe.jpg", "not a file that can be read"),
    )


def test_names_equal_but_for_encoding_are_one_class(tmp_path: Path) -> None:
    """Where a file system keeps composed and decomposed names apart, both folders are one class."""
    fill(tmp_path, "caf\u00e9/1.jpg", "b/1.jpg", "cafe\u0301/2.jpg")
    if len(list(tmp_path.iterdir())) == 2:
        pytest.skip("this file system keeps only one of the names")
    table = load(tmp_path)
    assert table.classes == ("b", "caf\u00e9")
    assert [one.label for one in table.pictures] == [0, 1, 1]
    assert table.notes == ("Folders whose names differ only in how accents are encoded are one class: 'café'.",)


def message(location: Any) -> str:
    """What is said about a folder that cannot be used."""
    with pytest.raises(SourceError) as caught:
        load(location)
    assert caught.value.hint
    return caught.value.message


def test_each_fault_has_its_own_message(tmp_path: Path) -> None:
    """No path, no folder, a file, an empty folder and a tree without pictures are told apart."""
    assert message(None) == "None is not the path of a folder."
    assert message("") == "'' is not the path of a folder."
    assert message(tmp_path / "photoz") == f"There is no folder {str(tmp_path / 'photoz')!r}."
    fill(tmp_path, "file.zip", "bare/a/x.txt", "bare/b/y.csv", "bare/1.jpg")
    assert message(tmp_path / "file.zip") == f"{str(tmp_path / 'file.zip')!r} is a file, not a folder."
    (tmp_path / "empty").mkdir()
    assert message(tmp_path / "empty") == f"The folder {str(tmp_path / 'empty')!r} is empty."
    assert message(tmp_path / "bare") == (
        f"No pictures in the sub-folders of {str(tmp_path / 'bare')!r}. Seen: 2 sub-folders ('a', 'b'); "
        "1 picture beside them, not in them; other files: .csv 1, .txt 1."
    )


def test_hints_lead_on(tmp_path: Path) -> None:
    """A near name, an archive and a folder that lies one level deeper are pointed out."""
    fill(tmp_path, "photos/images/a/1.jpg", "photos/images/b/1.jpg", "photos.zip")
    for location, hint in [
        ("photoz", "Did you mean 'photos'?"),
        ("photos.zip", "Unpack it first."),
        ("photos", f"If the classes are 'a', 'b', give {str(tmp_path / 'photos' / 'images')!r} instead."),
    ]:
        with pytest.raises(SourceError) as caught:
            load(tmp_path / location)
        assert caught.value.hint == hint


def test_permission_denied_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that may not be opened is named; nothing is left out in silence."""
    fill(tmp_path, "a/1.jpg", "b/1.jpg", "b/locked/2.jpg")
    real = os.scandir

    def scandir(path: Path) -> Any:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert message(tmp_path) == f"The folder {str(tmp_path / 'b' / 'locked')!r} may not be opened: permission denied."


def test_accepts_folders_only(tmp_path: Path) -> None:
    """Existing folders that are not divided are accepted; nothing else, and no error is raised."""
    fill(tmp_path, "file.jpg", "plain/a/1.jpg", "divided/train/a/1.jpg", "divided/val/a/1.jpg")
    assert accepts(str(tmp_path / "plain"))
    assert accepts(tmp_path)
    others = [
        tmp_path / "divided",
        tmp_path / "file.jpg",
        tmp_path / "gone",
        "demo",
        "",
        None,
        3,
        b"x",
        "a\0b",
        "x" * 5000,
    ]
    assert [one for one in others if accepts(one)] == []
    assert [one for one in others if source_presplit.accepts(one)] == [tmp_path / "divided"]


def test_plugin_contributes_one_source() -> None:
    """The hook returns the record."""
    (source,) = source_folder.zoo_sources()
    assert (source.name, source.load, source.accepts, source.options) == ("folder", load, accepts, ())
