"""Plugins given in this process, and what loading must not do."""

from __future__ import annotations

import subprocess
import sys
import types

import pytest

from zoo.contracts import Head, Policy
from zoo.errors import PluginLoadError
from zoo.hookspecs import hookimpl
from zoo.plugins import load_catalog


def _build(feature_shape: tuple[int, ...], classes: int) -> None:
    """Stand for a function that needs Keras."""


class Script:
    """A plugin made in a script."""

    @hookimpl
    def zoo_heads(self) -> list[Head]:
        """One head."""
        return [Head(name="script-head", title="t", build=_build)]

    @hookimpl(specname="zoo_policies")
    def mine(self) -> tuple[Policy, ...]:
        """One policy, under a name of its own."""
        return (Policy(name="script-policy", title="t", plan=lambda blocks, epochs: (blocks, epochs)),)


def test_an_object_of_this_process_contributes() -> None:
    """A script hands its plugin over and finds its items in the catalog."""
    catalog = load_catalog(only=[], extra=[Script()])
    assert catalog.head("script-head").build is _build
    assert catalog.origin("policy", "script-policy") == "given in this process"
    record = catalog.plugins[-1]
    assert (record.name, record.distribution, record.version, record.status) == ("Script", "", "", "loaded")
    assert record.items == ("head script-head", "policy script-policy")
    assert (record.api_level, record.cause, record.traceback) == (1, "", "")
    assert record.milliseconds > 0


def test_a_module_of_this_process_contributes() -> None:
    """A module is a plugin too, with its level."""
    module = types.ModuleType("my_notebook")
    module.zoo_heads = hookimpl(lambda: [Head(name="module-head", title="t", build=_build)])
    assert load_catalog(only=[], extra=[module]).names("head").count("module-head") == 1
    module.ZOO_API_LEVEL = 99
    record = load_catalog(only=[], extra=[module]).plugins[-1]
    assert (record.name, record.status, record.api_level) == ("my_notebook", "failed", 99)


def test_nothing_is_remembered_between_calls() -> None:
    """A catalog is a value: a second one does not have what the first was given."""
    first = load_catalog(only=[], extra=[Script()])
    second = load_catalog(only=[])
    assert "script-head" in first.names("head")
    assert "script-head" not in second.names("head")
    assert len(first.plugins) == len(second.plugins) + 1


def test_the_class_itself_is_no_plugin() -> None:
    """Who forgets to make an object of a class gets a failure, not a crash."""
    record = load_catalog(only=[], extra=[Script]).plugins[-1]
    assert record.status == "failed"
    assert "missing 1 required positional argument: 'self'" in record.cause


def test_the_same_object_twice_clashes_with_itself() -> None:
    """Handing one plugin over twice is told as a clash of names."""
    plugin = Script()
    catalog = load_catalog(only=[], extra=[plugin, plugin])
    assert [record.status for record in catalog.plugins[-2:]] == ["failed", "failed"]
    with pytest.raises(PluginLoadError, match="plugin 'Script' of this process: DuplicateNameError"):
        load_catalog(only=[], extra=[plugin, plugin], strict=True)


def test_a_long_cause_is_cut() -> None:
    """A message of any length stays one line that fits a table."""

    def fail() -> None:
        raise ValueError("so " * 10_000)

    module = types.ModuleType("verbose")
    module.zoo_heads = hookimpl(fail)
    cause = load_catalog(only=[], extra=[module]).plugins[-1].cause
    assert len(cause) == 600
    assert cause.endswith("…")


def test_listing_imports_nothing_heavy() -> None:
    """Loading all plugins, recipes and environment imports no Keras, backend, NumPy, Pillow, typer or rich."""
    code = (
        "import sys, zoo.recipe, zoo.grid, zoo.environment, zoo.plugins; zoo.plugins.load_catalog(only=[]); "
        "zoo.environment.environment(); "
        "heavy = {'keras', 'keras_cv', 'tensorflow', 'torch', 'jax', 'numpy', 'PIL', 'typer', 'rich'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
