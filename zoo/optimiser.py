"""Keras' optimisers with a rate of its own for each block, decay, a pull to the start, averages and measures.

The factor of a weight scales its update. To scale the gradient instead would do nothing under Adam, RMSprop and Lion:
they divide a gradient by its own running size, or keep its sign only.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from zoo.applied import AppliedAdam
from zoo.averaging import decay_at, moved_average
from zoo.forward import value_of
from zoo.kernels import computes_on_cpu

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.assembly import Assembly
    from zoo.contracts import Phase
    from zoo.values import Optimiser

MOMENTUM = 0.9
"""Nesterov's momentum of SGD (Sutskever et al. 2013)."""

_SUMS = ("gradient", "weight")


@dataclass(frozen=True, slots=True)
class WeightRule:
    """How one weight is moved.

    Attributes:
        factor: Of its updates, those of the decay included.
        pull: Of the distance from where it is now, added to its gradient.
        decay: Share of it that every step takes off, times the rate (Loshchilov & Hutter 2019, arXiv:1711.05101).
    """

    factor: float = 1.0
    pull: float = 0.0
    decay: float = 0.0


def optimiser_of(
    assembly: Assembly,
    phase: Phase,
    *,
    name: Optimiser = "adam",
    weight_decay: float = 0.0,
    accumulate: int = 1,
    ema: float = 0.0,
) -> Any:  # noqa: ANN401 - a Keras optimiser
    """A fresh optimiser for a phase: Keras' own, or its blockwise kind where something needs it.

    Args:
        assembly: Tells which block a weight is in, and what it is.
        phase: Its rate, factors and pull.
        name: `adam` (Kingma & Ba 2015), `adamw`, `sgd`, `rmsprop` or `lion` (Chen et al. 2023). `adamw` is `adam`: the
            decay is decoupled whatever the optimiser.
        weight_decay: Of weights with at least two dimensions that are no bias, gamma or beta.
        accumulate: Gradients whose mean makes one step.
        ema: Decay of the averages of the weights; 0 keeps none.
    """
    kind, options = _keras_kind(name)
    if accumulate > 1:
        options["gradient_accumulation_steps"] = accumulate
    plain = (phase.backbone_rate, phase.layer_decay, phase.pull, phase.block_rates) == (1, 1, 0, "given")
    if plain and not weight_decay and not ema:
        return kind(float(phase.learning_rate), **options)
    top = len(assembly.blocks)
    rules = {
        id(variable): WeightRule(
            factor=1.0 if weight.block == top else phase.backbone_rate * phase.layer_decay ** (top - 1 - weight.block),
            pull=0.0 if weight.block == top else phase.pull,
            decay=weight_decay if weight.role in {"kernel", "other"} and len(weight.variable.shape) > 1 else 0.0,
        )
        for weight in assembly.weights
        for variable in weight.trained
    }
    measures = phase.block_rates == "auto-rgn"
    return blockwise(kind)(phase.learning_rate, rules=rules, measures=measures, ema=ema, **options)


def _keras_kind(name: Optimiser) -> tuple[Any, dict[str, Any]]:
    """Keras' class, and what it is called with besides the rate."""
    adam = AppliedAdam if computes_on_cpu() else keras.optimizers.Adam
    kinds = {
        "adam": adam,
        "adamw": adam,
        "sgd": keras.optimizers.SGD,
        "rmsprop": keras.optimizers.RMSprop,
        "lion": keras.optimizers.Lion,
    }
    return kinds[name], {"momentum": MOMENTUM, "nesterov": True} if name == "sgd" else {}


class _Blockwise:
    """What is put before a Keras optimiser: the update of each weight is scaled, and more.

    Args:
        learning_rate: Of weights without a rule.
        rules: By `id` of the variable.
        measures: Whether it adds up the squares of each gradient and of its weight.
        ema: Decay of the averages of the weights; 0 keeps none.
        options: Of the Keras optimiser.
    """

    def __init__(
        self,
        learning_rate: float,
        *,
        rules: Mapping[int, WeightRule],
        measures: bool = False,
        ema: float = 0.0,
        **options: Any,  # noqa: ANN401 - Keras' own
    ) -> None:
        super().__init__(float(learning_rate), **options)  # type: ignore[call-arg]
        self._rules = dict(rules)
        self._measures = measures
        self._ema = ema

    def build(self: Any, variables: list[Any]) -> None:
        """Makes the slots: factors and sums as variables, so that they can change without tracing anew."""
        if self.built:
            return
        super().build(variables)  # type: ignore[misc]
        kept = [self._rules.get(id(variable), WeightRule()) for variable in variables]
        self._factors = [self._constant(rule.factor, f"factor_{i}") for i, rule in enumerate(kept)]
        self._pulls = [rule.pull for rule in kept]
        self._decays = [rule.decay for rule in kept]
        self._starts = [
            self._copy(variable, f"start_{i}") if rule.pull else None
            for i, (variable, rule) in enumerate(zip(variables, kept, strict=True))
        ]
        count = len(kept) if self._measures else 0
        self._sums = [tuple(self._constant(0.0, f"{of}_squares_{i}") for of in _SUMS) for i in range(count)]
        self._averages = [self._copy(v, f"average_{i}") for i, v in enumerate(variables)] if self._ema else []

    def _constant(self: Any, value: float, name: str) -> Any:  # noqa: ANN401 - a Keras variable
        return self.add_variable(shape=(), initializer=keras.initializers.Constant(value), dtype="float32", name=name)

    def _copy(self: Any, variable: Any, name: str) -> Any:  # noqa: ANN401 - Keras variables
        copy = self.add_variable(shape=variable.shape, dtype=variable.dtype, name=name)
        copy.assign(value_of(variable))
        return copy

    def update_step(self: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:  # noqa: ANN401 - Keras' own signature
        """One weight's step."""
        index = self._get_variable_index(variable)
        gradient = keras.ops.cast(gradient, variable.dtype)
        if self._measures:
            for total, values in zip(self._sums[index], (gradient, variable), strict=True):
                squares = keras.ops.sum(keras.ops.square(keras.ops.convert_to_tensor(values)))
                self.assign_add(total, keras.ops.cast(squares, "float32"))
        if self._pulls[index]:
            away = keras.ops.subtract(keras.ops.convert_to_tensor(variable), self._starts[index])
            gradient = keras.ops.add(gradient, keras.ops.multiply(away, self._pulls[index]))
        rate = learning_rate * keras.ops.convert_to_tensor(self._factors[index])
        if self._decays[index]:
            self.assign_sub(variable, keras.ops.convert_to_tensor(variable) * (rate * self._decays[index]))
        super().update_step(gradient, variable, rate)  # type: ignore[misc]
        if self._ema:
            average = self._averages[index]
            decay = decay_at(self._ema, keras.ops.cast(self.iterations, "float32") + 1.0)
            new, old = (keras.ops.convert_to_tensor(one) for one in (variable, average))
            self.assign(average, moved_average(old, new, decay))

    def averages(self: Any) -> list[Any]:
        """The averages of the weights, in the order of the variables it was built with; none without `ema`."""
        return list(self._averages)

    def take_measures(self: Any, variables: list[Any]) -> dict[int, tuple[float, float]]:
        """Squares of gradients and of weights, added up since the last call, by `id` of the variable."""
        taken = {}
        for variable, totals in zip(variables, self._sums, strict=True):
            gradient, weight = (float(value_of(total)) for total in totals)
            taken[id(variable)] = (gradient, weight)
            for total in totals:
                total.assign(np.float32(0))
        return taken

    def set_factors(self: Any, variables: list[Any], factors: Mapping[int, float]) -> None:
        """New factors by `id` of the variable; others stay."""
        for variable, factor in zip(variables, self._factors, strict=True):
            if id(variable) in factors:
                factor.assign(np.float32(factors[id(variable)]))


@functools.cache
def blockwise(kind: Any) -> Any:  # noqa: ANN401 - Keras optimiser classes
    """A Keras optimiser class whose update of each weight is scaled: see `_Blockwise` for its arguments."""
    return type(
        f"Blockwise{kind.__name__}", (_Blockwise, kind), {"__module__": __name__, "__doc__": _Blockwise.__doc__}
    )


def block_factors(assembly: Assembly, phase: Phase, measured: Mapping[int, tuple[float, float]]) -> dict[int, float]:
    """Factors of open backbone weights after the relative gradient norms of their blocks, the largest 1.

    A block's norm is ‖gradient‖ / ‖weights‖ over all its open weights together, so that weights near 0, such as betas
    that hardly moved yet, do not decide it.

    Args:
        assembly: Tells which block a weight is in.
        phase: Its `backbone_rate` and `layer_decay` still apply.
        measured: Of `take_measures` of a blockwise optimiser.
    """
    top = len(assembly.blocks)
    sums: dict[int, list[float]] = {}
    for weight in assembly.weights:
        if weight.block < top and id(weight.variable) in measured:
            block = sums.setdefault(weight.block, [0.0, 0.0])
            for place, value in enumerate(measured[id(weight.variable)]):
                block[place] += value
    norms = {block: math.sqrt(slope / size) if size > 0 else 0.0 for block, (slope, size) in sums.items()}
    largest = max(norms.values(), default=0.0)
    if not largest > 0:
        return {}
    return {
        id(weight.variable): phase.backbone_rate
        * phase.layer_decay ** (top - 1 - weight.block)
        * norms[weight.block]
        / largest
        for weight in assembly.weights
        if weight.block < top and id(weight.variable) in measured
    }
