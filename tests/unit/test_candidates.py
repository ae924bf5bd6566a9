"""Ranks, ties and intervals of backbones before training, from scores that are made up."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from zoo import candidates
from zoo.candidates import Candidate, Ranking, Scored, ranked, score

Array = np.ndarray


def scored(probe: Array, *, neighbours: Array | None = None, log_me: float = -0.5, noise: float = 0.01) -> Scored:
    """Scores with these hits; the halves of LogME spread by `noise`."""
    halves = log_me + noise * np.random.default_rng(0).normal(size=candidates.HALVES)
    return Scored(log_me, halves, probe if neighbours is None else neighbours, probe)


def hits(right: int, of: int = 200) -> Array:
    """Hits of so many pictures."""
    return np.arange(of) < right


def named(name: str, *, cost: float = 1.0) -> Candidate:
    """A candidate with a cost."""
    return Candidate(backbone=name, milliseconds_per_image=cost, parameters=int(1000 * cost))


def test_candidates_are_ranked_by_the_score_that_is_named() -> None:
    """The best first; what failed comes last and keeps its reason."""
    failed = dataclasses.replace(named("c"), reason="no weights")
    found = [
        (named("a"), scored(hits(100), neighbours=hits(190), log_me=-0.3)),
        (failed, None),
        (named("b"), scored(hits(180), neighbours=hits(120), log_me=-0.9)),
    ]
    orders = {by: [one.backbone for one in ranked(found, by=by)] for by in ("probe", "neighbours", "log_me")}
    assert orders == {"probe": ["b", "a", "c"], "neighbours": ["a", "b", "c"], "log_me": ["a", "b", "c"]}
    last = ranked(found, by="probe")[-1]
    assert (last.rank, last.probe, last.reason) == (None, None, "no weights")


def test_who_differs_on_few_pictures_ties_and_the_cheapest_is_recommended() -> None:
    """Two pictures of 200 make no difference, sixty do."""
    found = [
        (named("dear", cost=9.0), scored(hits(180))),
        (named("cheap", cost=2.0), scored(hits(178))),
        (named("bad", cost=1.0), scored(hits(120))),
    ]
    rows = ranked(found, by="probe")
    assert [one.tied_with_best for one in rows] == [False, True, False]
    assert [one.recommended for one in rows] == [False, True, False]


def test_evidence_ties_where_the_same_halves_do_not_agree() -> None:
    """The difference of LogME is judged on paired halves: noise that both share does not hide a difference."""
    shared = np.random.default_rng(1).normal(size=candidates.HALVES)
    own = np.random.default_rng(2).normal(size=candidates.HALVES)
    same = hits(100)
    best = Scored(-0.30, -0.30 + 0.1 * shared, same, same)
    apart = Scored(-0.35, -0.35 + 0.1 * shared + 0.001 * own, same, same)
    close = Scored(-0.35, -0.35 + 0.1 * own, same, same)
    assert not ranked([(named("a"), best), (named("b"), apart)], by="log_me")[1].tied_with_best
    assert ranked([(named("a"), best), (named("b"), close)], by="log_me")[1].tied_with_best


def test_equal_scores_tie_and_the_cheaper_is_first() -> None:
    """Backbones that say the same of every picture are equal."""
    found = [(named("dear", cost=9.0), scored(hits(150))), (named("cheap", cost=2.0), scored(hits(150)))]
    for by in ("probe", "neighbours", "log_me"):
        rows = ranked(found, by=by)
        assert [one.backbone for one in rows] == ["cheap", "dear"]
        assert rows[1].tied_with_best
        assert rows[0].recommended


def test_intervals_hold_the_score_and_are_never_closed() -> None:
    """Wilson's for shares, also where all is right; halves' for LogME."""
    row = ranked([(named("a"), scored(hits(200), log_me=-0.2, noise=0.05))], by="probe")[0]
    assert row.probe.value == row.probe.high == 1.0
    assert 0.97 < row.probe.low < 0.99
    assert row.log_me.high - row.log_me.value == pytest.approx(1.96 * 0.05, rel=0.25)


def test_nothing_scored_leaves_only_failures() -> None:
    """No best, no rank."""
    rows = ranked([(named("a"), None)], by="probe")
    ranking = Ranking(candidates=rows, ranked_by="probe", pictures=1, training=1, classes=("a", "b"))
    assert ranking.best is None
    assert "a" in str(ranking)


def test_scores_are_those_of_the_features() -> None:
    """Better features have higher scores, all three."""
    draw = np.random.default_rng(3)
    labels = np.arange(80) % 2
    noise = draw.normal(size=(80, 12))
    good = score(noise + 2 * labels[:, None], labels)
    bad = score(noise, labels)
    assert good.log_me > bad.log_me
    assert good.neighbours.mean() > bad.neighbours.mean()
    assert good.probe.mean() > bad.probe.mean()
    assert good.halves.shape == (candidates.HALVES,)


def test_the_figure_of_reliability_is_the_measured_one() -> None:
    """Each score has its own, from the file that the program wrote with its command."""
    known = candidates.measured()
    assert known["command"].startswith("python benchmarks/diagnosis/scout.py")
    for by, figure in known["scores"].items():
        assert f"{figure['spearman']:.2f}" in candidates.reliability(by)
    assert max(known["scores"], key=lambda by: known["scores"][by]["kendall"]) == candidates.RANKED_BY
