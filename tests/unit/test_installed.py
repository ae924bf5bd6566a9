"""Entry points read as plain files are those of `importlib.metadata`, and what is unusual is left to it."""

from __future__ import annotations

import sys
import zipfile
from importlib import metadata
from typing import TYPE_CHECKING, Any

import pytest

from zoo import discovery, installed
from zoo.installed import UnusualError, version_of, with_group

if TYPE_CHECKING:
    from pathlib import Path

USUAL = "Metadata-Version: 2.1\nName: Odd.Plugin\nVersion: 1.5\nSummary: s\n\nName: not this\n"


class Finder:
    """Somebody's own finder of distributions."""

    @staticmethod
    def find_spec(*_: object) -> None:
        """Finds no module."""

    @staticmethod
    def find_distributions(*_: object) -> list[Any]:
        """Finds no distribution."""
        return []


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, the only one on `sys.path` besides those of the standard library."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *(one for one in sys.path if "site-packages" not in one)])
    return tmp_path


def install(place: Path, points: str | None, *, about: str = USUAL, folder: str = "odd_plugin-1.5.dist-info") -> None:
    """Write the metadata of a distribution."""
    (place / folder).mkdir()
    (place / folder / "METADATA").write_text(about, encoding="utf-8")
    if points is not None:
        (place / folder / "entry_points.txt").write_text(points, encoding="utf-8")


def told(group: str) -> set[tuple[str, str, str]]:
    """Distribution, name and value of each entry point as `importlib.metadata` has them."""
    return {(point.dist.name, point.name, point.value) for point in metadata.entry_points(group=group) if point.dist}


def read(group: str) -> set[tuple[str, str, str]]:
    """The same, as they are read here."""
    return {(one.name, point.name, point.value) for one in with_group(group) for point in one.points}


@pytest.mark.parametrize("group", ["zoo", "pytest11", "array_api", "there-is-no-such-group"])
def test_what_is_installed_is_read_as_python_has_it(group: str) -> None:
    """Every distribution of this environment, with every entry point of the group."""
    assert read(group) == told(group)


@pytest.mark.parametrize("name", ["numpy", "typing_extensions", "Typing.Extensions", "keras-zoo", "no-such-thing"])
def test_a_version_is_read_as_python_has_it(name: str) -> None:
    """Names may be spelt in all ways; what is not installed has no version."""
    try:
        expected: str | None = metadata.version(name)
    except metadata.PackageNotFoundError:
        expected = None
    assert version_of(name) == expected


@pytest.mark.parametrize(
    "points",
    [
        "[zoo]\na = some.module\n",
        "# before\n[console_scripts]\na = other:main\n\n[zoo]\n# within\n  b=some.module : thing.part  \n",
        "[zoo]\na = m1\nb c = m2:x\n[other]\na = m3\n[zoo]\nd = m4\n",
        "[ zoo ]\na = m1\n",
        "[zoology]\na = m1\n",
        "",
    ],
)
def test_all_usual_spellings_are_read(place: Path, points: str) -> None:
    """Comments, spaces, several sections of one name and other groups."""
    install(place, points)
    assert read("zoo") == told("zoo")
    assert version_of("odd-plugin") == "1.5"


@pytest.mark.parametrize("points", ["[zoo]\na = m1 [extra]\n", "[zoo]\nnonsense\n", "[zoo]\na =\n", "[zoo]\n[a = m\n"])
def test_what_is_spelt_unusually_is_left_to_python(place: Path, points: str) -> None:
    """Extras and damaged lines."""
    install(place, points)
    with pytest.raises(UnusualError):
        with_group("zoo")


@pytest.mark.parametrize(
    ("about", "folder"),
    [
        ("Name: other\nVersion: 1.5\n", "odd_plugin-1.5.dist-info"),
        ("Version: 1.5\n", "odd_plugin-1.5.dist-info"),
        ("Name: odd\n plugin\nVersion:\n 1.5\n", "odd_plugin-1.5.dist-info"),
        ("Name: odd-plugin\nVersion: 1.5\nVersion: 1.6\n", "odd_plugin-1.5.dist-info"),
    ],
)
def test_headers_that_are_not_one_line_are_left_to_python(place: Path, about: str, folder: str) -> None:
    """A name that is not the folder's, one that is missing or twice there, and one that goes on in the next line."""
    install(place, "[zoo]\na = m1\n", about=about, folder=folder)
    with pytest.raises(UnusualError):
        with_group("zoo")


def test_an_entry_point_is_loaded_as_python_loads_it(place: Path) -> None:
    """A module, and what stands in it below several names."""
    (place / "odd_module.py").write_text("class Holder:\n    thing = 'found'\n", encoding="utf-8")
    install(place, "[zoo]\na = odd_module\nb = odd_module:Holder.thing\nc = odd_module:gone\n")
    try:
        (one,) = with_group("zoo")
        loads = {point.name: point.load for point in one.points}
        assert loads["a"]() is sys.modules["odd_module"]
        assert loads["b"]() == "found"
        with pytest.raises(AttributeError):
            loads["c"]()
    finally:
        sys.modules.pop("odd_module", None)


def test_zips_eggs_and_finders_are_left_to_python(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no folder of installed distributions, while what is not there is no matter."""
    monkeypatch.setattr(sys, "path", [str(place / "not-there"), *sys.path])
    assert with_group("zoo") == []
    with monkeypatch.context() as patch:
        with zipfile.ZipFile(place / "all.zip", "w") as archive:
            archive.writestr("odd_plugin-1.5.dist-info/METADATA", USUAL)
        patch.setattr(sys, "path", [*sys.path, str(place / "all.zip")])
        with pytest.raises(UnusualError):
            with_group("zoo")
    with monkeypatch.context() as patch:
        (place / "odd.egg").mkdir()
        patch.setattr(sys, "path", [*sys.path, str(place / "odd.egg")])
        with pytest.raises(UnusualError):
            version_of("odd-plugin")
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    with pytest.raises(UnusualError):
        with_group("zoo")


def test_plugins_are_the_same_either_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """With somebody's finder in the way, `importlib.metadata` is asked, and says the same of what is installed."""

    def facts() -> list[tuple[object, ...]]:
        found = [*discovery.builtin_candidates(), *discovery.installed_candidates()]
        return [(one.name, one.distribution, one.version, one.origin, one.module, one.builtin) for one in found]

    plain = facts()
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    with pytest.raises(UnusualError):
        installed.version_of("keras-zoo")
    assert facts() == plain
