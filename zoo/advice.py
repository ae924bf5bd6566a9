"""Which fine-tuning policy to try first, told from facts that one pass over the training pictures gives.

The rule is not thought up but fitted: `benchmarks/diagnosis/advice.py` looks for the simplest rule over these facts
that would have chosen well on measured cells (data sets × shifts, each policy trained and scored on hold-out pictures),
tries it on cells and data sets that it was not fitted on, and writes it with its hit rates to `advice_measured.json`.
A rule that is no better than always naming one policy is not used: then that one is named, and said to be so.
"""

from __future__ import annotations

import functools
import json
import statistics
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from zoo import figures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo.diagnosis import Diagnosis, Effect

WORDS = {
    "stored": "accuracy of a linear probe on features with the stored statistics",
    "re_estimated": "accuracy of a linear probe on features with the pictures' own statistics",
    "gain": "what the pictures' own statistics add to the accuracy of probe and neighbours",
    "log_me_gain": "what the pictures' own statistics add to LogME",
    "headroom": "what is missing to 1",
    "divergence": "divergence of the statistics, median over layers",
    "shallow": "divergence in the first third of the layers",
    "deep": "divergence in the last third of the layers",
    "mean_shift": "mean shift, median over layers",
    "log_ratio": "log variance ratio, median over layers",
    "classes": "number of classes",
    "pictures": "number of training pictures",
    "pictures_per_class": "training pictures of a class",
    "steps": "training steps",
    "batch_size": "batch size",
}
"""What a rule may ask for, in words."""

_NUMBERS = ("classes", "pictures", "batch_size", "steps")
_FAR = 2.0
"""Factor by which such a number may be outside of what was measured before it is worth a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a recommendation is made from.

    Attributes:
        stored: Accuracy of a linear probe in cross-validation, on features with the stored statistics; in [0, 1].
        re_estimated: The same with statistics of the pictures themselves.
        gain: What the pictures' own statistics add, mean over the accuracies of probe and neighbours.
        log_me_gain: What they add to LogME, in nats per picture.
        mean_shift: As in `zoo.shift.Shift`.
        log_ratio: As in `zoo.shift.Shift`.
        divergence: As in `zoo.shift.Shift`, in nats.
        shallow: Median divergence of the first third of the layers.
        deep: Of the last third.
        classes: Number of classes.
        pictures: Training pictures.
        batch_size: Pictures in a batch.
        steps: Training steps, all epochs together.
    """

    stored: float
    re_estimated: float
    gain: float
    log_me_gain: float
    mean_shift: float
    log_ratio: float
    divergence: float
    shallow: float
    deep: float
    classes: int
    pictures: int
    batch_size: int
    steps: int

    @property
    def headroom(self) -> float:
        """What the better of the two probes leaves to be won."""
        return 1 - max(self.stored, self.re_estimated)

    @property
    def pictures_per_class(self) -> float:
        """Training pictures of a class on average."""
        return self.pictures / self.classes


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """A policy to try first, and how good such advice was where it was measured.

    Attributes:
        policy: Its name with options.
        reason: Why this one, with the figures, in one sentence.
        reliability: How often such advice was best or within a point of the best, in one sentence.
        outside: Facts that lie outside of what was measured, with their ranges; empty if none does.
        alternatives: Other policies, those first that were best or nearly so in the most measured cells.
    """

    policy: str
    reason: str
    reliability: str
    outside: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()


def facts_of(
    *,
    effect: Effect,
    mean_shift: float,
    log_ratio: float,
    divergence: float,
    depths: Sequence[float],
    classes: int,
    pictures: int,
    batch_size: int,
    steps: int,
) -> Facts:
    """Facts from what a diagnosis measures.

    Args:
        effect: Of re-estimated statistics on features.
        mean_shift: As in `Facts`, and so are the others.
        log_ratio: As in `Facts`.
        divergence: As in `Facts`.
        depths: Divergence of each layer, from input to output.
        classes: As in `Facts`.
        pictures: As in `Facts`.
        batch_size: As in `Facts`.
        steps: As in `Facts`.
    """
    third = max(1, len(depths) // 3)
    return Facts(
        stored=effect.stored.probe,
        re_estimated=effect.re_estimated.probe,
        gain=effect.gain,
        log_me_gain=effect.re_estimated.log_me - effect.stored.log_me,
        mean_shift=mean_shift,
        log_ratio=log_ratio,
        divergence=divergence,
        shallow=statistics.median(depths[:third]),
        deep=statistics.median(depths[-third:]),
        classes=classes,
        pictures=pictures,
        batch_size=batch_size,
        steps=steps,
    )


def of_diagnosis(found: Diagnosis) -> Facts | None:
    """The facts of a diagnosis; None where it has none: no BatchNorm, random weights, too few pictures."""
    if found.shift is None or found.effect is None or not found.layers:
        return None
    return facts_of(
        effect=found.effect,
        mean_shift=found.shift.mean_shift,
        log_ratio=found.shift.log_ratio,
        divergence=found.shift.divergence,
        depths=[layer.divergence for layer in found.layers],
        classes=len(found.classes),
        pictures=found.training,
        batch_size=found.batch_size,
        steps=found.steps,
    )


def advise(facts: Facts) -> Advice:
    """The policy to try first.

    Args:
        facts: Of a backbone on some pictures that it is given as it should be: wrong inputs are to be mended first.
    """
    known = measured()
    rule = known["rule"]
    policy = chosen(rule, facts)
    return Advice(
        policy=policy,
        reason=_reason(rule, facts, policy),
        reliability=_reliability(known),
        outside=_outside(facts, known),
        alternatives=tuple(name for name in known["order"] if name != policy),
    )


def chosen(rule: Mapping[str, Any], facts: Facts) -> str:
    """The policy that a rule names.

    Args:
        rule: `{"policy": NAME}`, or `{"fact": NAME, "at_least": NUMBER, "then": RULE, "otherwise": RULE}`.
        facts: What it asks for.
    """
    while "policy" not in rule:
        rule = rule["then" if getattr(facts, rule["fact"]) >= rule["at_least"] else "otherwise"]
    return str(rule["policy"])


@functools.cache
def measured() -> dict[str, Any]:
    """The rule with its hit rates, as `benchmarks/diagnosis/advice.py` wrote them."""
    found: dict[str, Any] = json.loads((files("zoo") / "advice_measured.json").read_text(encoding="utf-8"))
    return found


def _reason(rule: Mapping[str, Any], facts: Facts, policy: str) -> str:
    if "policy" in rule:
        return f"no rule over the measured facts did better than always naming {policy}"
    parts = []
    while "policy" not in rule:
        value = getattr(facts, rule["fact"])
        above = value >= rule["at_least"]
        parts.append(f"{WORDS[rule['fact']]} is {value:.3g}, {'at least' if above else 'below'} {rule['at_least']:.3g}")
        rule = rule["then" if above else "otherwise"]
    return f"{' and '.join(parts)}: there {policy} did best"


def _reliability(known: Mapping[str, Any]) -> str:
    hits, rule = known["hits"], known["rule"]
    sets = ", ".join(known["sets"])
    basis = f"{figures.counted(known['cells'], 'cell')} of data and shift ({sets}; {known['backbone']} only)"
    constant = rule.get("policy")
    others = ", ".join(f"{name} {known['constants'][name]['hits']:.0%}" for name in known["order"] if name != constant)
    if constant:
        own = known["constants"][constant]["hits"]
        return (
            f"On {basis} it was best or within a point of the best in {own:.0%}, and it was chosen on these; "
            f"with a data set left out of the choice, what was chosen was so in {hits['leave_one_set']:.0%}; "
            f"others: {others}."
        )
    return (
        f"On {basis} such advice was best or within a point of the best in {hits['leave_one_set']:.0%} when the whole "
        f"data set was left out of the fit, {hits['leave_one_cell']:.0%} when the cell was, whose set has the same "
        f"photos, {hits['fitted']:.0%} of those that it was fitted on. Always naming one policy: {others}."
    )


def _outside(facts: Facts, known: Mapping[str, Any]) -> tuple[str, ...]:
    """Facts that the rule asks for and that lie outside of their range, and numbers that are far from theirs."""
    told = []
    for name, slack in (*((name, 1.0) for name in _asked(known["rule"])), *((name, _FAR) for name in _NUMBERS)):
        if name not in known["ranges"]:
            continue
        value, (low, high) = getattr(facts, name), known["ranges"][name]
        if not low / slack <= value <= high * slack:
            span = f"was {low:.3g}" if low == high else f"were {low:.3g} to {high:.3g}"
            told.append(f"{WORDS[name]} is {value:.3g}, measured {span}")
    return tuple(told)


def _asked(rule: Mapping[str, Any]) -> tuple[str, ...]:
    """Facts that a rule may ask for."""
    if "policy" in rule:
        return ()
    return tuple(dict.fromkeys((str(rule["fact"]), *_asked(rule["then"]), *_asked(rule["otherwise"]))))
