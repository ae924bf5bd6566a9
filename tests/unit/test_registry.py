"""The catalog: looking things up, and what is said when they are not there."""

from __future__ import annotations

import inspect
import pickle

import pytest

from zoo import hookspecs
from zoo.contracts import Augmentation, Backbone, Block, Head, Policy, Source
from zoo.errors import UnknownNameError
from zoo.registry import HOOKS, KINDS, Catalog, Entry, PluginRecord

SOURCE = Source(name="folder", title="t", accepts=bool, load=lambda location: location)
BACKBONE = Backbone(
    name="lite0",
    title="t",
    family="f",
    image_size=64,
    min_size=32,
    blocks=(Block(name="stem", layers=("*",)),),
    pixels="p",
    reference="r",
    build=lambda size, weights: (size, weights),
)
GAP = Head(name="gap", title="t", build=lambda feature_shape, classes: (feature_shape, classes))
FLATTEN = Head(name="flatten", title="t", build=GAP.build)
POLICY = Policy(name="gap", title="t", plan=lambda blocks, epochs: (blocks, epochs))
AUGMENTATION = Augmentation(name="none", title="t", build=lambda size, seed: (size, seed))

BROKEN = PluginRecord("vit", "zoo-vit", "1.0", "failed", cause="ImportError: no timber.", traceback="Traceback …")
CLASHING = PluginRecord("twin", "zoo-twin", "1.0", "failed", items=("head mlp",), cause="DuplicateNameError: twice")
BLOCKED = PluginRecord("extra", "", "", "blocked", cause="named by --no-plugin")


@pytest.fixture
def catalog() -> Catalog:
    """One item of each kind, and two heads."""
    items = (SOURCE, BACKBONE, GAP, FLATTEN, POLICY, AUGMENTATION)
    return Catalog(entries=tuple(Entry(item, f"made of {item.name}") for item in items))


def test_hooks_and_kinds_are_those_of_the_specification() -> None:
    """Every hook of `hookspecs` has a kind, and every kind a hook."""
    specified = [name for name, _ in inspect.getmembers(hookspecs, inspect.isfunction) if name.startswith("zoo_")]
    assert sorted(HOOKS) == sorted(specified)
    assert sorted(HOOKS.values()) == sorted(KINDS)


def test_items_are_found_by_kind_and_name(catalog: Catalog) -> None:
    """The same name may stand for a head and a policy."""
    assert catalog.source("folder") is SOURCE
    assert catalog.backbone("lite0") is BACKBONE
    assert catalog.head("gap") is GAP
    assert catalog.policy("gap") is POLICY
    assert catalog.augmentation("none") is AUGMENTATION
    assert catalog.get("head", "flatten") is FLATTEN
    assert catalog.origin("backbone", "lite0") == "made of lite0"


def test_lists_are_sorted(catalog: Catalog) -> None:
    """Names and items come sorted by name."""
    assert catalog.names("head") == ("flatten", "gap")
    assert catalog.items("head") == (FLATTEN, GAP)


def test_an_unknown_name_has_near_matches(catalog: Catalog) -> None:
    """The message states the fact, the hint the names that are near."""
    with pytest.raises(UnknownNameError) as caught:
        catalog.head("flaten")
    assert caught.value.message == "There is no head named 'flaten'."
    assert caught.value.hint == "Did you mean flatten?"
    assert caught.value.known == ("flatten", "gap")
    with pytest.raises(UnknownNameError, match="Known: flatten, gap"):
        catalog.origin("head", "xyzzy")


def test_absent_plugins_are_named_in_the_hint() -> None:
    """Who asks for an unknown item learns about plugins that failed or were left out."""
    catalog = Catalog(plugins=(BROKEN, BLOCKED, PluginRecord("fine", "zoo-fine", "1.0", "loaded")))
    with pytest.raises(UnknownNameError) as caught:
        catalog.backbone("vit-b16")
    assert caught.value.hint == (
        "Known: none. `zoo list` shows them all. "
        "The plugin 'vit' of distribution 'zoo-vit' failed to load: ImportError: no timber; see `zoo plugins`. "
        "The plugin 'extra' of this process is blocked: named by --no-plugin."
    )


def test_the_plugin_that_has_the_item_is_named_alone() -> None:
    """Of several absent plugins only the one that is known to provide the item is named."""
    with pytest.raises(UnknownNameError) as caught:
        Catalog(plugins=(BROKEN, CLASHING)).head("mlp")
    assert "zoo-twin" in caught.value.hint
    assert "zoo-vit" not in caught.value.hint


def test_failures_are_the_failed_ones() -> None:
    """Blocked plugins are no failures."""
    assert Catalog(plugins=(BROKEN, BLOCKED, CLASHING)).failures == (BROKEN, CLASHING)


def test_records_travel_to_other_processes() -> None:
    """A plugin record survives pickling."""
    assert pickle.loads(pickle.dumps(BROKEN)) == BROKEN


def test_a_catalog_cannot_be_changed(catalog: Catalog) -> None:
    """There is no way to register into an existing catalog."""
    with pytest.raises(AttributeError):
        catalog.entries = ()  # type: ignore[misc]
