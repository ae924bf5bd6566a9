"""Explanations of real runs: found in training, kept in the store, shown on the board, and without any other effect."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo import experiment, explaining, statistics
from zoo.errors import DivergedError
from zoo.events import Stage
from zoo.explaining import Done, explanation_of
from zoo.forward import value_of
from zoo.prefix import FeatureCache
from zoo.proof import momenta_of, prove
from zoo.rows import Board
from zoo.standings import leaderboard
from zoo.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zoo.registry import Catalog

QUIET: dict[str, Any] = {"backbone": "tiny", "policy": "freeze-all", "observe": lambda _: None, "cache": False}


@pytest.fixture
def fit(photos: Path, catalog: Catalog, tmp_path: Path) -> Callable[..., zoo.Run]:
    """Fits the tiny network, each call in the store of its number."""
    numbers = iter(range(9))

    def run(data: Any = photos, **settings: Any) -> zoo.Run:
        store = tmp_path / f"store{next(numbers)}"
        return zoo.fit(data, catalog=catalog, store=store, **{**QUIET, "epochs": 3, "batch_size": 8, **settings})

    return run


def test_a_rate_that_is_too_low_is_told_everywhere(fit: Callable[..., zoo.Run]) -> None:
    """By the run, by its record in the store, and on the board, also after it was written as JSON and read again."""
    run = fit(learning_rate=1e-7, epochs=30, batch_size=4, patience=None)
    assert run.explanation is not None
    assert run.explanation.matter == "not learning"
    assert run.explanation.causes[0].name == "learning rate too low"
    store = run.folder.parent.parent
    with Store(store) as opened:
        assert opened.get(run.id).explanation == run.explanation
    board = leaderboard(store)
    told = {row.backbone: row.explanation for row in board.rows}
    assert told["tiny"] == run.explanation.line
    assert told["majority"] == ""
    assert Board.from_json(board.to_json()) == board


def test_a_run_that_diverged_keeps_its_cause(fit: Callable[..., zoo.Run], tmp_path: Path) -> None:
    """There is no network to look at any more; the rate is named with what became of the loss."""
    with pytest.raises(zoo.TrainingError):
        fit(learning_rate=1e30, policy="from-scratch", optimiser="sgd")
    with Store(tmp_path / "store0") as opened:
        (record,) = opened.runs()
    assert record.status == "diverged"
    assert record.explanation is not None
    assert record.explanation.causes[0].name == "learning rate too high"
    assert "at learning rate 1e+30" in record.explanation.causes[0].measurement


def test_a_divergence_names_only_a_rate_that_is_known(bench: Any) -> None:
    """That of the step, not the one that was left to the policy; none where no step is known; none of a solved head."""

    def causes(rate: float | None, wrong: str = "") -> list[Any]:
        error = DivergedError("It is not finite.")
        error.learning_rate = rate
        return list(explaining.explain_divergence(bench.recipe("freeze-all"), (), error, wrong_input=wrong).causes)

    assert bench.recipe("freeze-all").learning_rate is None
    (stepped,), (unknown,), (solved,) = causes(0.4), causes(None), causes(0.0)
    assert "at learning rate 0.4" in stepped.measurement
    assert "(0.04)" in stepped.remedy
    assert (unknown.name, unknown.figures) == ("learning rate too high", {})
    assert unknown.weight < stepped.weight
    assert "learning rate" not in unknown.measurement
    assert solved.name == "unknown"
    assert "rate" not in solved.measurement + solved.remedy
    assert causes(None, "values are divided by 255 twice")[0].name == "wrong input"


def test_a_fault_in_explaining_a_divergence_is_a_note(
    fit: Callable[..., zoo.Run], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The record is stored as diverged all the same, and the observer is told."""
    monkeypatch.setattr(experiment, "explain_divergence", lambda *_, **__: 1 / 0)
    heard: list[str] = []
    with pytest.raises(DivergedError):
        fit(
            learning_rate=1e30,
            policy="from-scratch",
            optimiser="sgd",
            observe=lambda event: heard.append(getattr(event, "text", "")),
        )
    with Store(tmp_path / "store0") as opened:
        (record,) = opened.runs()
    assert record.status == "diverged"
    assert record.explanation is None
    assert "The divergence could not be explained: ZeroDivisionError: division by zero" in heard


def test_a_good_row_gets_nothing(fit: Callable[..., zoo.Run]) -> None:
    """It learned, no nearest neighbour is near, and so nothing is said."""
    run = fit(epochs=8, learning_rate=0.02, policy="from-scratch")
    assert run.explanation is None or run.explanation.matter == "too good"


def test_explanations_change_no_bit(fit: Callable[..., zoo.Run], monkeypatch: pytest.MonkeyPatch) -> None:
    """A run with an explanation and one without have the same history, scores and weights."""
    monkeypatch.setattr(explaining, "_is_pretrained", lambda _: True)  # so that the backbone is run at its start
    explained = fit(learning_rate=1e-7, policy="bn-trainable")
    assert explained.explanation is not None
    monkeypatch.setattr(explaining, "at_chance", lambda *_: False)
    monkeypatch.setattr(explaining, "_too_good", lambda *_: None)
    plain = fit(learning_rate=1e-7, policy="bn-trainable")
    assert plain.explanation is None
    for first, second in zip(explained.history, plain.history, strict=True):
        assert dataclasses.replace(first, seconds=0) == dataclasses.replace(second, seconds=0)
    assert explained.scores == plain.scores
    for mine, other in zip(explained.model.weights, plain.model.weights, strict=True):
        assert value_of(mine).tobytes() == value_of(other).tobytes()


def test_a_fault_in_an_explanation_fails_no_run(fit: Callable[..., zoo.Run], monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is finished, without an explanation, and the observer is told why."""

    def broken(*_: object) -> None:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(explaining, "at_chance", broken)
    heard: list[str] = []
    run = fit(observe=lambda event: heard.append(getattr(event, "text", "")))
    assert run.status == "finished"
    assert run.explanation is None
    assert "The score could not be explained: RuntimeError: no such thing" in heard


@pytest.fixture
def halves(tmp_path: Path) -> Path:
    """Photos that come divided, and whose validation part are the mirrored training pictures."""
    draw = np.random.default_rng(3)
    folder = tmp_path / "halves"
    for label, name in enumerate(("dark", "light")):
        for part in ("train", "val"):
            (folder / part / name).mkdir(parents=True)
        for number in range(40):
            coarse = draw.uniform(0, 120, (6, 6, 3)) + 120 * label
            pixels = np.kron(coarse, np.ones((4, 4, 1))).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "train" / name / f"{number:02}.png")
            if number % 2:
                Image.fromarray(pixels[:, ::-1]).save(folder / "val" / name / f"mirrored-{number:02}.png")
    return folder


def test_mirrored_copies_are_listed_by_name(fit: Callable[..., zoo.Run], halves: Path) -> None:
    """The worst pairs are those that were made, with the score that is left without them."""
    run = fit(halves, policy="from-scratch", epochs=15, learning_rate=0.02)
    found = run.explanation
    assert found is not None
    assert found.matter == "too good"
    assert found.causes[0].name == "near-copies"
    assert "40 of 40 validation pictures" in found.causes[0].measurement
    assert len(found.pairs) == 20
    for pair in found.pairs:
        assert pair.validation.replace("val/", "train/").replace("mirrored-", "") == pair.training
    assert "trivial cue" in {cause.name for cause in found.causes}  # the light ones are light


def test_pictures_are_looked_into_once_for_all_rows(
    halves: Path, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows and seeds of one backbone share what was found about the pictures; what each is told is its own."""
    from zoo import nearness

    looked = []
    by_thumbnails = nearness.by_thumbnails
    monkeypatch.setattr(nearness, "by_thumbnails", lambda *sides: looked.append(1) or by_thumbnails(*sides))
    board = zoo.compare(
        halves,
        backbones=["tiny"],
        policies=["from-scratch", "unfreeze-all"],
        seeds=2,
        epochs=15,
        learning_rate=0.02,
        batch_size=8,
        jobs=0,
        cache=False,
        catalog=catalog,
        store=tmp_path / "rows",
        observe=lambda _: None,
    )
    explained = [row.explanation for row in board.rows if row.kind == "run"]
    assert len(explained) == 2
    assert all("near-copies" in line for line in explained)
    assert looked == [1]
    with Store(tmp_path / "rows") as opened:
        scores = [run.explanation.score for run in opened.runs() if run.explanation is not None]
    assert len(scores) >= 2


@pytest.fixture
def done(bench: Any) -> Done:
    """A network that was trained with everything open, and what is left of it."""
    recipe = bench.recipe("unfreeze-all", learning_rate=0.05)
    built = bench.build(recipe)
    start = [value_of(weight.variable) for weight in built.assembly.weights]
    trained, sides = bench.train(built, recipe), bench.sides()
    scores = statistics.score(trained.probabilities, sides[1].labels)
    receipt = prove(built, trained, start)
    return Done(recipe, built, trained, scores, None, receipt, sides, start, momenta_of(built))


def test_pictures_alone_are_looked_into_once_for_all_backbones(done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    """What two backbones on the same pictures share is looked up; other pictures are looked into."""
    looked: list[str] = []

    def of_pictures(dataset: Any, sides: Any, **given: Any) -> Any:
        looked.append(sides[0].key)
        return f"likeness of {sides[0].key}", {"all of them": 0.5}

    monkeypatch.setattr(explaining.evidence, "of_pictures", of_pictures)
    looks, others = explaining.Looks(), dataclasses.replace(done.sides[0], key="others")
    rest = dataclasses.replace(done, sides=(others, done.sides[1]))
    recipe = dataclasses.replace(done.recipe, backbone=dataclasses.replace(done.recipe.backbone, text="another"))
    another = dataclasses.replace(done, recipe=recipe)
    assert looks.key(another) != looks.key(done)
    found = [explaining._evidence(one, None, None, looks) for one in (done, another, rest)]  # type: ignore[arg-type]
    assert looked == [done.sides[0].key, "others"]
    assert found[0] == found[1] == ([f"likeness of {done.sides[0].key}"], {"all of them": 0.5})
    assert found[2][0] == ["likeness of others"]


def test_features_are_those_before_training(done: Done, bench: Any) -> None:
    """The backbone is looked at as it was, and has its trained weights again afterwards, to the last bit."""
    assembly = done.built.assembly
    after = [value_of(weight.variable).tobytes() for weight in assembly.weights]
    found = explaining._features(done, FeatureCache(), sample=True)
    assert [value_of(weight.variable).tobytes() for weight in assembly.weights] == after
    fresh = bench.build(done.recipe).assembly
    untrained = fresh.prefix(len(fresh.blocks)).predict(done.sides[0].pixels, verbose=0)
    assert found is not None
    assert found.train == pytest.approx(untrained.mean(axis=(1, 2))[found.train_rows], abs=1e-4)
    moved = assembly.prefix(len(assembly.blocks)).predict(done.sides[0].pixels, verbose=0)
    assert np.abs(moved - untrained).max() > 1e-3


def test_features_that_another_row_left_are_used(done: Done, bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a frozen row has run, nothing is run for an explanation; without one, nothing unless a sample is wanted."""
    from zoo import prefix

    cache = FeatureCache()
    assert explaining._features(done, cache, sample=False) is None
    frozen = bench.recipe("freeze-all")
    bench.train(bench.build(frozen), frozen, cache=cache)

    def forbidden(*_: object) -> None:
        raise AssertionError("a pass was made")

    monkeypatch.setattr(prefix, "pass_through", forbidden)
    found = explaining._features(done, cache, sample=False)
    assert found is not None
    assert found.train.shape == (len(done.sides[0].labels), 12)
    assert len(found.validation) == len(done.sides[1].labels)


def test_no_explanation_costs_no_pass(done: Done, bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary score is not looked into: no features, no thumbnails, no headers of files."""
    from zoo import cues, nearness

    for module, name in ((nearness, "by_thumbnails"), (cues, "cues_of")):
        monkeypatch.setattr(module, name, lambda *_: pytest.fail("it was looked into"))
    ordinary = dataclasses.replace(done, scores=dataclasses.replace(done.scores, accuracy=0.9, balanced_accuracy=0.9))
    heard: list[object] = []
    assert explanation_of(ordinary, None, FeatureCache(), thumbnails=0.5, observe=heard.append) is None  # type: ignore[arg-type]
    assert heard == [Stage("looking at the score")]


def test_features_are_looked_for_once_until_another_row_may_have_left_some(
    done: Done, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A miss is remembered for all rows and seeds; a frozen row makes it worth another look; then it is a hit."""
    monkeypatch.setattr(explaining, "_is_pretrained", lambda _: True)
    looked: list[bool] = []
    plain = explaining._features

    def watched(*given: Any, sample: bool) -> Any:
        looked.append(sample)
        return plain(*given, sample=sample)

    monkeypatch.setattr(explaining, "_features", watched)
    good = dataclasses.replace(done, scores=dataclasses.replace(done.scores, accuracy=0.98, n=400))
    looks, cache = explaining.Looks(), FeatureCache()
    for _ in range(3):
        assert explaining._too_good(good, None, cache, {}, looks) is None  # type: ignore[arg-type]
    assert looked == [False]
    low = dataclasses.replace(good, scores=dataclasses.replace(done.scores, accuracy=0.5))
    assert explaining._too_good(low, None, cache, {}, explaining.Looks()) is None  # type: ignore[arg-type]
    assert looked == [False]  # hardly above guessing: no neighbour makes that suspicious
    frozen = bench.recipe("freeze-all")
    built = bench.build(frozen)
    bench.train(built, frozen, cache=cache)
    looks.count(dataclasses.replace(good, built=built))
    monkeypatch.setattr(explaining, "_neighbour", lambda *_: {explaining.FEATURES: 0.1})
    for _ in range(2):
        assert explaining._too_good(good, None, cache, {}, looks) is None  # type: ignore[arg-type]
    assert looked == [False, False]
    assert looks.neighbours == {explaining.Looks.key(good): {explaining.FEATURES: 0.1}}
