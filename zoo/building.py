"""From names in a recipe to a network and the phases of its training."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.backend import require_keras, reseed
from zoo.errors import ContractError, UnknownNameError, WeightsError

if TYPE_CHECKING:
    from zoo.assembly import Assembly
    from zoo.contracts import Backbone, KerasLayer, Phase, WeightsChoice
    from zoo.registry import Catalog
    from zoo.values import Recipe, Spec


@dataclass(frozen=True)
class Built:
    """A recipe's network, ready for training.

    Attributes:
        assembly: Backbone and head, cut into blocks.
        phases: Of the policy, with the recipe's learning rate.
        augment: Layers for training pictures.
    """

    assembly: Assembly
    phases: tuple[Phase, ...]
    augment: tuple[KerasLayer, ...]


def build(recipe: Recipe, catalog: Catalog) -> Built:
    """Builds what a recipe names. Seeds before each part, so that none depends on another's draws.

    Raises:
        ContractError: If a plugin's part is not what its contract says.
        WeightsError: If the weights cannot be had.
    """
    from zoo.assembly import assemble

    record = catalog.backbone(recipe.backbone.name)
    size, own = size_of(recipe.backbone), own_options(recipe.backbone)
    reseed(recipe.seed)
    backbone = record.build(size=size, weights=choose_weights(record, recipe.backbone), **own)
    reseed(recipe.seed)
    shape = tuple(int(side) if side is not None else None for side in backbone.output.shape[1:])
    classes = len(recipe.classes)
    head = catalog.head(recipe.head.name).build(shape, classes, **recipe.head.values())
    _check_head(head, recipe.head, classes)
    blocks = record.blocks_for(recipe.backbone.values())
    assembly = assemble(backbone, head, blocks, name=record.name)
    phases = plan_phases(recipe, catalog, blocks=len(blocks))
    augmentation = catalog.augmentation(recipe.augmentation.name)
    augment = augmentation.build(size, recipe.seed, **recipe.augmentation.values())
    reseed(recipe.seed)
    return Built(assembly, phases, tuple(augment))


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
    """The policy's phases for a number of blocks, checked, with the recipe's learning rate if it has one.

    Raises:
        ContractError: If the phases are not what `Policy.plan` promises.
    """
    policy = catalog.policy(recipe.policy.name)
    phases = tuple(policy.plan(blocks, recipe.epochs, **recipe.policy.values()))
    total = sum(phase.epochs for phase in phases)
    if not phases or total != recipe.epochs or any(phase.epochs < 1 for phase in phases):
        raise ContractError(
            f"Policy {policy.name!r} planned {[phase.epochs for phase in phases]} epochs for {recipe.epochs}.",
            hint="Its phases must have at least one epoch each and add up; try more epochs.",
        )
    if any(not phase.learning_rate > 0 for phase in phases):
        raise ContractError(f"Policy {policy.name!r} has a learning rate that is not above 0.", hint="Tell its author.")
    if recipe.learning_rate is None:
        return phases
    scale = recipe.learning_rate / max(phase.learning_rate for phase in phases)
    return tuple(dataclasses.replace(phase, learning_rate=phase.learning_rate * scale) for phase in phases)


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
    path = Path(text).expanduser()
    if path.exists():
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
        with choice.open("rb") as file:
            return f"file sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    return f"{choice.id} {choice.sha256 or choice.origin}"


def carriers(catalog: Catalog) -> tuple[str, ...]:
    """Names of installed backbones that carry their weights, so that they need no download."""
    items = (catalog.backbone(name) for name in catalog.names("backbone"))
    return tuple(item.name for item in items if any(weights.bundled for weights in item.weights))
