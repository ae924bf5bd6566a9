"""The state of a grid as its events tell it."""

from __future__ import annotations

import dataclasses

import pytest

from zoo.events import EpochEnded, Event, GridStarted, Note, Progress, RunEnded, RunStarted, Stage
from zoo.tally import Tally
from zoo.values import EpochRecord, Metric, Recipe, RunRecord, Scores, Spec, Status


class Clock:
    """Seconds that pass only when they are told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def tally(clock: Clock) -> Tally:
    """A tally that has seen nothing."""
    return Tally(clock=clock)


def recipe(policy: str = "freeze-all", *, seed: int = 0, metric: Metric = "accuracy") -> Recipe:
    """A recipe that differs in policy and seed."""
    return Recipe(
        backbone=Spec("tiny"),
        head=Spec("gap"),
        policy=Spec(policy),
        augmentation=Spec("none"),
        data="d",
        split="s",
        classes=("a", "b"),
        epochs=4,
        seed=seed,
        metric=metric,
    )


def ended(
    plan: Recipe, accuracy: float | None, *, index: int, status: Status = "finished", reused: bool = False
) -> Event:
    """The end of a run with a score, or without."""
    scores = None if accuracy is None else Scores(10, accuracy, 1 - accuracy, 0.5, (1.0, 0.0))
    record = RunRecord(id=f"r{index}", recipe=plan, digest="", status=status, validation=scores)
    return RunEnded(record, index, 4, reused=reused)


def epoch(number: int) -> EpochEnded:
    """The end of an epoch."""
    return EpochEnded(EpochRecord("head", number, 1.0, 0.5, 1.0, 0.5, 0.5, 1e-3, 1.0), 4)


def test_rows_are_means_over_seeds_best_first(tally: Tally) -> None:
    """A row's score is the mean of its seeds, so one lucky seed does not lead."""
    for index, (policy, seed, accuracy) in enumerate(
        [("a", 0, 0.99), ("a", 1, 0.51), ("b", 0, 0.8), ("b", 1, 0.8)], start=1
    ):
        tally.see(ended(recipe(policy, seed=seed), accuracy, index=index))
    assert [row.title for row in tally.rows] == ["tiny · gap · b · none", "tiny · gap · a · none"]
    assert [row.score for row in tally.rows] == pytest.approx([0.8, 0.75])
    assert tally.best is not None
    assert tally.best.title == "tiny · gap · b · none"


def test_the_metric_of_the_recipe_ranks(tally: Tally) -> None:
    """With balanced accuracy as metric the row with the better accuracy comes second."""
    tally.see(ended(recipe("a", metric="balanced_accuracy"), 0.9, index=1))
    tally.see(ended(recipe("b", metric="balanced_accuracy"), 0.3, index=2))
    assert tally.best is not None
    assert tally.best.title == "tiny · gap · b · none"


def test_a_row_without_a_score_comes_last_and_is_counted(tally: Tally) -> None:
    """A failed run is a row, is never the best, and says what is wrong with it."""
    tally.see(ended(recipe("a"), None, index=1, status="failed"))
    assert tally.best is None
    tally.see(ended(recipe("b"), 0.0, index=2))
    assert tally.best is not None
    assert [row.trouble for row in tally.rows] == ["", "failed"]
    assert tally.failures == 1
    assert tally.done == 2


def test_the_time_left_knows_which_rows_are_to_come(tally: Tally, clock: Clock) -> None:
    """A run takes as long as the others of its row did, not as the mean of quick and slow ones."""
    titles = [recipe(name).title for name in ("quick", "slow", "quick", "slow", "new")]
    tally.see(GridStarted(5, 0, tuple(titles)))
    for index, (name, seconds) in enumerate((("quick", 2), ("slow", 100)), start=1):
        tally.see(RunStarted(recipe(name), index, 5))
        clock.now += seconds
        tally.see(ended(recipe(name), 0.5, index=index))
    assert tally.remaining == pytest.approx(2 + 100 + 51)
    tally.see(RunStarted(recipe("quick"), 3, 5))
    clock.now += 1
    assert tally.remaining == pytest.approx(1 + 100 + 51)


def test_the_present_run_is_judged_by_its_own_epochs(tally: Tally, clock: Clock) -> None:
    """Before any run has ended there is an estimate as soon as there is an epoch."""
    tally.see(GridStarted(2, 0))
    tally.see(RunStarted(recipe("a"), 1, 2))
    assert tally.remaining is None
    clock.now += 12
    tally.see(EpochEnded(EpochRecord("p", 3, 0.1, 0.5, 0.1, 0.5, 0.5, 1e-3, 4.0), 10))
    assert tally.remaining == pytest.approx(28 + 40)


def test_the_time_left_comes_from_runs_that_were_trained(tally: Tally, clock: Clock) -> None:
    """Runs out of the store cost nothing and do not shorten the estimate; the time of the present run counts."""
    tally.see(GridStarted(4, 0))
    assert tally.remaining is None
    tally.see(ended(recipe("a"), 0.5, index=1, reused=True))
    assert tally.remaining is None
    tally.see(RunStarted(recipe("b"), 2, 4))
    clock.now += 10
    tally.see(ended(recipe("b"), 0.5, index=2))
    assert tally.remaining == pytest.approx(20)
    tally.see(RunStarted(recipe("c"), 3, 4))
    clock.now += 4
    assert tally.remaining == pytest.approx(16)
    clock.now += 100
    assert tally.remaining == pytest.approx(10)
    assert (tally.done, tally.reused) == (2, 1)
    assert tally.elapsed == pytest.approx(114)


def test_the_present_run_is_known_until_it_ends(tally: Tally) -> None:
    """Epochs and tasks belong to the present run and are gone with it."""
    tally.see(RunStarted(recipe(), 1, 4))
    run = tally.present
    assert run is not None
    tally.see(Progress("computing frozen features", 1, 2))
    assert run.task is not None
    tally.see(Progress("computing frozen features", 2, 2))
    assert run.task is None
    tally.see(epoch(3))
    assert run.epoch is not None
    assert (run.epoch.epoch, run.epochs, run.index) == (3, 4, 1)
    tally.see(ended(recipe(), 0.5, index=1))
    assert (tally.present, tally.running) == (None, ())


def test_events_of_several_workers_go_to_their_runs(tally: Tally, clock: Clock) -> None:
    """Each event changes the run that it names, and the time left counts that two go on side by side."""
    tally.see(GridStarted(4, 0))
    for index, name in enumerate("ab", start=1):
        tally.see(RunStarted(recipe(name), index, 4))
    clock.now += 10
    tally.see(dataclasses.replace(epoch(2), run=1))
    tally.see(Stage("building the network", run=2))
    first, second = tally.running
    assert first.epoch is not None
    assert (first.epoch.epoch, first.stage, second.epoch, second.stage) == (2, "", None, "building the network")
    assert tally.remaining == pytest.approx((10 + 10 + 20 + 20) / 2)
    tally.see(ended(recipe("b"), 0.5, index=2))
    assert [run.index for run in tally.running] == [1]


def test_a_note_is_news_once_for_each_row(tally: Tally) -> None:
    """What every seed of a row says again is said once; another row may say the same."""
    note = Note("statistics lag", level="warning")
    tally.see(RunStarted(recipe("a", seed=0), 1, 4))
    assert tally.is_news(note)
    tally.see(RunStarted(recipe("a", seed=1), 2, 4))
    assert not tally.is_news(note)
    tally.see(RunStarted(recipe("b", seed=0), 3, 4))
    assert tally.is_news(note)
