"""Why a score is so good: near-copies across the split, validation too close to training, few scenes, trivial cues.

A random split puts validation pictures as near to the training pictures as these lie to each other. Nearer than that
means that one side was made from the other. As near, but very near, means that a few scenes were photographed or
rendered many times. And where the format of a file or the colour of a border tells the class, no network need look at
what a picture shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from zoo import statistics
from zoo.explanations import Cause, Explanation, NearPair
from zoo.nearness import LEAST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from zoo.explanations import CauseName
    from zoo.nearness import Likeness

SUSPICIOUS = 0.995
"""From this score on an explanation is given, whatever it is."""

COPIES = 0.03
"""Share of validation pictures with a near-copy in training from which on it is told."""

NEARER = 0.6
"""`Likeness.excess` from which on validation lies nearer to training than training does to itself, noise aside."""

_DEVIATIONS = 3.0
SCENES = 0.25
"""Groups, as a share of the pictures that they hold, up to which a set counts as a few scenes: four pictures each."""

_SAME = 0.01

PAIRS = 20
"""Worst pairs that are kept."""


@dataclass(frozen=True, kw_only=True)
class Suspicion:
    """What was measured of a score that may be too good. Accuracies in [0, 1].

    Attributes:
        accuracy: Of the kept epoch on validation.
        majority: Of always saying the most frequent class there.
        correct: bool (n,), whether each validation picture was right.
        likenesses: How the sides lie to one another, by one or two kinds of descriptors, each with the positions of
            the validation and training pictures (rows of the sides) that it was made of.
        neighbours: Accuracy of nearest neighbours, by what was compared.
        cues: Accuracy by trivial cues, see `zoo.cues.reached`.
    """

    accuracy: float
    majority: float
    correct: np.ndarray[Any, np.dtype[np.bool_]] = field(repr=False)
    likenesses: Sequence[tuple[Likeness, np.ndarray[Any, Any], np.ndarray[Any, Any]]] = field(repr=False)
    neighbours: Mapping[str, float]
    cues: Mapping[str, float]

    @property
    def low(self) -> float:
        """Lower end of the score's 95 % interval."""
        return statistics.wilson(self.accuracy, len(self.correct))[0]


def is_suspicious(accuracy: float, count: int, *, majority: float, neighbours: Mapping[str, float]) -> bool:
    """Whether a score asks for a look: it is very high, or a nearest neighbour nearly reaches it.

    Args:
        accuracy: Of the kept epoch.
        count: Number of validation pictures.
        majority: Of always saying the most frequent class: a score that is hardly above it is not too good.
        neighbours: Accuracies of nearest neighbours.
    """
    low, high = statistics.wilson(accuracy, count)
    if accuracy - majority <= high - low:
        return False
    return accuracy >= SUSPICIOUS or any(value >= low for value in neighbours.values())


def explain(found: Suspicion, *, names: tuple[Sequence[str], Sequence[str]]) -> Explanation | None:
    """The causes, the likeliest first; None where there is none and the score is no higher than usual.

    Args:
        found: What was measured.
        names: Ids of the training and of the validation pictures, in the order of their sides.
    """
    causes = sorted(_causes(found), key=lambda cause: -cause.weight)
    if not causes:
        if found.accuracy < SUSPICIOUS:
            return None
        causes = [_nothing(found)]
    near = ", ".join(f"nearest neighbour by {name} {value:.3f}" for name, value in found.neighbours.items())
    score = f"validation accuracy {found.accuracy:.3f} of {len(found.correct):,} pictures" + (
        f" ({near})" if near else ""
    )
    return Explanation(matter="too good", score=score, causes=tuple(causes), pairs=_pairs(found, names))


def _causes(found: Suspicion) -> Iterator[Cause]:
    for rule in (_copies, _nearer, _scenes, _cue):
        cause = rule(found)
        if cause is not None:
            yield cause


def _cause(name: CauseName, weight: float, measurement: str, remedy: str, **figures: float) -> Cause:
    known = {key: float(value) for key, value in figures.items()}
    return Cause(name=name, weight=weight, measurement=measurement, remedy=remedy, figures=known)


def _copied(found: Suspicion) -> tuple[set[int], set[int]]:
    """Validation pictures (rows of the side) that have a near-copy in training by any descriptor, and all looked at."""
    copied: set[int] = set()
    asked: set[int] = set()
    for likeness, validation, _ in found.likenesses:
        asked |= set(validation.tolist())
        copied |= set(validation[likeness.near].tolist())
    return copied, asked


def _copies(found: Suspicion) -> Cause | None:
    copied, asked = _copied(found)
    if len(copied) < max(2, COPIES * len(asked)):
        return None
    rest = np.array(sorted(set(range(len(found.correct))) - copied), np.int64)
    said = f"{len(copied):,} of {len(asked):,} validation pictures have a near-copy among the training pictures"
    figures: dict[str, float] = {"copies": len(copied), "pictures": len(asked)}
    if len(rest):
        without = float(found.correct[rest].mean())
        said += f"; without them the score is {without:.3f} of {len(rest):,}"
        figures["without"] = without
    share = len(copied) / len(asked)
    weight = 0.95 if share >= 0.2 else 0.6 if share >= 0.1 else 0.35  # noqa: PLR2004 - a fifth makes a score
    remedy = "Remove one of each pair, or keep what belongs together on one side (the column `group` of a manifest)."
    return _cause("near-copies", weight, said, remedy, **figures)


def _nearer(found: Suspicion) -> Cause | None:
    by = max((one for one, _, _ in found.likenesses), key=lambda one: one.excess, default=None)
    if by is None or by.excess < NEARER or by.deviations < _DEVIATIONS:
        return None
    across, within = float(np.median(by.across)), float(np.median(by.within))
    said = (
        f"validation pictures lie nearer to the training pictures (median cosine {across:.2f}, {by.by}) than these to "
        f"each other ({within:.2f}): in {by.excess:.0%} of comparisons, where half is usual"
    )
    remedy = (
        "Was one side made from the other (augmented, generated, cut from the same films)? Then take other pictures."
    )
    return _cause("validation nearer than training", 0.9, said, remedy, across=across, within=within, excess=by.excess)


def _scenes(found: Suspicion) -> Cause | None:
    """Judged by features where there are some, else by thumbnails."""
    by = next(iter(sorted((one for one, _, _ in found.likenesses), key=lambda one: one.by)), None)
    if by is None or by.scenes > SCENES * 0.8 * by.count:
        return None
    across, within = float(np.median(by.across)), float(np.median(by.within))
    said = (
        f"{_groups(by.scenes)} of pictures much alike hold four fifths of {by.count:,}, as in renderings or films; "
        f"validation pictures lie as near to the training pictures (median cosine {across:.2f}, {by.by}) as these to "
        f"each other ({within:.2f})"
    )
    remedy = (
        "Keep each scene on one side (the column `group` of a manifest); the score then is of scenes not seen before."
    )
    return _cause("few scenes", 0.85, said, remedy, scenes=by.scenes, pictures=by.count, across=across, within=within)


def _groups(scenes: int) -> str:
    return "1 group" if scenes == 1 else f"{scenes:,} groups"


def _cue(found: Suspicion) -> Cause | None:
    if not found.cues:
        return None
    name, value = max(found.cues.items(), key=lambda pair: (pair[1], pair[0] != "all of them"))
    single, best = max(
        ((cue, got) for cue, got in found.cues.items() if cue != "all of them"),
        key=lambda pair: pair[1],
        default=(name, value),
    )
    lead = (value - found.majority) / max(found.accuracy - found.majority, 1e-9)
    if lead < 0.6:  # noqa: PLR2004 - most of what the score is above guessing
        return None
    together = f"statistics of files and colours together ({single} alone {best:.3f}) tell"
    which = f"{single} alone tells" if best >= value - _SAME else together
    said = f"{which} {value:.3f} of the validation pictures right, where guessing has {found.majority:.3f}"
    said += ", as many as the network" if value >= found.low else f" and the network {found.accuracy:.3f}"
    remedy = "Make the classes alike in how they were taken and stored, or test on pictures from elsewhere."
    weight = 0.8 if value >= found.low else 0.4
    return _cause(
        "trivial cue", weight, said, remedy, **{key.replace(" ", "_"): got for key, got in found.cues.items()}
    )


def _nothing(found: Suspicion) -> Cause:
    copied, asked = _copied(found)
    said = "nothing suspicious was found"
    for one, _, _ in found.likenesses[:1]:
        across, within = float(np.median(one.across)), float(np.median(one.within))
        said += (
            f": validation pictures lie as near to the training pictures (median cosine {across:.2f}, {one.by}) as "
            f"these to each other ({within:.2f}), which a random split makes them do; "
        )
        told = f"{len(copied)} of {len(asked):,} have a near-copy"
        said += told if one.components >= LEAST else f"{one.count:,} pictures are too few to look for near-copies"
    if found.cues:
        said += f"; trivial cues reach {max(found.cues.values()):.3f}"
    remedy = "The classes seem to be easy to tell here. Test on pictures from elsewhere before you rely on it."
    return _cause("nothing found", 0.1, said, remedy)


def _pairs(found: Suspicion, names: tuple[Sequence[str], Sequence[str]]) -> tuple[NearPair, ...]:
    """The most alike, each validation picture once."""
    best: dict[int, NearPair] = {}
    for likeness, validation, train in found.likenesses:
        for row, cosine, partner in zip(
            validation.tolist(), likeness.across.tolist(), likeness.partner.tolist(), strict=True
        ):
            if row not in best or cosine > best[row].likeness:
                best[row] = NearPair(
                    validation=names[1][row],
                    training=names[0][int(train[partner])],
                    likeness=round(min(1.0, cosine), 4),
                    by=likeness.by,
                )
    return tuple(sorted(best.values(), key=lambda pair: (-pair.likeness, pair.validation))[:PAIRS])
