"""Fixtures for the tests of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from zoo.cli.app import app
from zoo.contracts import Augmentation, Backbone, Block, Head, Option, Phase, Policy, Source, Weights
from zoo.registry import Catalog, Entry, PluginRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

    Zoo = Callable[..., Result]


@pytest.fixture
def zoo(monkeypatch: pytest.MonkeyPatch) -> Zoo:
    """Runs the command line in this process, on a screen of 80 columns if no other width is given."""
    monkeypatch.delenv("ZOO_LOAD_PLUGINS", raising=False)

    def run(*words: str, columns: int | None = 80) -> Result:
        env = {"COLUMNS": None if columns is None else str(columns), "NO_COLOR": "1"}
        return CliRunner().invoke(app, list(words), env=env)

    return run


def _plan(blocks: int, epochs: int, *, k: int) -> tuple[Phase, ...]:
    return (Phase(name="[/] warm", epochs=epochs, learning_rate=1e-3, open_blocks=min(k, blocks)),)


def _never(*_: object, **__: object) -> None:
    raise AssertionError("nothing is built in these tests")


@pytest.fixture
def catalog() -> Catalog:
    """One item of each kind with awkward texts, and plugins of every status."""
    builtin, foreign = "keras-zoo 0.1.0 (zoo.builtin.x)", "zoo-odd 2.0 (entry point odd)"
    imagenet = Weights(
        id="imagenet", origin="a package", licence="MIT [/]", trained_on="ImageNet", top1=0.751, bundled=True
    )
    backbone = Backbone(
        name="odd",
        title="[red]odd[/red] network",
        family="odd",
        image_size=64,
        min_size=32,
        blocks=tuple(Block(name=f"unit{n}", layers=(f"u{n}_*",)) for n in range(1, 13)),
        pixels="x / 255",
        reference="https://example.org/odd",
        build=_never,
        weights=(imagenet,),
        options=(Option("depth", 2, "How deep.", 1, 6),),
    )
    policy = Policy(name="top", title="opens the top", plan=_plan, options=(Option("k", 1, "Open blocks.", 0),))
    items = (
        Entry(backbone, foreign),
        Entry(Head(name="gap", title="pools", build=_never, options=(Option("dropout", 0.2, "Share."),)), builtin),
        Entry(policy, builtin),
        Entry(Augmentation(name="none", title="as they are", build=_never), builtin),
        Entry(Head(name="none", title="a head of the same name", build=_never), foreign),
        Entry(Source(name="folder", title="a folder", accepts=_never, load=_never), builtin),
    )
    cause = "ImportError: no [/] module\x1b[2J named 'gone' " + "because of this and that " * 6
    plugins = (
        PluginRecord("head_gap", "keras-zoo", "0.1.0", "loaded", ("head gap",), milliseconds=1.6),
        PluginRecord("odd", "zoo-odd", "2.0", "loaded", ("backbone odd", "head none"), milliseconds=12.0),
        PluginRecord("broken", "zoo-broken", "0.3", "failed", (), cause, "Traceback …\n  boom \x1b[2J", 1, 3.2),
        PluginRecord("shut", "zoo-shut", "1.0", "blocked", (), "named by --no-plugin"),
    )
    return Catalog(entries=items, plugins=plugins)


@pytest.fixture
def catalogued(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """The command line finds that catalog instead of what is installed."""
    monkeypatch.setattr("zoo.cli.session.load_catalog", lambda **_: catalog)
    return catalog
