"""Backbone and head joined into one graph, cut at block boundaries, and opened phase by phase.

How Keras behaves decides the shape of this file:

* `BatchNormalization` has one switch for three things. `trainable=True` trains gamma and beta, normalises with the
  batch *and* moves the statistics. To train gamma and beta on fixed statistics a layer wears, for the time of a
  phase, a subclass whose `call` passes `training=False`.
* A frozen drop layer still drops. Drop layers that a phase silences wear such a subclass too.
* The prefix, all blocks below the lowest open one, is a model of its own and only ever runs in inference mode.
* `trainable` set on a layer recurses downwards (and under TensorFlow not even that if the layer's own flag stays as
  it is), so every leaf is set by itself, and every phase is compiled afresh.
"""

from __future__ import annotations

import contextlib
import inspect
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import keras

from zoo.errors import ContractError
from zoo.front import fixed_front
from zoo.fused import AdaptingBatchNormalization, FixedBatchNormalization, can_fuse
from zoo.graph import AssembledBlock, Weight, assign_blocks, cuts, leaves, wake, weights_of
from zoo.kernels import computes_with_onednn
from zoo.low_rank import adapted
from zoo.padded import PaddingDepthwiseConv2D, UnpaddedInput, padded_pairs
from zoo.pointwise import PointwiseConv2D, can_multiply
from zoo.worn import still_class, wearing

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from zoo.contracts import Block, KerasLayer, KerasModel, Phase

_DROPS = re.compile(r"Drop|StochasticDepth|GaussianNoise", re.IGNORECASE)


@dataclass(frozen=True)
class Assembly:
    """A whole network: raw RGB 0–255 pictures in, logits out.

    Attributes:
        model: Functional `keras.Model`, float32 (batch, size, size, channels) to float32 logits (batch, classes).
        blocks: The backbone's blocks, input to output, with the layers that are in each.
        weights: Every weight of `model`, statistics included, with its block and role.
        unbuilt: Names of layers that own no weights although their kind has some.
        head: The head, one layer of `model`.
    """

    model: KerasModel
    blocks: tuple[AssembledBlock, ...]
    weights: tuple[Weight, ...]
    unbuilt: tuple[str, ...]
    head: KerasModel = field(repr=False)
    _cuts: tuple[tuple[Any, ...], ...] = field(repr=False)
    _front: tuple[Any, ...] = field(default=(), repr=False)
    _parts: dict[tuple[Hashable, ...], KerasModel] = field(default_factory=dict, repr=False)

    def boundary(self, phase: Phase) -> int:
        """Number of blocks below the lowest open one: 0 when all are open, `len(blocks)` when none is."""
        return max(0, len(self.blocks) - max(0, phase.open_blocks))

    def prefix(self, boundary: int) -> KerasModel | None:
        """The model from pictures to the tensors at a boundary (a list of one or more); None for boundary 0."""
        if boundary == 0:
            return None
        return self._part(("prefix", boundary), [self.model.input], list(self._cuts[boundary]))

    def front(self, boundary: int) -> KerasModel | None:
        """The part of the head that no training changes, where no block is open: the model from features to fewer.

        None where blocks are open, or the head begins with weights.
        """
        if boundary < len(self.blocks) or not self._front:
            return None
        return self._part(("front",), list(self.head.inputs), list(self._front))

    def path(self, boundary: int) -> tuple[KerasModel, ...]:
        """The models that lead from pictures to what `rest` takes, none to two, one after the other."""
        return tuple(part for part in (self.prefix(boundary), self.front(boundary)) if part is not None)

    def tail(self, boundary: int) -> KerasModel:
        """The model from the tensors at a boundary to logits; for boundary 0 from pictures. Shares all weights."""
        return self._part(("tail", boundary), list(self._cuts[boundary]), [self.model.output])

    def rest(self, boundary: int, *, of: Hashable = None) -> KerasModel:
        """As `tail`, but from what the head's `front` makes of the tensors, where it has one.

        Args:
            boundary: 0 is from pictures.
            of: What it is compiled for: each has a model of its own, which is kept.
        """
        begins = list(self._cuts[boundary]) if self.front(boundary) is None else list(self._front)
        ends = [self.model.output] if self.front(boundary) is None else list(self.head.outputs)
        return self._part(("rest", boundary, of), begins, ends)

    def estimator(self, boundary: int) -> KerasModel:
        """From the tensors at a boundary to logits, with functions that are traced while statistics are estimated.

        It is made anew whenever low-rank adapters come or go: it is never compiled, which makes `tail` trace anew.
        """
        return self._part(("estimator", boundary), list(self._cuts[boundary]), [self.model.output])

    def _part(self, key: tuple[Hashable, ...], inputs: list[Any], outputs: list[Any]) -> KerasModel:
        if key not in self._parts:
            entry, result = (side[0] if len(side) == 1 else side for side in (inputs, outputs))
            self._parts[key] = keras.Model(entry, result, name="_".join(str(part) for part in key[:2]))
        return self._parts[key]

    def forget_rests(self, kept: Sequence[Hashable]) -> None:
        """Lets go of each `rest` that is compiled for something else, with their functions and optimisers."""
        for key in [key for key in self._parts if key[0] == "rest" and key[-1] not in {None, *kept}]:
            del self._parts[key]

    def is_open(self, weight: Weight, phase: Phase) -> bool:
        """Whether a phase declares a weight open. The head always is; statistics are never trained."""
        if not weight.trainable:
            return False
        if weight.block == len(self.blocks):
            return True
        if weight.block < self.boundary(phase):
            return False
        if phase.open_weights == "all":
            return True
        roles = {"batch-norm": {"gamma", "beta"}, "bias": {"bias", "beta"}, "low-rank": {"kernel"}}
        return weight.role in roles[phase.open_weights]

    def may_adapt(self, weight: Weight, phase: Phase) -> bool:
        """Whether a phase lets a moving statistic, or other state of a layer, change. In the head it always does."""
        if weight.trainable:
            return False
        in_head = weight.block == len(self.blocks)
        follows = phase.batch_norm == "adapting" and weight.block >= self.boundary(phase)
        return in_head or follows or self._is_re_estimated(weight, phase)

    def _is_re_estimated(self, weight: Weight, phase: Phase) -> bool:
        in_body = weight.block < len(self.blocks)
        return in_body and weight.role == "statistic" and weight.block >= len(self.blocks) - phase.re_estimated_blocks

    @contextlib.contextmanager
    def opened(self, phase: Phase, *, of: Hashable = None) -> Iterator[KerasModel]:
        """Opens exactly the weights of a phase and yields the `rest` to be compiled; closes everything afterwards.

        Args:
            phase: Of the policy.
            of: As in `rest`; without, it is a model that nobody gets again.
        """
        boundary = self.boundary(phase)
        stateful = {id(weight.layer) for weight in self.weights if not weight.trainable}
        open_ids = {id(weight.variable) for weight in self.weights if self.is_open(weight, phase)}
        with contextlib.ExitStack() as stack:
            stack.callback(self._close)
            for index, block in enumerate(self.blocks):
                for leaf in block.leaves:
                    adapts = phase.batch_norm == "adapting" and index >= boundary
                    _set_flags(leaf, open_ids, adapts=adapts)
                    if index < boundary:
                        continue
                    worn = _worn_class(leaf, phase, has_state=id(leaf) in stateful)
                    if worn is not None:
                        stack.enter_context(wearing(leaf, worn))
            for weight in self.weights:
                if weight.trainable:
                    weight.variable.trainable = id(weight.variable) in open_ids
            self._leave_padding(stack, boundary)
            if phase.open_weights == "low-rank":
                self._forget_estimators()
                stack.callback(self._forget_estimators)
                body = [w for w in self.weights if w.block < len(self.blocks) and id(w.variable) in open_ids]
                stack.enter_context(adapted([weight.layer for weight in body], phase.rank))
            yield self.rest(boundary, of=object() if of is None else of)

    def _leave_padding(self, stack: contextlib.ExitStack, boundary: int) -> None:
        in_tail = {id(leaf) for block in self.blocks[boundary:] for leaf in block.leaves}
        for pad, convolution in padded_pairs(self.model):
            if {id(pad), id(convolution)} <= in_tail:
                stack.enter_context(wearing(pad, UnpaddedInput))
                stack.enter_context(wearing(convolution, PaddingDepthwiseConv2D))

    def _forget_estimators(self) -> None:
        for key in [key for key in self._parts if key[0] == "estimator"]:
            del self._parts[key]

    def _close(self) -> None:
        """All flags as a network without a policy has them."""
        wake(self.model)
        for weight in self.weights:
            if weight.trainable:
                weight.variable.trainable = True

    def momenta(self, phase: Phase) -> dict[str, float]:
        """Momentum of every BatchNorm layer whose moving statistics follow as running averages, by layer name."""
        found: dict[str, float] = {}
        for weight in self.weights:
            lags = phase.batch_norm == "adapting" and phase.statistics == "moving"
            follows = weight.block == len(self.blocks) or (lags and weight.block >= self.boundary(phase))
            if weight.role == "statistic" and follows:
                found[weight.layer.name] = float(weight.layer.momentum)
        return found

    def deliverable(self) -> KerasModel:
        """The model that leaves the library: raw RGB 0–255 in, probabilities out, stock layers, nothing random."""
        if ("deliverable",) not in self._parts:
            probabilities = keras.layers.Softmax(name="probabilities", dtype="float32")(self.model.output)
            self._parts[("deliverable",)] = keras.Model(self.model.input, probabilities, name="classifier")
        return self._parts[("deliverable",)]


def functional(backbone: object, *, name: str) -> KerasModel:
    """What a backbone's `build` returned, if it is a functional model with one input and one output.

    Raises:
        ContractError: If it is not.
    """
    if isinstance(backbone, keras.Sequential) and backbone.built:
        backbone = keras.Model(backbone.inputs, backbone.outputs)
    if not isinstance(backbone, keras.Model) or not hasattr(backbone, "operations"):
        raise ContractError(
            f"Backbone {name!r} built a {type(backbone).__name__}, not a functional keras.Model.",
            hint="Its build() must return keras.Model(inputs, features), so that it can be cut at block boundaries.",
        )
    if len(backbone.outputs) != 1 or len(backbone.inputs) != 1:
        raise ContractError(
            f"Backbone {name!r} has {len(backbone.inputs)} inputs and {len(backbone.outputs)} outputs.",
            hint="A backbone takes one picture tensor and gives one feature map.",
        )
    return backbone


def assemble(backbone: KerasModel, head: KerasModel, blocks: Sequence[Block], *, name: str) -> Assembly:
    """Joins a backbone and a head into one graph; the backbone's layers lie flat in it, the head stays one layer.

    Args:
        backbone: Functional model, pictures to a 4-D (or 2-D) feature map, and to vectors where blocks are tapped.
        head: Functional model, features (and vectors) to logits.
        blocks: The backbone's declared blocks, input to output.
        name: The backbone's name, for messages.

    Raises:
        ContractError: If the backbone is no functional model, a layer with weights is in no block or in several, or
            a block feeds one that comes before it.
    """
    if len(getattr(backbone, "outputs", ())) <= 1:  # with more it comes from `tapped`, which was given a checked one
        backbone = functional(backbone, name=name)
    while head.name in {operation.name for operation in backbone.operations}:
        head.name = f"{head.name}_"
    wake(backbone)
    wake(head)
    features = backbone.outputs if len(backbone.outputs) > 1 else backbone.outputs[0]
    model = keras.Model(backbone.inputs[0], head(features), name="network")
    assembled = assign_blocks(backbone, blocks, name=name)
    head_layers = tuple(leaves(head))
    weights = weights_of(model, [block.leaves for block in assembled] + [head_layers])
    every = [leaf for block in assembled for leaf in block.leaves] + list(head_layers)
    unbuilt = tuple(
        sorted(leaf.name for leaf in every if isinstance(leaf, keras.layers.BatchNormalization) and not leaf.weights)
    )
    return Assembly(
        model=model,
        blocks=assembled,
        weights=weights,
        unbuilt=unbuilt,
        head=head,
        _cuts=cuts(backbone, assembled, name=name),
        _front=fixed_front(head),
    )


def _set_flags(leaf: KerasLayer, open_ids: set[int], *, adapts: bool) -> None:
    adapting = adapts and isinstance(leaf, keras.layers.BatchNormalization)
    leaf.trainable = adapting or any(id(variable) in open_ids for variable in leaf.weights)


def _worn_class(leaf: KerasLayer, phase: Phase, *, has_state: bool) -> Any:  # noqa: ANN401 - a Keras layer class or None
    """What a layer of an open block wears for the time of a phase; None if the stock class does."""
    if phase.batch_norm == "adapting" and can_fuse(leaf):
        return AdaptingBatchNormalization
    if computes_with_onednn():
        if phase.batch_norm == "fixed" and leaf.trainable and can_fuse(leaf):
            return FixedBatchNormalization
        if can_multiply(leaf):
            return PointwiseConv2D
    stock: Any = type(leaf)
    return still_class(stock) if _must_be_still(leaf, phase, has_state=has_state) else None


def _must_be_still(leaf: KerasLayer, phase: Phase, *, has_state: bool) -> bool:
    """Whether a layer of an open block has to behave as in inference although the phase trains."""
    if "training" not in inspect.signature(leaf.call).parameters:
        return False
    if has_state and phase.batch_norm == "fixed":  # moving statistics, or whatever else a layer keeps for itself
        return True
    return not phase.drop_layers and is_drop_layer(leaf)


def is_drop_layer(leaf: KerasLayer) -> bool:
    """Whether a layer drops or disturbs at random in training, whatever its rate: told by the name of its class."""
    return _DROPS.search(type(leaf).__name__) is not None
