"""Wrong inputs in runs: what is told, once, and that the numbers of a run are what they were without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest
from PIL import Image

import zoo
from zoo import experiment, readings
from zoo.contracts import Weights
from zoo.events import Note
from zoo.hookspecs import hookimpl
from zoo.input_check import InputCheck
from zoo.plugins import load_catalog
from zoo.store import Store
from zoo.testing import tiny_backbone

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.registry import Catalog

SIZE, EACH = 32, 30


def landscapes(count: int, seed: int) -> np.ndarray:
    """Bright blue above and dark brown below, or the other way round in every second one; uint8 (count, 32, 32, 3)."""
    draw = np.random.default_rng(seed)
    made = np.empty((count, SIZE, SIZE, 3))
    for row in range(count):
        line = draw.integers(12, 20)
        made[row, :line], made[row, line:] = (90, 150, 240), (110, 70, 30)
        made[row] += draw.normal(0, 12, 3) + draw.normal(0, 12, made[row].shape)
    made[1::2] = made[1::2, ::-1]
    return np.clip(np.rint(made), 0, 255).astype(np.uint8)


class Knowing:
    """A tiny backbone whose statistics are those of landscapes."""

    @staticmethod
    @hookimpl
    def zoo_backbones() -> list[zoo.Backbone]:
        """The one backbone."""
        tiny = tiny_backbone(name="knowing")

        def build(*, size: int, weights: Any) -> Any:
            keras.utils.set_random_seed(3)
            model = tiny.build(size=size, weights=None)
            pictures = landscapes(100, seed=1).astype(np.float32)
            for layer in model.layers if weights is not None else ():
                if isinstance(layer, keras.layers.BatchNormalization):
                    seen = keras.Model(model.input, layer.input).predict(pictures, verbose=0)
                    layer.moving_mean.assign(seen.mean((0, 1, 2)))
                    layer.moving_variance.assign(seen.var((0, 1, 2)))
            return model

        weights = Weights(id="land", origin="here", licence="MIT", trained_on="landscapes", bundled=True)
        record = {field: getattr(tiny, field) for field in tiny.__slots__}
        return [zoo.Backbone(**(record | {"build": build, "weights": (weights,), "image_size": SIZE}))]


@pytest.fixture(scope="module")
def items() -> Catalog:
    """Everything built in and the backbone that knows landscapes."""
    return load_catalog(only=[], extra=[Knowing])


def folder_of(pixels: np.ndarray, folder: Path) -> Path:
    """Pictures as files, those with the sky below in a class of their own."""
    for row, picture in enumerate(pixels):
        place = folder / ("down" if row % 2 else "up")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(place / f"{row:03}.png")
    return folder


@pytest.fixture
def swapped(tmp_path: Path) -> Path:
    """Landscapes whose files have blue first."""
    return folder_of(landscapes(2 * EACH, seed=2)[..., ::-1].copy(), tmp_path / "swapped")


def wrong(heard: list[Any]) -> list[str]:
    """Texts of the notes about wrong inputs."""
    return [event.text for event in heard if isinstance(event, Note) and event.text.startswith("Wrong inputs")]


QUICK: dict[str, Any] = {"epochs": 1, "batch_size": 8}
KNOWING: dict[str, Any] = {**QUICK, "backbone": "knowing", "policy": "freeze-all"}


def test_right_inputs_are_not_talked_about(items: Catalog, tmp_path: Path) -> None:
    """A run on pictures that the backbone knows has no note about inputs."""
    data, heard = folder_of(landscapes(2 * EACH, seed=2), tmp_path / "right"), []
    run = zoo.fit(
        data,
        backbone="knowing",
        policy="freeze-all",
        observe=heard.append,
        catalog=items,
        store=tmp_path / "s",
        **QUICK,
    )
    assert not wrong(heard)
    assert not any("inputs" in note or "swapped" in note for note in run.record.notes)


def test_wrong_inputs_are_told_once_for_all_rows(
    items: Catalog, swapped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The backbone looks once, the person is told once, and each row keeps the note; a later call knows it still."""
    looked: list[int] = []
    plain = readings.check
    monkeypatch.setattr(readings, "check", lambda *given, **named: looked.append(1) or plain(*given, **named))
    grid = {"backbones": ["knowing"], "policies": ["freeze-all", "bn-affine"], "jobs": 0, "catalog": items, **QUICK}
    for store in ("first", "second"):
        heard: list[Any] = []
        zoo.compare(swapped, observe=heard.append, store=tmp_path / store, **grid)
        assert len(wrong(heard)) == 1
        assert wrong(heard)[0].startswith("Wrong inputs: Red and blue seem to be swapped")
        with Store(tmp_path / store) as opened:
            notes = [record.notes for record in opened.runs()]
        assert len(notes) == 2
        assert all(any(note.startswith("Red and blue") for note in each) for each in notes)
    assert looked == [1]
    zoo.compare(swapped, observe=heard.append, store=tmp_path / "third", cache=False, **grid)
    assert looked == [1, 1]


@pytest.mark.parametrize("policy", ["freeze-all", "bn-trainable", "unfreeze-all", "bn-stats"])
def test_numbers_are_those_without_the_check(
    items: Catalog, swapped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    """Weights and probabilities are equal to the last bit, for a policy with random dropping as well."""
    given = {
        "backbone": "knowing",
        "policy": policy,
        "catalog": items,
        "observe": lambda _: None,
        "cache": False,
        **QUICK,
    }
    one = zoo.fit(swapped, store=tmp_path / "with", **given)
    monkeypatch.setattr(InputCheck, "finding", lambda *_, **__: None)
    other = zoo.fit(swapped, store=tmp_path / "without", **given)
    assert any(note.startswith("Red and blue") for note in one.record.notes)
    assert one.record.validation == other.record.validation
    assert [epoch.loss for epoch in one.record.history] == [epoch.loss for epoch in other.record.history]
    mine, theirs = (
        keras.models.load_model(tmp_path / name / "runs" / run.id / "model.keras")
        for name, run in (("with", one), ("without", other))
    )
    assert all(np.array_equal(a, b) for a, b in zip(mine.get_weights(), theirs.get_weights(), strict=True))


def test_a_check_that_fails_costs_a_note_only(
    items: Catalog, swapped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a plugin's network does when it is looked at, the run goes on."""

    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("no [such] thing")

    monkeypatch.setattr(readings, "check", fails)
    heard: list[Any] = []
    run = zoo.fit(
        swapped,
        backbone="knowing",
        policy="freeze-all",
        observe=heard.append,
        catalog=items,
        store=tmp_path / "s",
        **QUICK,
    )
    assert run.record.validation is not None
    texts = [event.text for event in heard if isinstance(event, Note)]
    assert "The inputs of the network could not be checked: RuntimeError: no [such] thing" in texts


def test_the_note_comes_from_worker_processes(tmp_path: Path) -> None:
    """Nearly black pictures are told by a row in another process, also where weights are random."""
    heard: list[Any] = []
    zoo.compare(
        folder_of(landscapes(2 * EACH, seed=2) // 200, tmp_path / "dark"),
        backbones=["scratch-cnn:size=32"],
        policies=["from-scratch"],
        jobs=1,
        observe=heard.append,
        store=tmp_path / "s",
        **QUICK,
    )
    told = [event for event in heard if isinstance(event, Note) and "hold no value above 1" in event.text]
    assert [(event.level, event.run) for event in told] == [("warning", 1)]


def test_grey_is_told_mildly(items: Catalog, tmp_path: Path) -> None:
    """With weights that know colours, grey pictures are worth a note and no warning."""
    grey = np.repeat(landscapes(2 * EACH, seed=2)[..., :1], 3, axis=3)
    heard: list[Any] = []
    zoo.fit(folder_of(grey, tmp_path / "grey"), observe=heard.append, catalog=items, store=tmp_path / "s", **KNOWING)
    told = [event for event in heard if isinstance(event, Note) and "pictures looked at are grey" in event.text]
    assert [event.level for event in told] == ["info"]
    assert not wrong(heard)


def test_a_run_that_diverges_keeps_what_is_wrong_with_its_inputs(items: Catalog, swapped: Path, tmp_path: Path) -> None:
    """In its notes, and as the first cause of its explanation."""
    given = {
        **KNOWING,
        "policy": "unfreeze-all",
        "learning_rate": 1e30,
        "optimiser": "sgd",
        "catalog": items,
        "observe": lambda _: None,
    }
    with pytest.raises(zoo.TrainingError):
        zoo.fit(swapped, store=tmp_path / "s", **given)
    with Store(tmp_path / "s") as opened:
        (record,) = opened.runs()
    assert record.status == "diverged"
    assert [note for note in record.notes if note.startswith("Red and blue")]
    assert record.explanation is not None
    assert record.explanation.causes[0].name == "wrong input"


def test_a_run_that_fails_keeps_what_is_wrong_with_its_inputs(
    items: Catalog, swapped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that fails in training has the note; one that fails before that has not the note of the row before."""
    taken = experiment._trained

    def failing(record: Any, *given: Any) -> Any:
        return taken(record, *given) if record.recipe.policy.name == "freeze-all" else 1 / 0

    monkeypatch.setattr(experiment, "_trained", failing)
    grid = {"backbones": ["knowing"], "jobs": 0, "catalog": items, "observe": lambda _: None, **QUICK}
    zoo.compare(swapped, policies=["freeze-all", "bn-affine"], store=tmp_path / "s", **grid)
    with Store(tmp_path / "s") as opened:
        notes = {record.recipe.policy.name: record.notes for record in opened.runs() if record.status == "failed"}
    assert list(notes) == ["bn-affine"]
    assert [note for note in notes["bn-affine"] if note.startswith("Red and blue")]

    checked = experiment._checked_inputs

    def unseen(recipe: Any, *given: Any) -> Any:
        return checked(recipe, *given) if recipe.policy.name == "freeze-all" else 1 / 0

    monkeypatch.setattr(experiment, "_checked_inputs", unseen)
    zoo.compare(swapped, policies=["freeze-all", "bn-affine"], store=tmp_path / "t", **grid)
    with Store(tmp_path / "t") as opened:
        assert [record.notes for record in opened.runs() if record.status == "failed"] == [()]
