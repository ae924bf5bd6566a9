"""Why a row stays at chance: rules that turn what a run measured into causes, the likeliest first.

A rule looks at facts that single causes leave behind. A rate that is too high leaves a training loss above that of
guessing; one that is too low leaves a head that has hardly moved; statistics that lag leave a gap between training and
inference mode; labels that have nothing to do with the pictures leave training accuracy without any other signal. The
weights of the rules say which measurement is the stronger; how often the first cause is the right one is measured by
`benchmarks/diagnosis/not_learning.py`.
"""

from __future__ import annotations

import itertools
import math
from statistics import median
from typing import TYPE_CHECKING

from zoo.explanations import Cause, Explanation
from zoo.lag import GAP, steps_needed
from zoo.run_facts import standard_error, trend_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zoo.explanations import CauseName
    from zoo.run_facts import Facts, Trend

STILL = 0.05
"""A head whose weights moved by less than this share of their size was hardly trained."""

FAR = 10.0
"""Times the epochs of the run: what would take longer is a matter of the rate and not of the epochs."""

ONE_CLASS = 0.98
"""Share of validation pictures that are given one class, from which on a model counts as collapsed."""

SHORT = 2
"""Epochs whose losses say nothing yet about the rate, unless they are far above that of guessing."""

STEPS = 50
"""Steps of the optimiser with which hardly any head is trained."""

ASKED = 2.5
"""Standard errors above guessing from which on a simple classifier sees something: the best of three is looked at."""

KEPT_SHARE = 0.5
"""Causes with less than this share of the first one's weight are not told."""


def explain(facts: Facts) -> Explanation:
    """The causes of a row at chance, or of one that diverged, the likeliest first; never empty."""
    causes = sorted(_causes(facts), key=lambda cause: -cause.weight)
    if not causes:
        causes = [_unknown(facts)]
    kept = tuple(cause for cause in causes if cause.weight >= KEPT_SHARE * causes[0].weight)
    return Explanation(matter="not learning", score=_score(facts), causes=kept)


def _score(facts: Facts) -> str:
    if facts.validation is None:
        return facts.diverged.rstrip(".")
    scores = facts.validation
    return (
        f"validation accuracy {scores.accuracy:.3f} of {scores.n:,} pictures, where always saying the most frequent "
        f"class has {facts.majority:.3f}"
    )


def _causes(facts: Facts) -> Iterator[Cause]:
    rules = (
        *(_wrong_input, _diverged, _rate_too_high, _rate_too_low, _lag, _patience, _epochs),
        *(_features, _labels, _overfitting, _one_class, _few_pictures),
    )
    for rule in rules:
        found = rule(facts)
        if found is not None:
            yield found


def _cause(name: CauseName, weight: float, measurement: str, remedy: str, **figures: float | None) -> Cause:
    known = {key: float(value) for key, value in figures.items() if value is not None}
    return Cause(name=name, weight=weight, measurement=measurement, remedy=remedy, figures=known)


def _wrong_input(facts: Facts) -> Cause | None:
    if not facts.wrong_input:
        return None
    remedy = "Look at how the pictures are scaled: they must reach the backbone as raw RGB 0–255."
    return _cause("wrong input", 1.0, facts.wrong_input.rstrip("."), remedy)


def _diverged(facts: Facts) -> Cause | None:
    """The rate, unless none had a part in it; where it is not known there is less to go by."""
    rate = facts.learning_rate
    if not facts.diverged or facts.solved:
        return None
    if not rate:
        said = "the loss or the output became not finite before an epoch had ended"
        return _cause("learning rate too high", 0.5, said, "Take a lower rate, or `--lr auto`, which tests rates.")
    said = f"the loss or the output became not finite at learning rate {rate:.2g}"
    remedy = f"Take a tenth of the rate ({rate / 10:.2g}), or `--lr auto`, which tests rates."
    return _cause("learning rate too high", 0.9, said, remedy, learning_rate=rate)


def _rate_too_high(facts: Facts) -> Cause | None:
    rate, losses = facts.learning_rate, [record.loss for record in facts.stepped]
    remedy = f"Take a tenth of the rate ({rate / 10:.2g}), or `--lr auto`, which tests rates."
    if facts.diverged or not losses or facts.has_learned or _is_still(facts):
        return None
    typical = median(losses[1:] or losses)
    rises = sum(later > earlier for earlier, later in itertools.pairwise(losses))
    figures = {"learning_rate": rate, "loss": typical, "guess": facts.guess, "rises": float(rises)}
    course = f"the training loss ({losses[0]:.3g} in the first epoch, {losses[-1]:.3g} in the last)"
    if typical > (1.25 if len(losses) > SHORT else 2.0) * facts.guess:
        said = f"{course} stayed above that of guessing ({facts.guess:.3g}) at learning rate {rate:.2g}"
        return _cause("learning rate too high", 0.95, said, remedy, **figures)
    wanders = typical > 1.02 * facts.guess and rises * 3 >= len(losses) - 1
    if len(losses) > SHORT and (losses[-1] > 1.02 * losses[0] or wanders):
        said = (
            f"{course} rose in {rises} of {len(losses) - 1} epochs and is no better than guessing ({facts.guess:.3g})"
        )
        return _cause("learning rate too high", 0.6, f"{said}, at learning rate {rate:.2g}", remedy, **figures)
    return None


def _pace(facts: Facts) -> tuple[Trend | None, float]:
    """The course of the training loss, and the epochs that it would need at this pace down to half of guessing."""
    trend = trend_of(tuple(record.loss for record in facts.stepped))
    return trend, trend.epochs_to(facts.guess / 2) if trend is not None else math.inf


def _is_still(facts: Facts) -> bool:
    """Whether the head has hardly moved, as far as it is known."""
    moved = facts.moved(facts.epochs)
    return moved is not None and moved < STILL


def _rate_too_low(facts: Facts) -> Cause | None:
    (trend, needed), moved, rate = _pace(facts), facts.moved(len(facts.history)), facts.learning_rate
    planned = facts.moved(facts.epochs)  # patience may have ended it before the rate could show
    if facts.diverged or not facts.stepped or facts.has_learned or moved is None or planned is None or planned >= STILL:
        return None
    said = f"at learning rate {rate:.2g} the head's weights moved by {moved:.2%} of their size"
    if trend is not None:
        said += f", and the training loss went from {trend.first:.4f} to {trend.last:.4f}"
        if trend.falls:
            said += f", which at {trend.fall:.2g} an epoch needs about {_thousands(needed)} more epochs to halve"
    remedy = f"Take ten times the rate ({rate * 10:.2g}) or more, or `--lr auto`, which tests rates."
    weight = 0.95 if planned < STILL / 5 else 0.75
    if facts.steps < STEPS:  # no rate moves a head far in so few
        weight = min(weight, 0.3)
    epochs = needed if math.isfinite(needed) else None
    return _cause("learning rate too low", weight, said, remedy, learning_rate=rate, moved=moved, epochs_needed=epochs)


def _thousands(number: float) -> str:
    return f"{math.ceil(number):,}" if number < 100_000 else "more than 100,000"  # noqa: PLR2004 - a number to be read


def _lag(facts: Facts) -> Cause | None:
    """Learned in training mode and not in inference mode: the same pictures are told apart only by batch statistics."""
    if facts.validation is None or not facts.momenta or not facts.has_learned:
        return None
    slowest, steps = max(facts.momenta.values()), facts.adapting_steps
    needed = steps_needed(slowest)
    if _sees_training(facts) and steps >= needed:
        return None
    said = f"training accuracy {facts.trained_to:.2f} with batch statistics"
    if facts.inference_accuracy is not None:
        said += f", {facts.inference_accuracy:.2f} on training pictures with moving statistics"
    said += f", validation {facts.validation.accuracy:.2f}; with momentum {slowest:g} the moving statistics need about"
    said += f" {needed:,} steps and had {steps:,}"
    collapsed = max(facts.answered, default=0.0) >= 0.9  # noqa: PLR2004 - nearly all of one class
    weight = 0.95 if collapsed else 0.8
    if _sees_training(facts) or steps >= needed:
        weight = 0.4
    return _cause(
        "moving statistics lag", weight, said, facts.lag_remedy, momentum=slowest, steps=steps, steps_needed=needed
    )


def _sees_training(facts: Facts) -> bool:
    """Whether the delivered network tells its own training pictures apart in inference mode."""
    if facts.inference_accuracy is None:
        return not facts.momenta and facts.has_learned
    kept = facts.history[facts.best_epoch - 1].accuracy if facts.best_epoch else facts.trained_to
    return facts.inference_accuracy >= facts.train_majority + 0.1 and kept - facts.inference_accuracy < GAP


def _patience(facts: Facts) -> Cause | None:
    """Ended early although a loss was still falling."""
    done, patience = len(facts.history), facts.patience
    if facts.diverged or patience is None or done >= facts.epochs or not facts.stepped:
        return None
    (trend, needed), lowest = _pace(facts), min(record.val_loss for record in facts.history)
    train_falls = trend is not None and trend.falls and trend.fall > 0.005 * facts.guess
    still = facts.history[-1].val_loss <= lowest and done > 1
    lags = (
        bool(facts.momenta) and facts.has_learned and facts.adapting_steps < steps_needed(max(facts.momenta.values()))
    )
    early = patience <= SHORT and done <= facts.epochs / 3
    if not (train_falls or still or lags or early):
        return None
    falling = [what for what, falls in (("training", train_falls), ("validation", still)) if falls]
    said = f"ended after {_counted(done)} of {facts.epochs}, with patience {patience}"
    said += f" while the {' and the '.join(falling)} loss still fell" if falling else ""
    if trend is not None and train_falls:
        said += f" ({trend.first:.3f} to {trend.last:.3f} in training)"
    weight = 0.5 if facts.has_learned else 0.85
    hint = f"--patience {max(5, 2 * patience + 1)}"
    remedy = f"Give more patience ({hint}, or --patience none), so that slow progress is not taken for none."
    epochs = needed if math.isfinite(needed) else None
    return _cause("patience too short", weight, said, remedy, epochs=done, patience=patience, epochs_needed=epochs)


def _epochs(facts: Facts) -> Cause | None:
    (trend, needed), done = _pace(facts), len(facts.history)
    still = facts.steps >= STEPS and _is_still(facts)
    if facts.diverged or not facts.stepped or done < facts.epochs or facts.has_learned or still:
        return None
    if done <= SHORT or facts.steps < STEPS:
        said = f"{facts.steps} steps of the optimiser in {_counted(done)} are hardly enough for a head"
        remedy = f"Give more epochs (--epochs {max(10, 5 * done)})."
        return _cause("too few epochs", 0.7, said, remedy, epochs=done, steps=facts.steps)
    if trend is None or not trend.falls or not needed <= FAR * done:
        return None
    said = (
        f"the training loss still fell in the last of {done} epochs ({trend.first:.3f} to {trend.last:.3f}); at that "
        f"pace it needs about {_thousands(needed)} more to halve that of guessing"
    )
    remedy = f"Give more epochs (--epochs {max(2 * done, done + math.ceil(needed))}), or a higher rate."
    return _cause("too few epochs", 0.7, said, remedy, epochs=done, epochs_needed=needed)


def _counted(epochs: int) -> str:
    return "1 epoch" if epochs == 1 else f"{epochs} epochs"


def _signals(facts: Facts) -> tuple[dict[str, float], dict[str, float]]:
    """Simple classifiers that are above chance, and those that are not."""
    count = facts.validation.n if facts.validation is not None else 0
    level = facts.majority + ASKED * standard_error(facts.majority, count)
    above = {name: value for name, value in facts.simple.items() if value > level}
    return above, {name: value for name, value in facts.simple.items() if name not in above}


def _told(simple: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in simple.items())


def _features(facts: Facts) -> Cause | None:
    """Training accuracy itself at chance, with a head that has moved and a loss that has settled."""
    if facts.diverged or facts.has_learned or not facts.history or _is_still(facts):
        return None
    above, below = _signals(facts)
    if any("features" in name for name in above):
        return None
    trend, needed = _pace(facts)
    settled = trend is None or not trend.falls or needed > FAR * len(facts.history)
    if facts.steps < STEPS and facts.stepped:
        return None
    last = facts.history[-1].loss
    what = (
        "the open blocks do not find what tells the classes apart"
        if facts.opens
        else "the frozen features do not separate"
    )
    said = f"training accuracy itself is {facts.trained_to:.2f}, with a loss of {last:.3f} that has "
    said += "settled" if settled else "hardly fallen"
    said += f"; {what}" + (f" ({_told(below)})" if below else "")
    if facts.opens and not facts.pretrained:
        remedy = "Take a larger network, or a backbone with pretrained weights."
    elif facts.opens:
        remedy = "Take another backbone, or larger pictures (size=…)."
    else:
        remedy = (
            "Open some blocks (bn-affine, unfreeze-top-k:k=2), or take another backbone, or larger pictures (size=…)."
        )
    return _cause(
        "features do not separate", 0.65 if settled else 0.4, said, remedy, loss=last, accuracy=facts.trained_to
    )


def _labels(facts: Facts) -> Cause | None:
    """No simple classifier sees anything, though training pictures can be learned by heart."""
    if facts.validation is None:
        return None
    above, below = _signals(facts)
    if above or not (below or facts.conflicts):
        return None
    said = f"training accuracy {facts.trained_to:.2f}, validation {facts.validation.accuracy:.2f}"
    said += f", and nothing else sees the classes either ({_told(below)})" if below else ""
    said += f"; {facts.conflicts:,} groups of identical pictures have different labels" if facts.conflicts else ""
    strong = facts.pretrained and any("features" in name for name in below)
    weight = (0.85 if strong else 0.5) if _sees_training(facts) else (0.65 if strong and facts.has_learned else 0.35)
    remedy = "Look at some pictures of each class: do the labels belong to them? Check the table or the folders."
    return _cause("labels", weight, said, remedy, conflicts=facts.conflicts, **_plain(below))


def _plain(simple: Mapping[str, float]) -> dict[str, float]:
    return {name.replace(" ", "_").replace("-", "_"): value for name, value in simple.items()}


def _overfitting(facts: Facts) -> Cause | None:
    """Training pictures are learned by heart, in inference mode too, and the others are not."""
    if facts.validation is None or not _sees_training(facts) or not facts.by_heart:
        return None
    above, _ = _signals(facts)
    said = f"training accuracy {facts.trained_to:.2f} on {facts.n_train:,} pictures, "
    said += f"validation {facts.validation.accuracy:.2f}"
    said += f", though the classes can be told ({_told(above)})" if above else ""
    remedy = "Give more pictures, augment (--augment light), open less, or take pretrained weights."
    weight = 0.75 if above else 0.55
    return _cause("overfitting", weight, said, remedy, training=facts.trained_to, n_train=facts.n_train)


def _one_class(facts: Facts) -> Cause | None:
    share = max(facts.answered, default=0.0)
    if facts.validation is None or share < ONE_CLASS:
        return None
    name = facts.classes[facts.answered.index(share)]
    said = f"{name!r} is said of {share:.0%} of the validation pictures"
    uneven = facts.train_majority >= max(0.65, 1.3 / len(facts.classes))
    said += f", and {facts.train_majority:.0%} of the training pictures have one class" if uneven else ""
    remedy = "Judge by --metric balanced_accuracy, and give more pictures of the rare classes."
    if not uneven:
        remedy = "The network has collapsed: lower the rate, or train longer."
    return _cause("one class only", 0.6 if uneven else 0.3, said, remedy, share=share, majority=facts.train_majority)


def _few_pictures(facts: Facts) -> Cause | None:
    """The score is above guessing, and the interval is too wide to tell."""
    scores = facts.validation
    if scores is None:
        return None
    half = 2 * standard_error(facts.majority, scores.n)
    lead = scores.accuracy - facts.majority
    if half < 0.08 or lead < half / 2:  # noqa: PLR2004 - from about 150 pictures on it is not their number
        return None
    needed = math.ceil((2 * math.sqrt(facts.majority * (1 - facts.majority)) / max(lead, 0.02)) ** 2)
    said = (
        f"{scores.accuracy:.2f} is above {facts.majority:.2f}, but with {scores.n:,} validation pictures chance alone "
        f"reaches {facts.majority + half:.2f}; to tell this lead takes about {needed:,}"
    )
    remedy = "Give more pictures, or a larger validation share (--split), or several seeds."
    weight = 0.7 if lead >= 0.75 * half else 0.5
    return _cause("too few pictures", weight, said, remedy, n=scores.n, lead=lead, n_needed=needed)


def _unknown(facts: Facts) -> Cause:
    if facts.solved:
        remedy = "Check the pictures and the weights of the backbone, or take a head that is trained (gap)."
        return _cause("unknown", 0.1, "the equations of the head have no finite solution", remedy)
    said = f"no single cause stands out: training accuracy {facts.trained_to:.2f}"
    if facts.history:
        said += f", training loss {facts.history[0].loss:.3f} to {facts.history[-1].loss:.3f}"
    remedy = "Train longer with more patience, or try --lr auto."
    return _cause("unknown", 0.1, said, remedy, accuracy=facts.trained_to)
