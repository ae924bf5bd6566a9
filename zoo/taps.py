"""Heads that look at several depths: means of the feature maps of chosen blocks, beside the backbone's own output.

The mean is taken inside the block that is tapped, so that it is frozen work wherever the block is: what crosses a cut
is one number per channel and not a map.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import keras

from zoo.errors import ContractError
from zoo.graph import assign_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.contracts import Block, KerasModel

_MAP = 4  # dimensions: batch, height, width, channels


def tapped(
    backbone: KerasModel, blocks: Sequence[Block], taps: Sequence[int], *, name: str
) -> tuple[KerasModel, tuple[Block, ...]]:
    """A backbone with more outputs: after its own, the mean over height and width of each tapped block's feature map.

    Args:
        backbone: Functional model with one output.
        blocks: Its blocks, input to output.
        taps: Indices of blocks, each at most once.
        name: The backbone's name, for messages.

    Returns:
        The model with `1 + len(taps)` outputs, and the blocks with the new layers; without taps, what was given.

    Raises:
        ContractError: If an index is no block's, or a block has no feature map to tap.
    """
    wrong = [index for index in taps if not 0 <= index < len(blocks)]
    if wrong or len(set(taps)) < len(taps):
        raise ContractError(
            f"The head taps blocks {list(taps)} of backbone {name!r}, which has {len(blocks)}.",
            hint="Its `taps` must give different indices from 0, the block at the input, up. Tell its author.",
        )
    if not taps:
        return backbone, tuple(blocks)
    assembled = assign_blocks(backbone, blocks, name=name)
    made = {operation.name: operation for operation in backbone.operations}
    extended = list(blocks)
    outputs = [backbone.outputs[0]]
    for index in taps:
        tensor = _last_map([made[operation] for operation in assembled[index].operations])
        if tensor is None:
            raise ContractError(
                f"Block {blocks[index].name!r} of backbone {name!r} gives no feature map that a head could look at.",
                hint="Choose another head, or other stages.",
            )
        layer = f"tap_{index}_{blocks[index].name}"
        outputs.append(keras.layers.GlobalAveragePooling2D(name=layer)(tensor))
        extended[index] = dataclasses.replace(blocks[index], layers=(*blocks[index].layers, layer))
    return keras.Model(backbone.inputs, outputs), tuple(extended)


def _last_map(operations: Sequence[Any]) -> Any:  # noqa: ANN401 - a KerasTensor or None
    """The last feature map that a block makes."""
    for operation in reversed(operations):
        output = operation.output
        if not isinstance(output, list | tuple) and len(output.shape) == _MAP:
            return output
    return None
