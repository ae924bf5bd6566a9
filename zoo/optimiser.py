"""Adam with a rate of its own for each block, a pull to the start, and a measure of the gradients.

The factor of a weight scales its update. To scale the gradient instead would do nothing: Adam divides a gradient by its
own running size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from zoo.forward import value_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.assembly import Assembly
    from zoo.contracts import Phase


@dataclass(frozen=True, slots=True)
class WeightRule:
    """How one weight is moved.

    Attributes:
        factor: Of its updates.
        pull: Of the distance from where it is now, added to its gradient.
    """

    factor: float = 1.0
    pull: float = 0.0


def optimiser_of(assembly: Assembly, phase: Phase) -> Any:  # noqa: ANN401 - a Keras optimiser
    """A fresh optimiser for a phase: Keras' Adam (Kingma & Ba 2015), or its blockwise kind where the phase needs it."""
    plain = (phase.backbone_rate, phase.layer_decay, phase.pull, phase.block_rates) == (1, 1, 0, "given")
    if plain:
        return keras.optimizers.Adam(phase.learning_rate)
    top = len(assembly.blocks)
    rules = {
        id(variable): WeightRule(
            factor=phase.backbone_rate * phase.layer_decay ** (top - 1 - weight.block), pull=phase.pull
        )
        for weight in assembly.weights
        if weight.block < top
        for variable in weight.trained
    }
    return BlockwiseAdam(phase.learning_rate, rules=rules, measures=phase.block_rates == "auto-rgn")


class BlockwiseAdam(keras.optimizers.Adam):  # type: ignore[misc] # Keras has no types
    """Adam whose update of each weight is scaled.

    Args:
        learning_rate: Of weights without a rule.
        rules: By `id` of the variable.
        measures: Whether it adds up the relative norm of each gradient: its norm divided by that of its weight.
    """

    def __init__(self, learning_rate: float, *, rules: Mapping[int, WeightRule], measures: bool = False) -> None:
        super().__init__(learning_rate)
        self._rules = dict(rules)
        self._measures = measures

    def build(self, variables: list[Any]) -> None:
        """Makes the slots: factors and sums as variables, so that they can change without tracing anew."""
        if self.built:
            return
        super().build(variables)
        kept = [self._rules.get(id(variable), WeightRule()) for variable in variables]
        self._factors = [self._constant(rule.factor, f"factor_{i}") for i, rule in enumerate(kept)]
        self._pulls = [rule.pull for rule in kept]
        self._starts = []
        for i, (variable, rule) in enumerate(zip(variables, kept, strict=True)):
            start = None
            if rule.pull:
                start = self.add_variable(shape=variable.shape, dtype=variable.dtype, name=f"start_{i}")
                start.assign(value_of(variable))
            self._starts.append(start)
        self._sums = [self._constant(0.0, f"relative_{i}") for i in range(len(kept))] if self._measures else []

    def _constant(self, value: float, name: str) -> Any:  # noqa: ANN401 - a Keras variable
        return self.add_variable(shape=(), initializer=keras.initializers.Constant(value), dtype="float32", name=name)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:  # noqa: ANN401 - Keras' own signature
        """One weight's step."""
        index = self._get_variable_index(variable)
        gradient = keras.ops.cast(gradient, variable.dtype)
        if self._measures:
            size = keras.ops.norm(keras.ops.reshape(keras.ops.convert_to_tensor(variable), (-1,)))
            slope = keras.ops.norm(keras.ops.reshape(gradient, (-1,)))
            self.assign_add(self._sums[index], keras.ops.cast(slope / (size + 1e-12), "float32"))
        if self._pulls[index]:
            away = keras.ops.subtract(keras.ops.convert_to_tensor(variable), self._starts[index])
            gradient = keras.ops.add(gradient, keras.ops.multiply(away, self._pulls[index]))
        super().update_step(gradient, variable, learning_rate * keras.ops.convert_to_tensor(self._factors[index]))

    def take_measures(self, variables: list[Any]) -> dict[int, float]:
        """Sums of relative gradient norms since the last call, by `id` of the variable; they start again from 0."""
        taken = {id(variable): float(value_of(total)) for variable, total in zip(variables, self._sums, strict=True)}
        for total in self._sums:
            total.assign(np.float32(0))
        return taken

    def set_factors(self, variables: list[Any], factors: Mapping[int, float]) -> None:
        """New factors by `id` of the variable; others stay."""
        for variable, factor in zip(variables, self._factors, strict=True):
            if id(variable) in factors:
                factor.assign(np.float32(factors[id(variable)]))


def block_factors(assembly: Assembly, phase: Phase, measured: Mapping[int, float]) -> dict[int, float]:
    """Factors of open backbone weights after the relative gradient norms of their blocks, the largest 1.

    Args:
        assembly: Tells which block a weight is in.
        phase: Its `backbone_rate` and `layer_decay` still apply.
        measured: Of `BlockwiseAdam.take_measures`. A block's norm is the mean of its weights'.
    """
    top = len(assembly.blocks)
    members: dict[int, list[Any]] = {}
    for weight in assembly.weights:
        if weight.block < top and id(weight.variable) in measured:
            members.setdefault(weight.block, []).append(weight)
    norms = {
        block: float(np.mean([measured[id(weight.variable)] for weight in weights]))
        for block, weights in members.items()
    }
    largest = max(norms.values(), default=0.0)
    if not largest > 0:
        return {}
    return {
        id(weight.variable): phase.backbone_rate * phase.layer_decay ** (top - 1 - block) * norms[block] / largest
        for block, weights in members.items()
        for weight in weights
    }
