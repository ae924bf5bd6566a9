"""Two origins of one name: nobody wins by the order of discovery, and built-in items stay."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from zoo.errors import UnknownNameError
from zoo.plugins import load_catalog

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Site

    from zoo.registry import Catalog


def _statuses(site: Site, catalog: Catalog) -> dict[str, str]:
    """What became of the installed plugins, by distribution."""
    return {record.distribution: record.status for record in site.records(catalog)}


@pytest.mark.parametrize("order", [("a-place", "b-place"), ("b-place", "a-place")])
def test_strangers_with_one_name_both_fail(site: Site, order: tuple[str, str]) -> None:
    """Whatever the order of sys.path, both are out, and each says who the other is and how to leave one out."""
    site.head("zoo-a", head="twin", folder="a-place")
    site.head("zoo-b", head="twin", folder="b-place")
    site.monkeypatch.setattr(sys, "path", [str(site.root / place) for place in order] + sys.path)
    catalog = load_catalog()
    assert _statuses(site, catalog) == {"zoo-a": "failed", "zoo-b": "failed"}
    assert site.records(catalog)[0].cause == (
        "DuplicateNameError: zoo-a 1.0 (entry point zoo-a): head 'twin' is also provided by zoo-b 1.0 (entry point "
        "zoo-b). None of them is used. Leave one out: --no-plugin zoo-a:zoo-a or --no-plugin zoo-b:zoo-b; or list in "
        "ZOO_LOAD_PLUGINS those to load."
    )
    assert site.records(catalog)[1].items == ("head twin",)
    assert "twin" not in catalog.names("head")


def test_leaving_one_out_mends_a_clash(site: Site) -> None:
    """The advice of the message works."""
    site.head("zoo-a", head="twin")
    site.head("zoo-b", head="twin")
    catalog = load_catalog(blocked=["zoo-a:zoo-a"])
    assert _statuses(site, catalog) == {"zoo-a": "blocked", "zoo-b": "loaded"}
    assert catalog.origin("head", "twin") == "zoo-b 1.0 (entry point zoo-b)"


def test_an_unknown_name_points_to_the_clash(site: Site) -> None:
    """Of several failures, the hint names those that know the name."""
    site.head("zoo-a", head="twin")
    site.head("zoo-b", head="twin")
    site.install("zoo-c", points={"c": "zoo_c"}, modules={"zoo_c": "1/0"})
    with pytest.raises(UnknownNameError) as caught:
        load_catalog().head("twin")
    assert "zoo-a" in caught.value.hint
    assert "zoo-b" in caught.value.hint
    assert "zoo-c" not in caught.value.hint


def test_a_built_in_item_wins(site: Site, builtins: Path) -> None:
    """A stranger with the name of a built-in item fails, and the built-in one stays."""
    site.head("zoo-a", head="house")
    catalog = load_catalog()
    assert _statuses(site, catalog) == {"zoo-a": "failed"}
    assert catalog.origin("head", "house").endswith("(zoo.builtin.head_house)")
    assert "Built-in items win. Leave one out: --no-plugin keras-zoo:head_house or" in site.records(catalog)[0].cause


def test_a_built_in_item_can_be_left_out_for_a_stranger(site: Site, builtins: Path) -> None:
    """Blocking a built-in module frees its names."""
    site.head("zoo-a", head="house")
    catalog = load_catalog(blocked=["keras-zoo:head_house"])
    assert catalog.origin("head", "house") == "zoo-a 1.0 (entry point zoo-a)"
    assert _statuses(site, catalog) == {"zoo-a": "loaded"}


def test_built_in_modules_with_one_name_both_fail(builtins: Path) -> None:
    """Nobody wins silently at home either."""
    (builtins / "head_other.py").write_text((builtins / "head_house.py").read_text(encoding="utf-8"), encoding="utf-8")
    catalog = load_catalog(only=[])
    assert [(record.name, record.status) for record in catalog.plugins if record.distribution == "keras-zoo"] == [
        ("head_house", "failed"),
        ("head_other", "failed"),
    ]
    assert catalog.names("head") == ()


def test_a_clash_takes_the_whole_plugin(site: Site) -> None:
    """All of a plugin's items or none: the names that are free do not stay behind."""
    code = (
        "from zoo.contracts import Head\nfrom zoo.hookspecs import hookimpl\n@hookimpl\ndef zoo_heads():\n"
        "    return [Head(name=n, title='t', build=lambda feature_shape, classes: None) for n in ('twin', 'single')]\n"
    )
    site.install("zoo-a", points={"a": "zoo_a"}, modules={"zoo_a": code})
    site.head("zoo-b", head="twin")
    catalog = load_catalog()
    assert "single" not in catalog.names("head")
    assert site.records(catalog)[0].items == ("head twin", "head single")


def test_one_name_of_two_kinds_is_no_clash(site: Site) -> None:
    """A head and a policy may have the same name."""
    code = (
        "from zoo.contracts import Policy\nfrom zoo.hookspecs import hookimpl\n@hookimpl\ndef zoo_policies():\n"
        "    return [Policy(name='twin', title='t', plan=lambda blocks, epochs: ())]\n"
    )
    site.install("zoo-a", points={"a": "zoo_a"}, modules={"zoo_a": code})
    site.head("zoo-b", head="twin")
    assert _statuses(site, load_catalog()) == {"zoo-a": "loaded", "zoo-b": "loaded"}


def test_distributions_may_share_the_name_of_an_entry_point(site: Site) -> None:
    """Pluggy's own loader keeps the first only; here both load."""
    site.head("zoo-a", head="a-head", point="vit", folder="a-place")
    site.head("zoo-b", head="b-head", point="vit", folder="b-place")
    catalog = load_catalog()
    assert _statuses(site, catalog) == {"zoo-a": "loaded", "zoo-b": "loaded"}
    assert {"a-head", "b-head"} <= set(catalog.names("head"))
    assert _statuses(site, load_catalog(blocked=["vit"])) == {"zoo-a": "blocked", "zoo-b": "blocked"}
    assert _statuses(site, load_catalog(blocked=["zoo_B"])) == {"zoo-a": "loaded", "zoo-b": "blocked"}


def test_a_given_plugin_clashes_like_a_stranger(site: Site) -> None:
    """A plugin of this process and an installed one with the same name both fail."""
    site.head("zoo-a", head="twin")
    namespace: dict[str, object] = {}
    exec((site.root / "site" / "zoo_a.py").read_text(encoding="utf-8"), namespace)  # noqa: S102 — our own text
    plugin = type("Script", (), {"zoo_heads": staticmethod(namespace["zoo_heads"])})()
    catalog = load_catalog(extra=[plugin])
    assert [(record.name, record.status) for record in site.records(catalog)] == [
        ("zoo-a", "failed"),
        ("Script", "failed"),
    ]
    assert "given in this process" in site.records(catalog)[0].cause
