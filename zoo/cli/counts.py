"""How many weights of a backbone each policy would open: the network is built, without its weights, and asked."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.errors import ZooError
from zoo.recipe import complete_augmentation, complete_backbone, complete_head, complete_policy
from zoo.values import Recipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.assembly import Assembly
    from zoo.contracts import Phase
    from zoo.registry import Catalog
    from zoo.values import Spec

EPOCHS = 10
"""Epochs that policies plan for when they are shown."""


@dataclass(frozen=True, slots=True)
class PolicyCount:
    """What one policy opens in a backbone, over all its phases.

    Attributes:
        policy: Its canonical spec, with default options.
        blocks: Most open blocks, counted from the top.
        opened: Scalar weights of the backbone that some phase trains.
        adapting: Moving statistics (scalars) that some phase lets adapt.
        fault: Why the policy has no plan for this backbone; nothing if it has one.
    """

    policy: str
    blocks: int = 0
    opened: int = 0
    adapting: int = 0
    fault: str = ""


@dataclass(frozen=True, slots=True)
class BackboneCount:
    """The size of a backbone, and what each policy opens in it.

    Attributes:
        weights: Scalar weights that can be trained; the head is not counted.
        statistics: Scalars that cannot: moving statistics and constants.
        policies: One for each policy, in the order of their names.
        per_block: Name and number of scalars of each block, statistics included, input to output.
    """

    weights: int
    statistics: int
    policies: tuple[PolicyCount, ...]
    per_block: tuple[tuple[str, int], ...]


def count(catalog: Catalog, spec: Spec) -> BackboneCount:
    """Builds a backbone from random weights and counts. Needs Keras.

    Args:
        catalog: All items.
        spec: The backbone, completed.

    Raises:
        ZooError: It cannot be built, or not on this Keras backend, or there is no backend.
    """
    from zoo.backend import clean_state
    from zoo.building import build
    from zoo.feasibility import check_backends

    check_backends(catalog, [spec])
    bare = complete_backbone(catalog, dataclasses.replace(spec, options=_without_weights(spec)))
    specs = [complete_policy(catalog, name) for name in catalog.names("policy")]
    recipe = Recipe(
        backbone=bare,
        head=complete_head(catalog, _preferred(catalog.names("head"), "gap")),
        policy=complete_policy(catalog, _preferred(catalog.names("policy"), "freeze-all")),
        augmentation=complete_augmentation(catalog, _preferred(catalog.names("augmentation"), "none")),
        data="",
        split="",
        classes=("one", "other"),
        epochs=EPOCHS,
    )
    with clean_state(0):
        assembly = build(recipe, catalog).assembly
    body = [weight for weight in assembly.weights if weight.block < len(assembly.blocks)]
    return BackboneCount(
        weights=sum(weight.size for weight in body if weight.trainable),
        statistics=sum(weight.size for weight in body if not weight.trainable),
        policies=tuple(_of_policy(assembly, recipe, catalog, policy) for policy in specs),
        per_block=tuple(
            (block.name, sum(weight.size for weight in body if weight.block == index))
            for index, block in enumerate(assembly.blocks)
        ),
    )


def _of_policy(assembly: Assembly, recipe: Recipe, catalog: Catalog, policy: Spec) -> PolicyCount:
    from zoo.building import plan_phases

    try:
        phases = plan_phases(dataclasses.replace(recipe, policy=policy), catalog, blocks=len(assembly.blocks))
    except ZooError as error:
        return PolicyCount(str(policy), fault=error.message)
    return _of_phases(assembly, phases, str(policy))


def _of_phases(assembly: Assembly, phases: Sequence[Phase], policy: str) -> PolicyCount:
    body = [weight for weight in assembly.weights if weight.block < len(assembly.blocks)]
    return PolicyCount(
        policy,
        blocks=max(len(assembly.blocks) - assembly.boundary(phase) for phase in phases),
        opened=sum(weight.size for weight in body if any(assembly.is_open(weight, phase) for phase in phases)),
        adapting=sum(weight.size for weight in body if any(assembly.may_adapt(weight, phase) for phase in phases)),
    )


def _without_weights(spec: Spec) -> tuple[tuple[str, str | int | float | bool], ...]:
    return tuple((name, "none" if name == "weights" else value) for name, value in spec.options)


def _preferred(names: Sequence[str], usual: str) -> str:
    """The usual item, or the first where its plugin is blocked."""
    return usual if usual in names or not names else names[0]
