"""From what was measured to what is said: the thresholds, where they come from, and the sentences.

The thresholds were measured on car-damage and trashnet (`benchmarks/diagnosis/statistics_fit.py`; the table is in the
docs, how-to/diagnose.md). Those of the moving statistics are in `zoo.travel`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from zoo import figures
from zoo.diagnosis import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.batch_noise import BatchNoise
    from zoo.diagnosis import Effect, Overall
    from zoo.inputs import Finding
    from zoo.side_difference import SideDifference
    from zoo.travel import Travel

SHIFTED = 0.15
"""Divergence in nats, median over layers, from which on statistics do not fit: photos as they are had up to 0.13, grey
ones and thermal palettes up to 0.16, strong blur, noise or loss of contrast 0.18 and more, pictures divided by 255 once
too often 6 and more."""

CHANCE = 0.01
"""P-value below which a difference is not taken for chance."""

APART = 0.1
"""Standard deviations from which on a difference between the sides is worth a word, however certain it is."""

NOISY = 1.75
"""Scatter of batch statistics over that of the classes from which on a batch is too small. With batches of 8 it was 1.7
on car-damage and 1.3 on trashnet, and a probe on features that each batch normalised told 0.85 and 0.61 right, as many
as with 16; with batches of 4 it was 2.4 and 1.8, and the probe told 0.66 and 0.40."""

LARGE = 256
"""Pictures in a batch that are not advised to be exceeded."""


def verdicts(
    *,
    shift: Overall,
    effect: Effect | None,
    finding: Finding | None,
    noise: BatchNoise | None,
    travel: Travel | None,
    sides: SideDifference | None,
) -> tuple[Verdict, ...]:
    """All that is to be said of a network with trained BatchNorm layers, the most important first."""
    return tuple(_all(shift, effect, finding, noise, travel, sides))


def _all(
    shift: Overall,
    effect: Effect | None,
    finding: Finding | None,
    noise: BatchNoise | None,
    travel: Travel | None,
    sides: SideDifference | None,
) -> Iterator[Verdict]:
    told = wrong_inputs(finding) if finding is not None and finding.cause != "grey" else None
    if told is not None:
        yield told
    yield _statistics(shift, effect, wrong=told is not None and told.name == "wrong-inputs")
    if sides is not None and sides.p_value < CHANCE and sides.distance >= APART:
        yield _sides(sides)
    if travel is not None and travel.needed > travel.steps:
        yield _steps(travel)
    if noise is not None and noise.ratio > NOISY:
        yield _batch(noise)


def wrong_inputs(finding: Finding) -> Verdict:
    """Inputs look wrong, or may be: what is in doubt has a name of its own and holds nothing else back."""
    if not finding.sure:
        return Verdict("doubtful-inputs", f"inputs may be wrong: {finding.cause}", finding.fact, finding.hint)
    title = "inputs look wrongly scaled" if "rescaled" in finding.cause else f"inputs look wrong: {finding.cause}"
    return Verdict("wrong-inputs", title, finding.fact, finding.hint)


def no_batch_norm() -> Verdict:
    """Nothing to misfit."""
    reason = "The backbone has no BatchNorm layer, so it has no statistics that could misfit the pictures."
    remedy = "bn-stats, bn-affine and bn-trainable have nothing to work on: take freeze-all, lp-ft or unfreeze-top-k."
    return Verdict("no-batch-norm", "no BatchNorm", reason, remedy, good=True)


def untrained(layers: int) -> Verdict:
    """Random weights."""
    reason = (
        f"The weights are random, and the statistics of {figures.counted(layers, 'BatchNorm layer')} are those of a "
        "new network, so there is nothing that could fit."
    )
    return Verdict("untrained", "weights are random", reason, "Take pretrained weights, or train from scratch.")


_FITTING = (
    "Take any policy: the statistics do not keep a frozen backbone from learning here. Whether training more of it "
    "scores higher is another question, which the advice is about."
)


def _statistics(shift: Overall, effect: Effect | None, *, wrong: bool) -> Verdict:
    measured = (
        f"Divergence {shift.divergence:.3g} nats in the median over layers (95 % interval {shift.low:.2g} to "
        f"{shift.high:.2g}; up to {SHIFTED:g} is usual): a channel's mean lies {shift.mean_shift:.2f} stored standard "
        f"deviations away, its variance by a factor of {_factor(shift.log_ratio)}."
    )
    if effect is not None:
        measured += f" {_effect_words(effect)}"
    if shift.low <= SHIFTED and not gains(effect):
        return Verdict("fit", "statistics fit", measured, "" if wrong or effect is None else _FITTING, good=True)
    if wrong:
        remedy = "Mend the inputs first; then diagnose again."
    elif gains(effect):
        remedy = "Try bn-stats, which trains the head alone, then bn-affine, then bn-trainable."
    else:
        found = "do not help the features here" if effect is not None else "were not tried on features"
        remedy = (
            f"Statistics of the pictures {found}: take policies on stored statistics, unfreeze-top-k:k=2 or fine-tune; "
            "bn-affine is the cheap one."
        )
    return Verdict("shifted", "statistics are shifted", measured, remedy)


def gains(effect: Effect | None) -> bool:
    """Whether features are better with re-estimated statistics, beyond chance: only then is bn-stats worth a run.

    How far statistics are shifted does not tell: under eight shifts of photos bn-stats was behind freeze-all in 30 of
    32 cells (docs/explanation/batch-normalization.md).
    """
    return effect is not None and effect.gain > 0 and effect.p_value < CHANCE


def _factor(log_ratio: float) -> str:
    factor = math.exp(log_ratio)
    return f"{factor:.2f}" if factor < 10 else f"{factor:,.0f}"  # noqa: PLR2004 - two digits


def _effect_words(effect: Effect) -> str:
    old, new = effect.stored, effect.re_estimated
    words = (
        f"On {effect.pictures} training pictures a linear probe tells {old.probe:.2f} right with the stored statistics "
        f"and {new.probe:.2f} with re-estimated ones, the nearest neighbours {old.neighbours:.2f} and "
        f"{new.neighbours:.2f}"
    )
    return words + (" (a difference that chance may make)." if effect.p_value >= CHANCE else ".")


def _sides(sides: SideDifference) -> Verdict:
    reason = (
        f"To the network, {sides.validation} validation pictures differ from {sides.train} training pictures of the "
        f"same classes by {sides.distance:.2f} standard deviations in the mean over channels "
        f"(permutation test, p = {sides.p_value:.3f})."
    )
    remedy = (
        "Look at where the two come from: another camera, size, file format or time. Scores on the validation part "
        "will be below those of training whatever the policy; split at random if the two should be alike."
    )
    return Verdict("sides-differ", "train and validation differ", reason, remedy)


def _steps(travel: Travel) -> Verdict:
    planned = figures.counted(travel.steps, "step")
    reason = (
        f"In training, with momentum {travel.momentum:g}, the moving statistics need {travel.needed:,} steps to "
        f"arrive, and {planned} are planned. {figures.literal(travel.layer)} has the longest way: a stored variance of "
        f"{travel.variance_ratio:.3g} times the pictures', a mean {travel.mean_distance:.2g} of their standard "
        "deviations away."
    )
    remedy = (
        "bn-trainable needs none of them: with stats=precise, its default, it does not use moving averages; nor do "
        "policies on stored statistics. Where averages are to follow (stats=moving, bn=adapting, from-scratch), train "
        f"for {travel.needed:,} steps, or use layers with a momentum of at most {travel.sufficient:.3g}."
    )
    title = f"too few steps for the moving statistics: {travel.needed:,} needed"
    return Verdict("few-steps", title, reason, remedy)


def _batch(noise: BatchNoise) -> Verdict:
    reason = (
        f"The mean of a batch of {noise.batch_size} scatters by {noise.error:.2f} standard deviations from batch to "
        f"batch, while the classes differ by {noise.between:.2f} (later half of the layers)."
    )
    enough, fixed = math.ceil(noise.needed / NOISY**2), "a policy on stored statistics: bn-affine, unfreeze-top-k"
    remedy = f"Take {fixed}; batches that are large enough for bn-trainable are hardly to be had ({enough:,} pictures)."
    if enough <= LARGE:
        remedy = f"Take batches of {enough} or more with bn-trainable, or {fixed}."
    return Verdict("small-batch", "batch too small for batch statistics", reason, remedy)
