"""From names in a recipe to a network and the phases of its training."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.backend import require_keras, reseed
from zoo.contracts import Phase
from zoo.errors import ContractError, UnknownNameError, WeightsError
from zoo.precision import building_in
from zoo.schedules import RATE_FACTORS, scaled_by, scaled_to
from zoo.specs import channels_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.assembly import Assembly
    from zoo.augmenting import Augmenter
    from zoo.contracts import Backbone, KerasLayer, KerasModel, WeightsChoice
    from zoo.registry import Catalog
    from zoo.stepping import Solver
    from zoo.values import Precision, Recipe, Spec


@dataclass(frozen=True)
class Built:
    """A recipe's network, ready for training.

    Attributes:
        assembly: Backbone and head, cut into blocks.
        phases: Of the policy, with the recipe's learning rate.
        augment: Changes training pictures.
        solve: Solves the head where the backbone is fixed; None if it is trained by steps.
        backbone: As it was before it was tapped and joined with a head, which it may be again.
    """

    assembly: Assembly
    phases: tuple[Phase, ...]
    augment: Augmenter
    solve: Solver | None = None
    backbone: KerasModel = None


def build(recipe: Recipe, catalog: Catalog, *, backbone: KerasModel = None) -> Built:
    """Builds what a recipe names. Seeds before each part, so that none depends on another's draws.

    Args:
        recipe: Of the run.
        catalog: Where its items are looked up.
        backbone: `Built.backbone` of a run with the same one, set back to its start; built anew if not given.

    Raises:
        ContractError: If a plugin's part is not what its contract says.
        WeightsError: If the weights cannot be had.
    """
    from zoo.assembly import assemble
    from zoo.taps import tapped

    record = catalog.backbone(recipe.backbone.name)
    own = backbone
    if own is None:
        own = build_backbone(record, recipe.backbone, seed=recipe.seed, precision=recipe.precision)
    head_item, blocks = catalog.head(recipe.head.name), record.blocks_for(recipe.backbone.values())
    taps = head_item.taps(len(blocks), **recipe.head.values()) if head_item.taps else ()
    body, blocks = tapped(own, blocks, taps, name=record.name)
    head = build_head(recipe, catalog, body.outputs)
    built = joined(assemble(body, head, blocks, name=record.name), recipe, catalog)
    return dataclasses.replace(built, backbone=own)


def build_backbone(record: Backbone, spec: Spec, *, seed: int, precision: Precision) -> KerasModel:
    """A backbone with the weights that its spec names.

    Args:
        record: The backbone.
        spec: With its options, completed.
        seed: Of weights that are random.
        precision: What its layers compute in.

    Raises:
        ContractError: If it is not what its contract says.
        WeightsError: If the weights cannot be had.
    """
    from zoo.assembly import functional

    size, own = size_of(spec), own_options(spec)
    reseed(seed)
    weights = choose_weights(record, spec)
    with building_in(precision):
        backbone = functional(record.build(size=size, weights=weights, **own), name=record.name)
    _check_input(backbone, spec)
    return backbone


def build_head(recipe: Recipe, catalog: Catalog, features: Sequence[Any]) -> KerasModel:
    """A recipe's head with the weights that its seed draws.

    Args:
        recipe: Head, classes and seed.
        catalog: Where the head is looked up.
        features: KerasTensors, or anything with a `shape`: the backbone's outputs.

    Raises:
        ContractError: If it is not what its contract says.
    """
    item, classes = catalog.head(recipe.head.name), len(recipe.classes)
    shapes = [tuple(int(side) if side is not None else None for side in one.shape[1:]) for one in features]
    reseed(recipe.seed)
    head = item.build(tuple(shapes) if item.taps else shapes[0], classes, **recipe.head.values())
    _check_head(head, recipe.head, classes)
    return head


def joined(assembly: Assembly, recipe: Recipe, catalog: Catalog) -> Built:
    """A network at its start with the rest of what a recipe names; layers that draw at random get seeds of the run."""
    from zoo.augmenting import Augmenter

    phases = plan_phases(recipe, catalog, blocks=len(assembly.blocks))
    augmentation, head = catalog.augmentation(recipe.augmentation.name), catalog.head(recipe.head.name)

    def layers(view: int | None = None) -> tuple[KerasLayer, ...]:
        seed = recipe.seed if view is None else int(np.random.SeedSequence([recipe.seed, view]).generate_state(1)[0])
        reseed(seed)
        built = tuple(augmentation.build(size_of(recipe.backbone), seed, **recipe.augmentation.values()))
        reseed(recipe.seed)
        return built

    augmenter = Augmenter(
        layers(),
        augmentation.mixes_labels,
        make=layers,
        key=f"{recipe.augmentation}:{recipe.seed}:{len(recipe.classes)}",
    )
    for number, generator in enumerate(own_generators(assembly.model)):
        first = np.random.SeedSequence([recipe.seed, number]).generate_state(1)[0] >> 1
        generator.state.assign(np.array([first, 0], np.uint32))
    reseed(recipe.seed)
    solve = functools.partial(head.solve, **recipe.head.values()) if head.solve else None
    return Built(assembly, phases, augmenter, solve)


def own_generators(model: KerasModel) -> list[Any]:
    """Keras' seed generators of all layers that were given no seed by their author."""
    parts = model._flatten_layers()  # noqa: SLF001 - Keras has no public walk
    found = [one for part in parts for one in part._seed_generators]  # noqa: SLF001 - nor a public name for them
    return [one for one in found if one._initial_seed is None]  # noqa: SLF001 - as above


def _check_input(backbone: KerasModel, spec: Spec) -> None:
    own, wanted = backbone.inputs[0].shape[-1], channels_of(spec)
    if own != wanted:
        raise ContractError(
            f"Backbone {str(spec)!r} built a network for pictures of {own} channels, not {wanted}.",
            hint="Its build() must obey its option `channels`, and take RGB without one. Tell its author.",
        )


def _check_head(head: object, spec: Spec, classes: int) -> None:
    keras = require_keras()
    if not isinstance(head, keras.Model):
        raise ContractError(
            f"Head {spec.name!r} built a {type(head).__name__}, not a keras.Model.",
            hint="Its build() must return a model from features to logits.",
        )
    if tuple(head.output.shape[1:]) != (classes,):
        raise ContractError(
            f"Head {spec.name!r} gives shape {tuple(head.output.shape)}, but there are {classes} classes.",
            hint=f"It must give logits of shape (batch, {classes}): one unit for each class, also for two classes.",
        )


def plan_phases(recipe: Recipe, catalog: Catalog, *, blocks: int) -> tuple[Phase, ...]:
    """The policy's phases for a number of blocks, checked, with the recipe's schedule and learning rate.

    Without a rate they have the policy's own, which are meant for Adam, times the optimiser's factor (`RATE_FACTORS`);
    so they do with the rate `auto` until its test was made.

    Raises:
        ContractError: If the phases are not what `Policy.plan` promises.
    """
    policy = catalog.policy(recipe.policy.name)
    phases = tuple(policy.plan(blocks, recipe.epochs, **recipe.policy.values()))
    for phase in phases:
        fault = _phase_fault(phase)
        if fault:
            raise ContractError(f"Policy {policy.name!r} planned a phase with {fault}.", hint="Tell its author.")
    total = sum(phase.epochs for phase in phases)
    if not phases or total != recipe.epochs:
        raise ContractError(
            f"Policy {policy.name!r} planned {[phase.epochs for phase in phases]} epochs for {recipe.epochs}.",
            hint="Its phases must have at least one epoch each and add up; try more epochs.",
        )
    if recipe.schedule != "policy":
        phases = tuple(dataclasses.replace(phase, schedule=recipe.schedule) for phase in phases)
    if recipe.learning_rate is not None and recipe.learning_rate != "auto":
        return scaled_to(phases, recipe.learning_rate, solves=catalog.head(recipe.head.name).solve is not None)
    factor = RATE_FACTORS[recipe.optimiser]
    return phases if factor == 1 else scaled_by(phases, factor)


def _phase_fault(phase: object) -> str:
    """What is wrong with a phase that a policy planned, or an empty text."""
    if not isinstance(phase, Phase):
        return f"type {type(phase).__name__}, which is no Phase"
    allowed = {
        "epochs": type(phase.epochs) is int and phase.epochs >= 1,
        "open_blocks": type(phase.open_blocks) is int and phase.open_blocks >= 0,
        "learning_rate": _in_range(phase.learning_rate, 0, math.inf),
        "open_weights": phase.open_weights in {"all", "batch-norm", "bias", "low-rank"},
        "rank": type(phase.rank) is int and (phase.rank >= 1) == (phase.open_weights == "low-rank"),
        "batch_norm": phase.batch_norm in {"fixed", "adapting"},
        "drop_layers": isinstance(phase.drop_layers, bool),
        "backbone_rate": _in_range(phase.backbone_rate, 0, math.inf),
        "layer_decay": _in_range(phase.layer_decay, 0, 1) or phase.layer_decay == 1,
        "schedule": phase.schedule in {"constant", "cosine", "one-cycle"},
        "statistics": phase.statistics == "moving" or (phase.statistics, phase.batch_norm) == ("precise", "adapting"),
        "re_estimated_blocks": type(phase.re_estimated_blocks) is int and phase.re_estimated_blocks >= 0,
        "pull": phase.pull == 0 or (_in_range(phase.pull, 0, math.inf) and phase.open_weights != "low-rank"),
        "block_rates": phase.block_rates == "given"
        or (phase.block_rates == "auto-rgn" and phase.open_weights != "low-rank"),
    }
    return ", ".join(f"{name}={getattr(phase, name)!r}" for name, good in allowed.items() if not good)


def _in_range(number: object, low: float, high: float) -> bool:
    """Whether it is a number between two limits, neither of them."""
    return isinstance(number, int | float) and not isinstance(number, bool) and low < number < high


def codes_of(recipe: Recipe, catalog: Catalog) -> dict[str, str]:
    """Hex SHA-256 of the code of each item's functions, so that a plugin in the making is not taken for its past.

    It is the hash of the file that defines the function, or of the function's byte code where there is no file. What
    that file imports is not in it: the version of the package has to tell. A head's `solve` and `taps` count on their
    own where they are defined in another file than its `build`.
    """
    head = catalog.head(recipe.head.name)
    functions: dict[str, object] = {
        "backbone": catalog.backbone(recipe.backbone.name).build,
        "head": head.build,
        "policy": catalog.policy(recipe.policy.name).plan,
        "augmentation": catalog.augmentation(recipe.augmentation.name).build,
    }
    for name, function in (("solve", head.solve), ("taps", head.taps)):
        if function is not None and _file_of(function) != _file_of(head.build):
            functions[f"head.{name}"] = function
    return {kind: _code_of(function) for kind, function in functions.items()}


def _file_of(function: object) -> str:
    code = getattr(_innermost(function), "__code__", None)
    return "" if code is None else str(code.co_filename)


def _innermost(function: object) -> object:
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _code_of(function: object) -> str:
    code = getattr(_innermost(function), "__code__", None)
    path = Path(code.co_filename) if code is not None else None
    digest = hashlib.sha256()
    with contextlib.suppress(OSError):
        if path is not None and path.is_file():
            digest.update(path.read_bytes())
    if code is not None:
        digest.update(code.co_code)
        digest.update(repr([value for value in code.co_consts if not hasattr(value, "co_code")]).encode())
    return digest.hexdigest()


def size_of(spec: Spec) -> int:
    """Side of the pictures of a completed backbone spec, in pixels."""
    return int(spec.values()["size"])


def own_options(spec: Spec) -> dict[str, str | int | float | bool]:
    """The options of a completed backbone spec that its own `build` declares."""
    return {name: value for name, value in spec.options if name not in {"size", "weights"}}


def choose_weights(record: Backbone, spec: Spec) -> WeightsChoice:
    """What the option `weights` of a backbone means: declared weights, a file, or None for `none`.

    Raises:
        UnknownNameError: If it names no declared weights and looks like no file.
        WeightsError: If the file is not there.
    """
    text = str(spec.values()["weights"])
    declared = {weights.id: weights for weights in record.weights}
    if text == "none":
        return None
    if text in declared:
        return declared[text]
    try:
        path = Path(text).expanduser()
        found = path.exists()
    except (OSError, RuntimeError, ValueError) as error:
        raise WeightsError(
            f"The weights file {text!r} cannot be looked for: {error}.", hint="Mend the path."
        ) from error
    if found:
        return path
    if path.suffix or "/" in text or "\\" in text:
        raise WeightsError(f"There is no weights file {text!r}.", hint=f"Declared: {', '.join(declared) or 'none'}.")
    raise UnknownNameError(f"set of weights of {record.name}", text, (*declared, "none"))


def weights_fingerprint(record: Backbone, spec: Spec) -> str:
    """Names the weights a run starts from: declared id and hash, the hash of a file, or `none`."""
    choice = choose_weights(record, spec)
    if choice is None:
        return "none"
    if isinstance(choice, Path):
        if not choice.is_file():
            raise WeightsError(f"{str(choice)!r} is no file.", hint="Give a file with weights.")
        try:
            with choice.open("rb") as file:
                return f"file sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        except OSError as error:
            raise WeightsError(f"{str(choice)!r} cannot be read: {error}.", hint="Mend its permissions.") from error
    return f"{choice.id} {choice.sha256 or choice.origin}"


def carriers(catalog: Catalog) -> tuple[str, ...]:
    """Names of installed backbones that carry their weights, so that they need no download."""
    items = (catalog.backbone(name) for name in catalog.names("backbone"))
    return tuple(item.name for item in items if any(weights.bundled for weights in item.weights))
