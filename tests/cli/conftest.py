"""Fixtures for the tests of the command line."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from zoo.cli.app import app
from zoo.contracts import Augmentation, Backbone, Block, Head, Option, Phase, Policy, Source, Weights
from zoo.registry import Catalog, Entry, PluginRecord
from zoo.rows import Board, Row
from zoo.store import Store
from zoo.values import Recipe, Scores, Spec

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


@pytest.fixture
def recipe() -> Recipe:
    """A recipe whose class names look like markup."""
    return Recipe(
        backbone=Spec("lite"),
        head=Spec("gap"),
        policy=Spec("top"),
        augmentation=Spec("none"),
        data="d",
        split="s",
        classes=("[/]", "[red]"),
    )


@pytest.fixture
def row() -> Callable[..., Row]:
    """Makes rows of a board."""

    def make(policy: str, score: float | None, rank: int | None = None, **changes: Any) -> Row:
        whole = Row(
            kind="run",
            backbone="efficientnet-lite0",
            head="gap",
            policy=policy,
            augmentation="none",
            rank=rank,
            score=score,
            low=None if score is None else score - 0.05,
            high=None if score is None else score + 0.02,
            accuracy=score,
            balanced_accuracy=score,
            seeds=1 if score is not None else 0,
            trainable=42_000,
            total=3_412_000,
            seconds=185.0,
            milliseconds_per_image=3.14,
        )
        return dataclasses.replace(whole, **changes)

    return make


@pytest.fixture
def board() -> Callable[..., Board]:
    """Makes boards of rows."""

    def make(*rows: Row, **changes: Any) -> Board:
        whole = Board(
            rows=rows,
            stale=(),
            metric="accuracy",
            classes=("[/]", "[red]"),
            n_train=280,
            n_validation=60,
            n_test=60,
            data="d",
            split="s",
        )
        return dataclasses.replace(whole, **changes)

    return make


@pytest.fixture
def good(row: Callable[..., Row], board: Callable[..., Board]) -> Board:
    """A board whose second row ties with the first, is cheaper, and was scored on the test part; and a baseline."""
    return board(
        row("bn-trainable", 0.953, 1),
        row("freeze-all", 0.951, 2, tied_with_best=True, recommended=True, test=Scores(60, 0.94, 0.93, 0.2, ())),
        Row(kind="baseline", backbone="majority", score=0.41, low=0.3, high=0.51, accuracy=0.41, balanced_accuracy=0.5),
        notes=("Both rows have one seed [/].",),
    )


@pytest.fixture
def bad(good: Board, row: Callable[..., Row]) -> Board:
    """That board with a row that failed."""
    reason = "No [red] memory\x1b[2J."
    lost = row("unfreeze-top-k:k=2,bn=adapting", None, status="failed", reason=reason, failed=1)
    return dataclasses.replace(good, rows=(*good.rows, lost))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: Recipe) -> Path:
    """The usual store, in the working folder, with one finished run and two rows looked at on the test part."""
    monkeypatch.chdir(tmp_path)
    with Store("zoo-runs") as opened:
        name = opened.begin(recipe, digest="a" * 64, environment={})
        scores = Scores(60, 0.951, 0.95, 0.2, (1.0, 0.9))
        opened.finish(dataclasses.replace(opened.get(name), status="finished", validation=scores))
        for title in ("r1", "r2", "r2"):  # one row with two seeds
            opened.record_test_look(row=title, run_id=name, when="2026-01-01T00:00:00+00:00", scores=scores)
    return Path("zoo-runs")
