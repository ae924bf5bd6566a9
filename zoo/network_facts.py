"""What a built backbone tells about the work it makes: operations, tensors at cuts, feature maps, time of a pass."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.backend import reseed
from zoo.building import own_options, size_of
from zoo.forward import BATCH, forward_batch
from zoo.kernels import computes_on_cpu
from zoo.precision import building_in
from zoo.workload import Network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.contracts import Backbone, KerasModel
    from zoo.values import Precision, Spec

_PASSES = 3

UNFOLDED = 1.75
"""Times a folded pass that Keras' own takes with a mobile network, which gains most (`benchmarks/kernels.py`)."""


def facts_of(record: Backbone, spec: Spec, *, precision: Precision, known: float | None) -> Network:
    """Builds a backbone with random weights, which have the shapes of all others, and looks at it.

    Args:
        record: The backbone.
        spec: With its options.
        precision: What its layers compute in.
        known: Seconds of a forward pass for one picture, if runs that are finished tell; else it is timed on noise.

    Raises:
        ContractError: If it is not what its contract says.
    """
    from zoo.assembly import functional
    from zoo.folded import foldable
    from zoo.graph import assign_blocks, cuts

    began = time.perf_counter()
    reseed(0)
    with building_in(precision):
        model = functional(record.build(size=size_of(spec), weights=None, **own_options(spec)), name=record.name)
    build = time.perf_counter() - began
    blocks = assign_blocks(model, record.blocks_for(spec.values()), name=record.name)
    made = {operation.name: operation for operation in model.operations}
    work = [sum(_operations(made[name]) for name in block.operations) for block in blocks]
    maps = [sum(_bytes(_outputs(made[name])) for name in block.operations) for block in blocks]
    total = sum(work) or 1
    return Network(
        blocks=len(blocks),
        shares=tuple(sum(work[boundary:]) / total for boundary in range(len(blocks) + 1)),
        cuts=tuple(_bytes(tensors) for tensors in cuts(model, blocks, name=record.name)),
        activations=tuple(sum(maps[boundary:]) for boundary in range(len(blocks) + 1)),
        weights=sum(4 * int(np.prod(weight.shape)) for weight in model.weights),
        forward=_timed(model) if known is None else known,
        build=build,
        timed=known is None,
        unfolded=UNFOLDED if computes_on_cpu() and foldable(model) else 1.0,
    )


def _operations(operation: Any) -> int:  # noqa: ANN401 - a Keras operation
    """Multiplications for one picture, and one for each number of its feature map, which has to be moved."""
    outputs = _outputs(operation)
    moved = sum(_volume(tensor.shape) for tensor in outputs)
    kernels = [weight.shape for weight in getattr(operation, "weights", ()) if len(weight.shape) > 1]
    places = _volume(outputs[0].shape) // max(1, int(outputs[0].shape[-1] or 1)) if outputs else 0
    return 8 * moved + sum(int(np.prod(shape)) * places for shape in kernels)


def _outputs(operation: Any) -> list[Any]:  # noqa: ANN401 - as above
    import keras

    return list(keras.tree.flatten(operation.output))


def _volume(shape: Sequence[int | None]) -> int:
    return int(np.prod([side or 1 for side in shape[1:]]))


def _bytes(tensors: Sequence[Any]) -> int:
    return sum(_volume(tensor.shape) * (2 if "16" in str(tensor.dtype) else 4) for tensor in tensors)


def _timed(model: KerasModel) -> float:
    """Seconds of a forward pass for one picture of noise, the fastest of a few after the first."""
    entry = model.inputs[0].shape
    noise = np.random.default_rng(0).integers(0, 256, (BATCH, *entry[1:]), np.uint8)
    forward_batch(model, [noise])
    times = []
    for _ in range(_PASSES):
        began = time.perf_counter()
        forward_batch(model, [noise])
        times.append(time.perf_counter() - began)
    return min(times) / BATCH
