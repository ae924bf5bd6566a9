"""Backbones ranked by what their features tell of a task before anything is trained, with intervals and ties."""

from __future__ import annotations

import functools
import json
import math
from dataclasses import dataclass, replace
from importlib.resources import files
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal

from zoo import figures, statistics, transferability

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    Array = np.ndarray[Any, Any]

ScoreName = Literal["log_me", "neighbours", "probe"]

RANKED_BY: ScoreName = "probe"
"""The score that ranks: the one that agreed best with fine-tuned scores, see `measured`."""

HALVES = 50
"""Random halves of the pictures that the interval of LogME is taken from."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A score with its 95 % interval over pictures.

    Attributes:
        value: LogME in nats per picture, or an accuracy in [0, 1].
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What is known of one backbone.

    Attributes:
        backbone: Its name with options.
        rank: 1 for the best; None where it failed.
        tied_with_best: Whether it cannot be told from the best at the 5 % level (paired by picture, Holm over rows).
        recommended: The cheapest of the best and those that tie with it.
        log_me: Evidence of a Bayesian linear model.
        neighbours: Accuracy of the 5 nearest neighbours, each picture left out in turn.
        probe: Accuracy of a linear probe in 5-fold cross-validation.
        parameters: Weights of the backbone, statistics included.
        features: Length of the feature vector of a picture.
        milliseconds_per_image: Of a forward pass in batches of 32 on this machine.
        known: Whether its features were in the cache, so that no picture was passed.
        reason: Why it failed; empty if it did not.
    """

    backbone: str
    rank: int | None = None
    tied_with_best: bool = False
    recommended: bool = False
    log_me: Measure | None = None
    neighbours: Measure | None = None
    probe: Measure | None = None
    parameters: int | None = None
    features: int | None = None
    milliseconds_per_image: float | None = None
    known: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """Backbones, the most promising first; those that failed at the end.

    Attributes:
        candidates: One for each backbone.
        ranked_by: `log_me`, `neighbours` or `probe`.
        pictures: Training pictures that were looked at.
        training: Training pictures there are.
        classes: Class names in label order.
        absent: Backbones whose weights would have to be downloaded, which was not allowed.
        unfit: Backbones that cannot be built on this Keras backend.
        reliability: How far this ranking agreed with scores after fine-tuning, in one sentence.
        data: Digest of the data set.
        split: Digest of the split.
        seconds: That it took.
    """

    candidates: tuple[Candidate, ...]
    ranked_by: ScoreName
    pictures: int
    training: int
    classes: tuple[str, ...]
    absent: tuple[str, ...] = ()
    unfit: tuple[str, ...] = ()
    reliability: str = ""
    data: str = ""
    split: str = ""
    seconds: float = 0.0

    @property
    def best(self) -> Candidate | None:
        """The recommended one: the cheapest of those that cannot be told from the best. None if all failed."""
        return next((one for one in self.candidates if one.recommended), None)

    def __str__(self) -> str:
        lines = []
        for one in self.candidates:
            found = getattr(one, self.ranked_by)
            mark = f"{one.rank or figures.MISSING}{'*' if one.recommended else ''}{'=' if one.tied_with_best else ''}"
            told = f"{found.value:.3f} {figures.interval(found.low, found.high)}" if found else one.reason
            lines.append(f"{mark:4} {figures.literal(one.backbone)}: {figures.sentence(told)}")
        return "\n".join([*lines, self.reliability])


@dataclass(frozen=True, slots=True)
class Scored:
    """The three scores of one backbone's features, picture by picture where they have such.

    Attributes:
        log_me: Of all pictures.
        halves: float64, LogME of random halves, the same for all backbones.
        neighbours: bool (n,), hits.
        probe: bool (n,), hits.
    """

    log_me: float
    halves: Array
    neighbours: Array
    probe: Array


def score(features: Array, labels: Array) -> Scored:
    """Scores of features (n, width) of pictures with int labels (n,). Raises: UsageError."""
    return Scored(
        transferability.log_me(features, labels),
        transferability.log_me_of_halves(features, labels, draws=HALVES),
        transferability.neighbour_hits(features, labels),
        transferability.probe(features, labels).hits,
    )


def ranked(found: Sequence[tuple[Candidate, Scored | None]], *, by: ScoreName = RANKED_BY) -> tuple[Candidate, ...]:
    """Candidates with their scores, ranks and ties, the best first.

    Args:
        found: Candidates without scores, and what was found; None for those that failed.
        by: Score that ranks; of equal ones the cheaper is first.
    """
    scored = [(candidate, scores) for candidate, scores in found if scores is not None]
    failed = [candidate for candidate, scores in found if scores is None]
    scored.sort(key=lambda pair: (-_value(pair[1], by), _cost(pair[0])))
    if not scored:
        return tuple(failed)
    best = scored[0][1]
    p_values = statistics.holm([_p_value(best, scores, by) for _, scores in scored[1:]])
    ties = [False, *(p >= statistics.LEVEL for p in p_values)]
    rows = [
        replace(
            candidate,
            rank=place,
            tied_with_best=tie,
            log_me=_of_halves(scores),
            neighbours=Measure(*statistics.interval(scores.neighbours[None])),
            probe=Measure(*statistics.interval(scores.probe[None])),
        )
        for place, ((candidate, scores), tie) in enumerate(zip(scored, ties, strict=True), start=1)
    ]
    chosen = min((row for row in rows if row.rank == 1 or row.tied_with_best), key=_cost)
    return (*(replace(row, recommended=row is chosen) for row in rows), *failed)


def _cost(candidate: Candidate) -> tuple[float, float]:
    return candidate.milliseconds_per_image or math.inf, candidate.parameters or math.inf


def _value(scores: Scored, by: ScoreName) -> float:
    return scores.log_me if by == "log_me" else float(getattr(scores, by).mean())


def _of_halves(scores: Scored) -> Measure:
    half = NormalDist().inv_cdf(0.975) * float(scores.halves.std(ddof=1))
    return Measure(scores.log_me, scores.log_me - half, scores.log_me + half)


def _p_value(best: Scored, other: Scored, by: ScoreName) -> float:
    """How often chance alone makes as large a difference of two backbones on the same pictures."""
    if by != "log_me":
        return statistics.compare(getattr(best, by)[None], getattr(other, by)[None]).p_value
    spread = float((best.halves - other.halves).std(ddof=1))
    apart = abs(best.log_me - other.log_me)
    return 2 * (1 - NormalDist().cdf(apart / spread)) if spread else float(not apart)


@functools.cache
def measured() -> dict[str, Any]:
    """What `benchmarks/diagnosis/scout.py` found: how far rankings before training agree with fine-tuned scores."""
    found: dict[str, Any] = json.loads((files("zoo") / "scout_measured.json").read_text(encoding="utf-8"))
    return found


def reliability(by: ScoreName = RANKED_BY) -> str:
    """One sentence on how far the ranking by a score can be trusted, with its figures."""
    known = measured()
    one = known["scores"][by]
    basis = f"{len(known['sets'])} data sets ({', '.join(known['sets'])}), {known['entries']} backbones and sizes each"
    return (
        f"On {basis}, the rank correlation of this score with accuracy after "
        f"fine-tuning ({known['policy']}) was {one['spearman']:.2f} (Spearman) and {one['kendall']:.2f} (Kendall) on "
        f"average; the first in rank was {one['cost']:.1f} points below the best. One seed each; the score that ranks "
        "was chosen on the same sets."
    )
