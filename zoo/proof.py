"""What can be proven or has to be said about a run: before it, the receipt after it, and its status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.backend import is_accelerated, rounds_products
from zoo.batching import planned_steps, step_plan
from zoo.errors import ReceiptError
from zoo.forward import value_of
from zoo.lag import GAP, lag_warning, not_learning, way_out
from zoo.precision import precision_note
from zoo.receipt import Trace, write_receipt

if TYPE_CHECKING:
    from zoo.building import Built
    from zoo.prefix import FeatureCache
    from zoo.training import Trained
    from zoo.values import Precision, Receipt, Recipe, Scores, Side, Status

    Array = np.ndarray[Any, Any]

PROBE = 256
"""Most training pictures on which training-mode and inference-mode accuracy are compared."""


_ROUNDING, _COARSE_ROUNDING = 1e-3, 0.05
"""By how much a probability may differ because the same layers are compiled as one graph or as two, or run on another
number of pictures; the second where products are rounded to fewer bits than float32 has."""


def early_notes(recipe: Recipe, built: Built, count: int) -> tuple[str, ...]:
    """What can be said before training: statistics that will lag, random weights that stay, nothing to open."""
    assembly, notes = built.assembly, []
    batch, parts = step_plan(count, batch_size=recipe.batch_size, accumulate=recipe.accumulate)
    momenta: dict[str, float] = {}
    steps = 0
    for phase in built.phases:
        found = assembly.momenta(phase)
        momenta |= found
        taken = planned_steps(count, epochs=phase.epochs, batch_size=batch * parts)
        steps += taken * parts if found else 0  # statistics move with every batch, not with every step
    notes.append(lag_warning(momenta, steps=steps, remedy=remedy_of_lag(recipe, built)))
    free = {
        id(weight)
        for phase in built.phases
        for weight in assembly.weights
        if weight.block < len(assembly.blocks) and assembly.is_open(weight, phase)
    }
    body = [weight for weight in assembly.weights if weight.block < len(assembly.blocks) and weight.trainable]
    shut = sum(weight.size for weight in body if id(weight) not in free)
    if recipe.backbone.values()["weights"] == "none" and shut:
        share = shut / sum(weight.size for weight in body)
        notes.append(f"The backbone starts from random weights, and {recipe.policy} leaves {share:.1%} of them random.")
    wanted = recipe.policy.values().get("k", 0)
    if isinstance(wanted, int) and wanted > len(assembly.blocks):
        notes.append(f"{recipe.backbone.name} has {len(assembly.blocks)} blocks, so {recipe.policy} opens all of them.")
    if recipe.policy.name == "from-scratch" and recipe.backbone.values()["weights"] != "none":
        notes.append("from-scratch starts from pretrained weights here; with weights=none it starts from random ones.")
    if not free and any(phase.open_blocks for phase in built.phases):
        notes.append(f"{recipe.policy} opens nothing in {recipe.backbone.name}: it has no such weights there.")
    notes += _option_notes(recipe, parts)
    return tuple(text for text in notes if text)


def _option_notes(recipe: Recipe, parts: int) -> tuple[str, ...]:
    """What the training options do not do here."""
    decay = few = ""
    if recipe.optimiser == "adamw" and not recipe.weight_decay:
        decay = "adamw without weight_decay is adam: give a decay, such as 0.01."
    if parts < recipe.accumulate:
        few = f"There are training pictures for {parts} of {recipe.accumulate} batches in a step: a step takes {parts}."
    return decay, few, precision_note(recipe.precision, accelerated=is_accelerated())


def prove(built: Built, trained: Trained, before: list[np.ndarray[Any, Any]]) -> Receipt:
    """Writes the receipt; a FAIL is an error."""
    assembly, phases = built.assembly, built.phases
    names = [*(block.name for block in assembly.blocks), "head"]
    traces = [
        Trace(
            path=weight.path,
            block=names[weight.block],
            role=weight.role,
            declared=any(assembly.is_open(weight, phase) for phase in phases),
            adapts=any(assembly.may_adapt(weight, phase) for phase in phases),
            given=position in trained.given,
            before=value,
            after=value_of(weight.variable),
        )
        for position, (weight, value) in enumerate(zip(assembly.weights, before, strict=True))
    ]
    opens = "+".join(sorted({phase.open_weights for phase in phases if phase.open_blocks})) or "nothing"
    receipt = write_receipt(traces, blocks=names, opens=opens, unbuilt=assembly.unbuilt)
    if receipt.verdict == "FAIL":
        row = next(row for row in receipt.rows if row.verdict == "FAIL")
        raise ReceiptError(
            f"The receipt fails in block {row.block!r}: {row.reason}.",
            hint="The numbers of this run are not its policy's. Report it to the authors of policy and backbone.",
        )
    return receipt


def check_delivered(said: Array, delivered: Array, *, precision: Precision = "float32") -> None:
    """Compares what the saved and reloaded model says with what the network said in training, in the kept epoch.

    In mixed precision, and on accelerators that round float32 products, the whole network may be computed with other
    roundings than its two parts, so more is allowed.

    Args:
        said: (n, classes), probabilities of some validation pictures.
        delivered: The same of the loaded model.
        precision: That the backbone computes in.

    Raises:
        ReceiptError: If one differs by more than rounding.
    """
    apart = float(np.abs(said - delivered).max())
    if apart <= _ROUNDING:
        return
    if not apart <= _COARSE_ROUNDING or (precision == "float32" and not rounds_products()):
        raise ReceiptError(
            f"The saved model gives a picture a probability that is {apart:.4f} away from what it was in training.",
            hint="A layer does not save all it needs, or behaves otherwise outside training. Report it to its author.",
        )


def momenta_of(built: Built) -> dict[str, float]:
    """Momentum of each BatchNorm layer whose moving statistics follow in some phase, by layer name."""
    return {name: value for phase in built.phases for name, value in built.assembly.momenta(phase).items()}


def remedy_of_lag(recipe: Recipe, built: Built) -> str:
    """What ends the lag of the moving statistics that follow in some phase, in one sentence."""
    assembly = built.assembly
    own = {weight.layer.name for weight in assembly.weights if weight.block == len(assembly.blocks)}
    trained = recipe.backbone.values()["weights"] != "none"
    return way_out(recipe.policy, backbone=not momenta_of(built).keys() <= own, pretrained=trained)


def inference_accuracy(built: Built, learner: Side, cache: FeatureCache) -> float | None:
    """Accuracy on training pictures in inference mode, where statistics adapted; else None.

    What was closed in every phase is not computed again.
    """
    from zoo.prefix import Features, pass_through
    from zoo.stepping import probabilities

    assembly = built.assembly
    if not momenta_of(built):
        return None
    rows = np.linspace(0, len(learner.labels) - 1, min(PROBE, len(learner.labels))).astype(np.int64)
    top = len(assembly.blocks)
    lowest = min(min(assembly.boundary(phase), top - min(top, phase.re_estimated_blocks)) for phase in built.phases)
    path = assembly.path(lowest)
    if built.augment.layers:  # features of pictures as they are were not needed, and are not there
        tensors = pass_through(path, learner.pixels[rows])
    else:
        tensors = cache.features(path, learner.pixels, key=learner.key).take(rows)
    known = Features(stored=tuple(tensors), pixels=learner.pixels[rows], path=path)
    predicted = probabilities(assembly.rest(lowest), known).argmax(axis=1)
    return float((predicted == learner.labels[rows]).mean())


def verdict(
    recipe: Recipe,
    built: Built,
    trained: Trained,
    scores: Scores,
    inference: float | None,
    sides: tuple[Side, Side],
) -> tuple[Status, str, tuple[str, ...]]:
    """Status, its reason, and notes on a gap between training and inference mode."""
    majority = float(np.bincount(sides[1].labels).max()) / len(sides[1].labels)
    kept = trained.history[trained.best_epoch - 1]
    momenta = momenta_of(built)
    reason = not_learning(
        training_accuracy=max(record.accuracy for record in trained.history),
        validation=scores,
        majority=majority,
        momenta=momenta,
        steps=trained.adapting_steps,
        remedy=remedy_of_lag(recipe, built),
    )
    if reason:
        return "not learning in inference mode", reason, ()
    if inference is not None and kept.accuracy - inference >= GAP:
        text = (
            f"In epoch {kept.epoch} training accuracy was {kept.accuracy:.2f} with batch statistics, but training "
            f"pictures get {inference:.2f} in inference mode: the moving statistics still lag."
        )
        return "finished", "", (text,)
    return "finished", "", ()
