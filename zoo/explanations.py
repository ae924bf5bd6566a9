"""Why a row did not learn, or why it is too good: causes, each with what was measured and what to try."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - read at run time
from dataclasses import dataclass, field
from typing import Literal

Matter = Literal["not learning", "too good"]
"""What is explained: a score that guessing reaches too, or one that is suspiciously high."""

CauseName = Literal[
    "wrong input",
    "learning rate too high",
    "learning rate too low",
    "moving statistics lag",
    "patience too short",
    "too few epochs",
    "features do not separate",
    "labels",
    "overfitting",
    "one class only",
    "too few pictures",
    "unknown",
    "near-copies",
    "validation nearer than training",
    "few scenes",
    "trivial cue",
    "nothing found",
]
"""Causes that are told apart; the first twelve are of a row that does not learn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One cause.

    Attributes:
        name: Which.
        measurement: What speaks for it, with figures; a phrase without a full stop.
        remedy: What to try, one or two sentences.
        weight: How strongly the measurement speaks for it, in (0, 1]. A rule's weight, not a probability.
        figures: What was measured, by name.
    """

    name: CauseName
    measurement: str
    remedy: str
    weight: float
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NearPair:
    """A validation picture and the training picture that it is most like.

    Attributes:
        validation: Id of the validation picture, mostly its path below the data folder.
        training: Id of the training picture.
        likeness: Cosine between whitened descriptors, in [-1, 1]; see `zoo.nearness`.
        by: Which descriptors found it: `features` or `thumbnails`.
    """

    validation: str
    training: str
    likeness: float
    by: Literal["features", "thumbnails"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What explains a run's score.

    Attributes:
        matter: Whether it does not learn or is too good.
        score: In words, what is explained, with figures.
        causes: At least one, the likeliest first.
        pairs: Worst pairs across the split, the most alike first; empty where nothing was compared.
    """

    matter: Matter
    score: str
    causes: tuple[Cause, ...]
    pairs: tuple[NearPair, ...] = ()

    @property
    def line(self) -> str:
        """In one line: the likeliest cause with its measurement, and the names of others that are not excluded."""
        first, *others = self.causes
        lead = "" if first.name in {"unknown", "nothing found"} else f"most likely {first.name}: "
        rest = f" Not excluded: {', '.join(cause.name for cause in others)}." if others else ""
        return f"{lead}{first.measurement}.{rest}"
