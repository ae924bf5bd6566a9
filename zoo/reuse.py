"""Networks are built once and set back to their start, while runs that have the same one follow each other.

A network that is set back is equal to a new one to the last bit: weights and statistics get the values that they had,
the head's those that its initialisers draw from the seed of the run, and the seeds of layers that draw at random are
set from the run's seed after every build, the first one too. So a run does not depend on what ran before it.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.backend import is_accelerated
from zoo.building import build, build_head, joined, weights_fingerprint
from zoo.delivery import Delivery
from zoo.forward import value_of

if TYPE_CHECKING:
    from collections.abc import Hashable

    import numpy as np

    from zoo.assembly import Assembly
    from zoo.building import Built
    from zoo.contracts import KerasModel
    from zoo.registry import Catalog
    from zoo.values import Recipe

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class _Kept:
    """A network that is kept, with all its variables as they were after it was built."""

    key: tuple[Hashable, Hashable]
    assembly: Assembly
    backbone: KerasModel
    start: list[Array]
    delivery: Delivery


class Networks:
    """The network of the last run, for the next one: as a whole, or its backbone for another head.

    One is kept at a time, so memory does not grow with runs.
    """

    def __init__(self) -> None:
        self._kept: _Kept | None = None
        self._times: dict[Hashable, float] = {}

    def take(self, recipe: Recipe, catalog: Catalog) -> tuple[Built, Delivery]:
        """A recipe's network at its start, and how its runs are written.

        Raises:
            ContractError: If a plugin's part is not what its contract says.
            WeightsError: If the weights cannot be had.
        """
        key, kept = _key(recipe, catalog), self._kept
        if kept is not None:
            self._times[kept.key[0]] = kept.delivery.milliseconds_per_image
        self._kept = None  # what fails now must not be taken for a good one later
        backbone = None
        if kept is not None and kept.key[0] == key[0]:
            looks = not is_accelerated()  # on a CPU that takes half the time of assigning
            for variable, value in zip(kept.assembly.model.variables, kept.start, strict=True):
                if not looks or value_of(variable).tobytes() != value.tobytes():
                    variable.assign(value)
            backbone = kept.backbone
        if kept is not None and kept.key == key:
            _draw_head(kept.assembly, recipe, catalog)
            built = joined(kept.assembly, recipe, catalog)
        else:
            kept = None
            gc.collect()  # networks hold themselves in circles, and two at a time may be one too many
            built = build(recipe, catalog, backbone=backbone)
            start = [value_of(variable) for variable in built.assembly.model.variables]
            delivery = Delivery(built.assembly.deliverable(), self._times.get(key[0], 0.0))
            kept = _Kept(key, built.assembly, built.backbone, start, delivery)
        if _can_be_kept(built.assembly):
            self._kept = kept
        return built, kept.delivery

    @property
    def keeps(self) -> bool:
        """Whether there is a network for the next run; without, the last one is garbage."""
        return self._kept is not None

    def forget(self) -> None:
        """Lets go of the network, for instance after a run that failed in the middle."""
        self._kept = None


def _key(recipe: Recipe, catalog: Catalog) -> tuple[Hashable, Hashable]:
    """What decides a backbone and where it starts, and its head. Random weights are drawn from the seed."""
    weights = weights_fingerprint(catalog.backbone(recipe.backbone.name), recipe.backbone)
    seed = recipe.seed if weights == "none" else None
    return (recipe.backbone, weights, recipe.precision, seed), (recipe.head, len(recipe.classes))


def _draw_head(assembly: Assembly, recipe: Recipe, catalog: Catalog) -> None:
    """Gives the head the weights that its initialisers draw from the run's seed."""
    fresh = build_head(recipe, catalog, assembly.head.inputs)
    for mine, new in zip(assembly.head.variables, fresh.variables, strict=True):
        mine.assign(value_of(new))


def _can_be_kept(assembly: Assembly) -> bool:
    """Whether all that a run could change are variables: so it is with Keras' own layers, of others nobody knows."""
    parts = assembly.model._flatten_layers()  # noqa: SLF001 - Keras has no public walk
    return all(type(part).__module__.partition(".")[0] == "keras" for part in parts)
