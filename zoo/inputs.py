"""Wrong inputs: what pictures and a network's own statistics say about seven common mistakes.

Two kinds of evidence, both plain numbers:

- *Facts of the pixels*: not-a-number, one colour all over, values from 0 to 1 only, three equal channels.
- *Readings*: the same pictures pass a network as given and changed (divided or multiplied by 255, channels swapped,
  inverted), and what its BatchNorm layers see is compared with what they have stored. A reading under which the
  network fits or responds better tells what is wrong with the pictures as given. Pictures that only differ from those
  that the network was trained on fit no reading better.

A wrong scale shows in the first BatchNorm layer: its divergence (`zoo.shift`) falls to a small part of what it was.
Colours do not show there: real data sets differ from ImageNet by more than swapped channels do. What shows them is the
*response* of the later layers: a picture that is like those that a network was trained on excites them more, and fewer
of their units, than the same picture with wrong colours (the norm of features as a sign of familiar inputs: Yu et al.
2023, arXiv:2212.02295). Responses are compared picture by picture, so that most of what distinguishes them cancels out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np

from zoo.pixel_facts import DARK
from zoo.shift import layer_shift

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo.pixel_facts import PixelFacts
    from zoo.shift import Measured
    from zoo.values import FloatArray

T = TypeVar("T")

Cause = Literal["not-a-number", "constant", "rescaled-twice", "not-rescaled", "swapped", "inverted", "grey"]
"""What may be wrong. `grey` is no fault by itself."""

ReadingName = Literal["given", "times-255", "over-255", "over-127.5-minus-1", "swapped", "inverted"]
"""How pictures are changed before a network reads them; `over-127.5-minus-1` leads from 0–255 to -1–1."""

SCALES: dict[ReadingName, Cause] = {
    "times-255": "rescaled-twice",
    "over-255": "not-rescaled",
    "over-127.5-minus-1": "not-rescaled",
}
"""What is wrong if pictures fit under this reading."""

COLOURS: dict[ReadingName, Cause] = {"swapped": "swapped", "inverted": "inverted"}
"""What is wrong if a network responds more under this reading."""

LATE = 0.6
"""Responses are those of the BatchNorm layers behind this share of them, where features are of things, not of hues."""

HARMLESS = -1.5
"""A reading that lowers the response by so many standard errors is not looked at further."""

FEWEST = 8
"""Pictures without which nothing is said about responses."""

_MOST = 0.5  # share of pictures from which on a fact is one of the set
_NEARLY_ALL = 0.9  # the same for grey, since sets have some grey pictures


@dataclass(frozen=True, slots=True)
class Limits:
    """From which numbers on something is said. The defaults are those that `benchmarks/diagnosis` was run with.

    Attributes:
        suspect: Divergence at the first BatchNorm layer, in nats, from which on a wrong scale is looked for.
        cured: Share of it that a reading may leave, to be taken for what is wrong.
        likely: Standard errors by which a reading must raise the response, for a statement with `may`.
        sure: The same, for a statement without.
        strange: Mean divergence of the layers from which on a response means nothing: right and wrong photos have below
            0.2, line drawings above 0.5.
    """

    suspect: float = 10.0
    cured: float = 0.1
    likely: float = 0.5
    sure: float = 2.5
    strange: float = 0.4


USUAL = Limits()


@dataclass(frozen=True, slots=True)
class Response:
    """What one reading did.

    Attributes:
        misfit: Divergence of the first BatchNorm layer in nats, the median over its channels; NaN where the network
            made values that are not finite.
        whole: The same, mean over all layers that were looked at.
        strength: float64 (n,), how much the late layers respond to each picture; see `strength`.
    """

    misfit: float
    whole: float
    strength: FloatArray = field(repr=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with pictures, or what has to be known about them.

    Attributes:
        cause: Which of the seven.
        fact: A sentence with what was measured.
        hint: What to do.
        sure: Whether the evidence is beyond doubt; if not, the fact says `may`.
        figures: What it rests on, by name.
    """

    cause: Cause
    fact: str
    hint: str
    sure: bool = True
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Fact and hint."""
        return f"{self.fact} {self.hint}"


def divergence(layer: Measured) -> float:
    """Median over channels of the divergence of a layer; of all, because one that is always zero may have no end."""
    return float(np.median(layer_shift(layer).divergence))


@np.errstate(invalid="ignore", over="ignore")  # of networks that overflow
def strength(layers: Sequence[Measured]) -> FloatArray:
    """How much a network responds to each picture: mean over layers of the logarithm of energy, plus sparsity.

    With the stored mean M and deviation S of a channel: energy is the mean over channels of x²/S², sparsity the mean of
    (M - x)/S, which is high where most units stay below their usual level.

    Args:
        layers: Those that count, at least one.

    Returns:
        float64 (n,), dimensionless. Only differences between readings of the same pictures mean something.
    """
    total = np.zeros(len(layers[0].mean), np.float64)
    for layer in layers:
        deviation = np.sqrt(layer.stored_variance.astype(np.float64) + layer.epsilon)
        energy = (layer.square / deviation**2).mean(axis=1)
        total += np.log(np.maximum(energy, 1e-12)) + ((layer.stored_mean - layer.mean) / deviation).mean(axis=1)
    return np.asarray(total / len(layers))


def late(layers: Sequence[T]) -> Sequence[T]:
    """The BatchNorm layers whose response counts, of all in the order in which they are computed; at least one."""
    return layers[min(int(len(layers) * LATE), len(layers) - 1) :]


def response(layers: Sequence[Measured]) -> Response:
    """What a reading did.

    Args:
        layers: What the first BatchNorm layer saw, and then the `late` ones; the first may be the only one.
    """
    values = [divergence(layer) for layer in layers]
    return Response(misfit=values[0], whole=float(np.mean(values)), strength=strength(layers[1:] or layers))


def cures(given: Response, reading: Response) -> bool:
    """Whether statistics that do not fit pictures as given fit them under a reading: a network of such pictures."""
    return given.whole > _NOISE and reading.whole < _CURED_COLOURS * given.whole


@np.errstate(invalid="ignore", over="ignore")
def gain(reading: FloatArray, given: FloatArray) -> tuple[float, float]:
    """By how much a reading raises the response, and the same in standard errors of the mean over pictures.

    Args:
        reading: float64 (n,), `Response.strength` under the reading.
        given: float64 (n,), the same of the same pictures as given.
    """
    difference = np.asarray(reading, np.float64) - np.asarray(given, np.float64)
    if len(difference) < FEWEST:
        return (float(difference.mean()) if len(difference) else 0.0), 0.0
    error = float(difference.std(ddof=1)) / math.sqrt(len(difference))
    mean = float(difference.mean())
    return mean, mean / error if error > 0 else 0.0


def pixel_finding(facts: PixelFacts) -> Finding | None:
    """What the pixels alone say is wrong; grey is left to `grey_finding`."""
    if facts.not_finite:
        return Finding(
            "not-a-number",
            f"{facts.not_finite:,} of {facts.n:,} pictures looked at hold values that are not-a-number or infinite.",
            "Mend what makes them, often a division by 0 or a wrong cast, or leave these pictures out.",
            figures={"share": facts.not_finite / facts.n},
        )
    if facts.n and facts.constant >= _MOST * facts.n:
        return Finding(
            "constant",
            f"{facts.constant:,} of {facts.n:,} pictures looked at are of one colour all over.",
            "There is next to nothing to learn there. Look at the files: a conversion or a crop may have emptied them.",
            figures={"share": facts.constant / facts.n},
        )
    return _range_finding(facts) if facts.n else None


def _range_finding(facts: PixelFacts) -> Finding | None:
    """Whether most pictures that are not constant have another range than 0-255."""
    most = _MOST * (facts.n - facts.constant)
    if facts.fractions >= most:
        return Finding(
            "rescaled-twice",
            f"{facts.fractions:,} of {facts.n:,} pictures looked at hold no value above 1, as if they were divided by "
            "255 already, and the network divides them once more.",
            "Give values from 0 to 255; backbones scale pictures themselves.",
            figures={"share": facts.fractions / facts.n, "highest": facts.high},
        )
    if facts.dark >= most:
        return Finding(
            "rescaled-twice",
            f"{facts.dark:,} of {facts.n:,} pictures looked at are nearly black: no value is above {DARK} of 255.",
            "Look at the files. Pictures that were scaled before they were saved look so, and 10 or 12 bits in files "
            "of 16; save them with the full range.",
            figures={"share": facts.dark / facts.n, "highest": facts.high},
        )
    if facts.beyond >= most:
        return Finding(
            "not-rescaled",
            f"Pictures hold values from {facts.low:g} to {facts.high:g}, and a picture has 0 to 255.",
            "Give pictures of 8 bits for each channel: not standardised, no mean subtracted.",
            figures={"lowest": facts.low, "highest": facts.high},
        )
    return None


def grey_finding(facts: PixelFacts) -> Finding | None:
    """Whether nearly all pictures are grey, three times the same channel."""
    looked = facts.n - facts.constant - facts.not_finite
    if not looked or facts.grey < _NEARLY_ALL * looked:
        return None
    return Finding(
        "grey",
        f"{facts.grey:,} of {facts.n:,} pictures looked at are grey: red, green and blue are equal.",
        "That is no fault if the subject is grey. What the weights know about colours is of no use here, so expect a "
        "shift of statistics; if the originals have colours, look for what removed them.",
        figures={"share": facts.grey / facts.n},
    )


def scale_finding(readings: Mapping[ReadingName, Response], limits: Limits = USUAL) -> Finding | None:
    """Whether a network's first statistics fit under another scale only."""
    given = readings["given"].misfit
    if not math.isfinite(given):
        return Finding(
            "not-a-number",
            "The network makes values that are not-a-number or infinite of pictures that are sound.",
            "Its preprocessing or its weights are broken: tell the author of the backbone, or take other weights.",
        )
    if given < limits.suspect:
        return None
    left = {name: readings[name].misfit for name in SCALES if name in readings}
    best = min(left, key=lambda name: left[name] if math.isfinite(left[name]) else math.inf, default=None)
    if best is None or not left[best] < limits.cured * given:
        return None
    figures = {"misfit": given, "misfit_rescaled": left[best]}
    measured = f"(misfit of the first BatchNorm layer {given:,.3g} as given, {left[best]:,.3g} if {_WORDS[best]})"
    if SCALES[best] == "rescaled-twice":
        return Finding(
            "rescaled-twice",
            f"The network sees far too little contrast, as if pictures were divided by 255 twice {measured}.",
            "Give pixels from 0 to 255, or take the rescaling out of the backbone that is one too many.",
            figures=figures,
        )
    return Finding(
        "not-rescaled",
        f"The network sees pixels from 0 to 255 where its weights were trained on small numbers {measured}.",
        "Its graph lacks a rescaling: build the backbone with its preprocessing, or tell its author.",
        figures=figures,
    )


def colour_finding(readings: Mapping[ReadingName, Response], limits: Limits = USUAL) -> Finding | None:
    """Whether a network fits or responds better with other colours.

    Args:
        readings: `given`, and any of `COLOURS`; all of the same pictures.
        limits: From which numbers on something is said.
    """
    given = readings["given"]
    found: list[tuple[float, ReadingName, float]] = []
    for name in COLOURS:
        if name not in readings or len(readings[name].strength) != len(given.strength):
            continue
        raised, errors = gain(readings[name].strength, given.strength)
        if cures(given, readings[name]):
            found.append((math.inf, name, errors))
        elif errors >= limits.likely and given.whole < limits.strange and readings[name].whole <= _WORSE * given.whole:
            found.append((raised, name, errors))
    if not found:
        return None
    raised, best, errors = max(found)
    cured = math.isinf(raised)
    figures = {
        "standard_errors": errors,
        "gain": gain(readings[best].strength, given.strength)[0],
        "misfit": given.whole,
        "misfit_changed": readings[best].whole,
    }
    sure = cured or errors >= limits.sure
    return _colour_words(COLOURS[best], figures, sure=sure, cured=cured, n=len(given.strength))


_NOISE = 0.4  # misfit that too few pictures may have by themselves
_CURED_COLOURS = 0.3  # share of the misfit that right colours leave, where a network was trained on such pictures
_WORSE = 1.5  # a reading under which statistics fit so much worse is not taken for the right one
_WORDS: dict[ReadingName, str] = {
    "times-255": "multiplied by 255",
    "over-255": "divided by 255",
    "over-127.5-minus-1": "brought to -1 to 1",
}


def _colour_words(cause: Cause, figures: Mapping[str, float], *, sure: bool, cured: bool, n: int) -> Finding:
    may = "seem to be" if sure else "may be"
    if cured:
        why = f"misfit of its statistics {figures['misfit']:.2g} as given, {figures['misfit_changed']:.2g}"
    else:
        why = f"by {figures['standard_errors']:.1f} standard errors over {n:,} pictures"
    if cause == "swapped":
        fact = f"Red and blue {may} swapped: the network responds more with the channels turned round"
        hint = "Look at the files; OpenCV writes and reads blue first. If the colours are meant so, ignore this."
    else:
        fact = f"The pictures {may} inverted: the network responds more to their negatives"
        hint = "Look at the files. If light and dark are meant so (X-rays, drawings on black), ignore this."
    return Finding(cause, f"{fact} ({why}).", hint, sure=sure, figures=figures)


def judge(
    facts: PixelFacts, readings: Mapping[ReadingName, Response] | None = None, limits: Limits = USUAL
) -> Finding | None:
    """The likely cause, most certain first; None where nothing is wrong. Pure: tests and programs give what they like.

    Args:
        facts: Of the pixels as given.
        readings: `given` and others, of the same pictures; None or empty for a network that says nothing.
        limits: From which numbers on something is said.
    """
    finding = pixel_finding(facts)
    if finding is None and readings:
        finding = scale_finding(readings, limits)
        if finding is None and readings["given"].misfit < limits.suspect:
            finding = colour_finding(readings, limits)
    grey = grey_finding(facts)
    if grey is not None and finding is not None and (finding.cause == "swapped" or not finding.sure):
        return grey  # equal channels cannot be swapped: what they differ by is JPEG's rounding
    return finding or grey
