"""Which plugins are found, and which of them a person lets load."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from zoo.errors import UnknownNameError, UsageError
from zoo.plugins import load_catalog

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Site

    from zoo.registry import Catalog


def _fate(site: Site, catalog: Catalog) -> dict[str, tuple[str, str]]:
    """What became of the installed plugins and why, by distribution."""
    return {record.distribution: (record.status, record.cause) for record in site.records(catalog)}


def test_a_distribution_installed_twice_loads_once(site: Site) -> None:
    """The copy that Python sees first is loaded, the other one is not."""
    code = "from zoo.hookspecs import hookimpl\n@hookimpl\ndef zoo_heads():\n    return []\n"
    site.install("zoo-a", version="1.0", points={"a": "zoo_a"}, modules={"zoo_a": code}, folder="behind")
    site.install("Zoo_A", version="2.0", points={"a": "zoo_a"}, modules={"zoo_a": code}, folder="before")
    records = [record for record in load_catalog().plugins if record.name == "a"]
    assert [(record.version, record.status) for record in records] == [("2.0", "loaded")]


def test_a_shadowed_copy_does_not_load(site: Site) -> None:
    """A version without plugins in front of one with plugins is what is installed."""
    site.install("zoo-a", points={"a": "zoo_a"}, modules={"zoo_a": "1/0"}, folder="behind")
    info = site.install("zoo-a", version="2.0", points={}, modules={}, folder="before")
    (info / "entry_points.txt").unlink()
    assert "zoo-a" not in _fate(site, load_catalog())


@pytest.mark.parametrize("text", ["[zoo]\nnonsense\n", "[zoo]\na = \n"])
def test_damaged_entry_points_are_reported(site: Site, text: str) -> None:
    """Entry points that cannot be parsed are a failure of that distribution only."""
    info = site.install("zoo-a", points={}, modules={})
    (info / "entry_points.txt").write_text(text, encoding="utf-8")
    site.head("zoo-b", head="b-head")
    fate = _fate(site, load_catalog())
    assert fate["zoo-a"][0] == "failed"
    assert fate["zoo-b"] == ("loaded", "")


def test_absent_metadata_are_reported(site: Site) -> None:
    """A distribution without METADATA is reported, and the others load."""
    info = site.install("zoo-a", points={"a": "zoo_a"}, modules={"zoo_a": ""})
    (info / "METADATA").unlink()
    site.head("zoo-b", head="b-head")
    fate = _fate(site, load_catalog())
    assert fate.pop("zoo-b") == ("loaded", "")
    assert [status for status, _ in fate.values()] == ["failed"]


def test_entry_points_of_others_are_not_touched(site: Site) -> None:
    """Other groups, and files that are no UTF-8, are none of our business."""
    info = site.install("other-a", points={}, modules={"boom": "raise SystemExit"})
    (info / "entry_points.txt").write_text("[zoology]\nboom = boom\n[console_scripts]\nzoo = boom\n", encoding="utf-8")
    info = site.install("other-b", points={}, modules={})
    (info / "entry_points.txt").write_bytes(b"\xff\xfe[zoo]")
    assert _fate(site, load_catalog()).keys().isdisjoint({"other-a", "other-b"})
    assert "boom" not in sys.modules


def test_built_in_modules_come_through_the_same_door(builtins: Path) -> None:
    """The package is listed: modules with an underscore are none, and a broken one is a listed failure."""
    (builtins / "_table.py").write_text("1/0", encoding="utf-8")
    (builtins / "policy_broken.py").write_text("import not_there", encoding="utf-8")
    catalog = load_catalog(only=[])
    fate = [(record.name, record.status) for record in catalog.plugins if record.distribution == "keras-zoo"]
    assert fate == [("head_house", "loaded"), ("policy_broken", "failed")]
    assert catalog.names("head") == ("house",)
    assert catalog.plugins[1].cause == "ModuleNotFoundError: No module named 'not_there'"


@pytest.mark.parametrize("selector", ["second", "zoo-b", "Zoo_B", "zoo-b:second"])
def test_a_blocked_plugin_is_not_imported(site: Site, selector: str) -> None:
    """Entry point, distribution or both name a plugin to leave out; it is listed as blocked."""
    site.install("zoo-b", points={"second": "zoo_b"}, modules={"zoo_b": "raise SystemExit"})
    catalog = load_catalog(blocked=[selector])
    assert _fate(site, catalog)["zoo-b"] == ("blocked", "named by --no-plugin")
    assert "zoo_b" not in sys.modules
    with pytest.raises(UnknownNameError) as caught:
        catalog.head("b-head")
    assert "The plugin 'second' of distribution 'zoo-b' is blocked: named by --no-plugin." in caught.value.hint


@pytest.mark.parametrize(
    ("variable", "loaded"),
    [(None, {"zoo-a", "zoo-b"}), ("", set()), (" zoo-b ,", {"zoo-b"}), ("zoo-a,zoo-b", {"zoo-a", "zoo-b"})],
)
def test_the_variable_chooses_installed_plugins(
    site: Site, builtins: Path, variable: str | None, loaded: set[str]
) -> None:
    """Unset means all, empty none, and a list those on it; built-in ones always load."""
    site.head("zoo-a", head="a-head")
    site.head("zoo-b", head="b-head")
    if variable is not None:
        site.monkeypatch.setenv("ZOO_LOAD_PLUGINS", variable)
    catalog = load_catalog()
    fate = _fate(site, catalog)
    assert {name for name, (status, _) in fate.items() if status == "loaded"} == loaded
    assert {cause for status, cause in fate.values() if status == "blocked"} <= {"not named by ZOO_LOAD_PLUGINS"}
    assert "house" in catalog.names("head")


def test_the_call_goes_before_the_variable(site: Site) -> None:
    """`only` overrides the environment."""
    site.head("zoo-a", head="a-head")
    site.monkeypatch.setenv("ZOO_LOAD_PLUGINS", "no-such-plugin")
    assert _fate(site, load_catalog(only=["zoo-a"]))["zoo-a"] == ("loaded", "")


def test_an_unknown_plugin_is_a_mistake_of_the_call(site: Site) -> None:
    """A misspelt plugin is an error that says where it was written and what is near."""
    site.head("zoo-a", head="a-head")
    with pytest.raises(UsageError) as caught:
        load_catalog(blocked=["zoo-aa"])
    assert caught.value.message == "There is no plugin named 'zoo-aa'."
    assert caught.value.hint.startswith("--no-plugin names it. Did you mean zoo-a")
    site.monkeypatch.setenv("ZOO_LOAD_PLUGINS", "zoo-a,qqqqqq")
    with pytest.raises(UnknownNameError) as caught:
        load_catalog()
    assert caught.value.hint == "ZOO_LOAD_PLUGINS names it. `zoo plugins` shows what is installed."


def test_the_order_is_fixed(site: Site) -> None:
    """Built-in plugins come first, then installed ones by distribution and name, whatever the order of sys.path."""
    site.head("zoo-b", head="b-head", folder="first")
    site.head("zoo-a", head="a-head", folder="second")
    catalog = load_catalog()
    assert list(_fate(site, catalog)) == ["zoo-a", "zoo-b"]
    own = [record.name for record in catalog.plugins if record.distribution == "keras-zoo"]
    assert own == sorted(own) == [record.name for record in catalog.plugins[: len(own)]]
