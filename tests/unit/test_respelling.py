"""Defaults that have changed: what older versions stored is found as what it was, and told as what it was."""

from __future__ import annotations

import dataclasses
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

import zoo
from zoo import experiment
from zoo.events import RunEnded
from zoo.recipe import recipe_digest, recipe_from_json, recipe_to_json, row_digest
from zoo.respelling import CHANGED, respelt
from zoo.store import Store
from zoo.values import Recipe, Spec

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Bench

    from zoo.registry import Catalog

MOVING, PRECISE = (("stats", "moving"),), (("stats", "precise"),)
QUICK: dict[str, Any] = {"backbone": "tiny", "epochs": 1, "batch_size": 8, "cache": False}


def plain(policy: Spec) -> Recipe:
    """A recipe with a policy."""
    others = {"backbone": Spec("tiny"), "head": Spec("gap"), "augmentation": Spec("none")}
    return Recipe(**others, policy=policy, data="d", split="s", classes=("a", "b"))


@pytest.mark.parametrize(
    ("stored", "today"),
    [
        (Spec("bn-trainable", MOVING, "bn-trainable"), "bn-trainable:stats=moving"),
        (Spec("bn-trainable", PRECISE, "bn-trainable:stats=precise"), "bn-trainable"),
        (Spec("bn-trainable", MOVING, "bn-trainable:stats=moving"), "bn-trainable:stats=moving"),
        (Spec("bn-trainable", PRECISE, "bn-trainable"), "bn-trainable"),
        (Spec("bn-trainable", (*MOVING, ("a", 2)), "bn-trainable:a=2"), "bn-trainable:a=2,stats=moving"),
        (Spec("bn-trainable", (*PRECISE, ("a", 2)), "bn-trainable:stats=precise,a=2"), "bn-trainable:a=2"),
        (Spec("bn-trainable", (), "bn-trainable"), "bn-trainable"),
        (Spec("mine", MOVING, "mine"), "mine"),
    ],
)
def test_a_stored_policy_is_spelt_as_today(stored: Spec, today: str) -> None:
    """The spelling follows from the options, whoever wrote it; options and digest of the row stay."""
    recipe = plain(stored)
    again = respelt(recipe)
    assert str(again.policy) == today
    assert again.policy.options == stored.options
    assert row_digest(again) == row_digest(recipe)
    assert respelt(again) is again
    assert recipe_from_json(recipe_to_json(recipe)) == again


def test_what_is_listed_as_changed_is_what_the_catalog_has(catalog: Catalog) -> None:
    """The new default is the option's, and both values are plain words among its choices."""
    for (name, option), (before, now) in CHANGED.items():
        declared = next(one for one in catalog.policy(name).options if one.name == option)
        assert declared.default == now
        assert {before, now} <= set(declared.choices)


def test_an_old_row_is_not_the_new_default(bench: Bench) -> None:
    """What older versions called `bn-trainable` has the digests of `stats=moving`, not of today's `bn-trainable`."""
    old, new, moving = (
        bench.recipe(policy) for policy in ("bn-trainable", "bn-trainable", "bn-trainable:stats=moving")
    )
    old = dataclasses.replace(old, policy=Spec("bn-trainable", MOVING, "bn-trainable"))
    for digest in (row_digest, lambda recipe: recipe_digest(recipe, {"keras": "3"})):
        assert digest(old) == digest(moving) != digest(new)


@pytest.fixture
def older(photos: Path, tmp_path: Path, catalog: Catalog) -> Path:
    """A store with a run on moving statistics as an older version wrote it: named by the default of its time."""
    run = zoo.fit(photos, policy="bn-trainable:stats=moving", store=tmp_path / "s", catalog=catalog, **QUICK)
    with sqlite3.connect(tmp_path / "s" / "zoo.sqlite") as database:
        told = '"text":"bn-trainable:stats=moving"'
        (text,) = database.execute("SELECT record FROM runs").fetchone()
        assert told in text
        changed = text.replace(told, '"text":"bn-trainable"')
        database.execute("UPDATE runs SET record = ? WHERE id = ?", (changed, run.record.id))
    database.close()
    return tmp_path / "s"


def reused(photos: Path, store: Path, catalog: Catalog, policy: str) -> bool:
    """Whether a call takes its run from the store."""
    events: list[Any] = []
    zoo.compare(
        photos,
        backbones=[QUICK["backbone"]],
        policies=[policy],
        **{name: value for name, value in QUICK.items() if name != "backbone"},
        store=store,
        catalog=catalog,
        jobs=0,
        observe=events.append,
    )
    return [event.reused for event in events if isinstance(event, RunEnded)] == [True]


def test_an_older_store_gives_no_run_for_the_new_default(older: Path, photos: Path, catalog: Catalog) -> None:
    """`bn-trainable` is trained anew, what the store has is found under its true name, and a board tells them apart."""
    with Store(older) as store:
        (record,) = store.runs()
        assert str(record.recipe.policy) == "bn-trainable:stats=moving"
    assert reused(photos, older, catalog, "bn-trainable:stats=moving")
    assert not reused(photos, older, catalog, "bn-trainable")
    assert reused(photos, older, catalog, "bn-trainable")
    policies = [row.policy for row in zoo.leaderboard(older).rows if row.kind == "run"]
    assert sorted(policies) == ["bn-trainable", "bn-trainable:stats=moving"]


def test_runs_of_an_older_engine_are_made_again_beside_it(
    photos: Path, tmp_path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They stay on the board, told apart by their engine; a run of the present one is found again."""
    with monkeypatch.context() as patch:
        patch.setattr(experiment, "ENGINE", experiment.ENGINE - 1)
        assert not reused(photos, tmp_path, catalog, "freeze-all")
        assert reused(photos, tmp_path, catalog, "freeze-all")
    assert not reused(photos, tmp_path, catalog, "freeze-all")
    assert reused(photos, tmp_path, catalog, "freeze-all")
    settings = [row.settings for row in zoo.leaderboard(tmp_path).rows if row.kind == "run"]
    assert sorted(settings) == [f"engine {experiment.ENGINE - 1}", f"engine {experiment.ENGINE}"]
