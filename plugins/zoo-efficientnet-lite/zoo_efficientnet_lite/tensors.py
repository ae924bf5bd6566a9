"""Puts the tensors of the torch port into the Keras graph, each by its name and with its shape checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from zoo.contracts import KerasLayer, KerasModel
    from zoo_efficientnet_lite.variants import Variant

    Array = npt.NDArray[Any]

ENDS = {"stem_conv": "_conv_stem", "stem_bn": "_bn0", "top_conv": "_conv_head", "top_bn": "_bn1"}
PARTS = {
    "expand_conv": "_expand_conv",
    "expand_bn": "_bn0",
    "dwconv": "_depthwise_conv",
    "bn": "_bn1",
    "project_conv": "_project_conv",
    "project_bn": "_bn2",
}
NORMALISATION = ("weight", "bias", "running_mean", "running_var")
"""torch's names of gamma, beta and the moving statistics, in the order of Keras' weights."""

CLASSIFIER = ("_fc.weight", "_fc.bias")


def assign_tensors(model: KerasModel, tensors: dict[str, Array], variant: Variant, *, origin: str) -> None:
    """Sets all weights of the graph of a variant. Sets none if one does not fit.

    Args:
        model: The graph, with the layer names that keras_cv gives.
        tensors: State dict of the torch port, with or without its classifier, which is not used.
        variant: Which member of the family the graph is.
        origin: Where the tensors come from, for messages; the beginning of a sentence.

    Raises:
        WeightsError: If a tensor is missing, left over, of another shape, or not finite.
    """
    unused = {name for name in tensors if name not in CLASSIFIER and not name.endswith(".num_batches_tracked")}
    found = []
    for layer in model.layers:
        if not layer.weights:
            continue
        values = []
        for (name, axes), weight in zip(_sources(layer, variant), layer.weights, strict=True):
            values.append(_fitting(tensors, name, axes, tuple(weight.shape), variant, origin=origin))
            unused.discard(name)
        found.append((layer, values))
    if unused:
        raise _misfit(f"{origin} holds {min(unused)!r}, which {variant.name} does not have.", variant)
    for layer, values in found:
        layer.set_weights(values)


def _sources(layer: KerasLayer, variant: Variant) -> Iterator[tuple[str, tuple[int, ...]]]:
    """For each weight of a layer in Keras' order: the tensor that it comes from, and the order of its axes."""
    unit, _, part = layer.name.partition("_")
    torch_name = ENDS.get(layer.name) or f"_blocks.{variant.units.index(unit)}.{PARTS[part]}"
    if part.endswith("bn"):
        yield from ((f"{torch_name}.{name}", (0,)) for name in NORMALISATION)
    elif part == "dwconv":
        yield f"{torch_name}.weight", (2, 3, 0, 1)  # channel, 1, height, width to height, width, channel, 1
    else:
        yield f"{torch_name}.weight", (2, 3, 1, 0)  # out, in, height, width to height, width, in, out


def _fitting(
    tensors: dict[str, Array],
    name: str,
    axes: tuple[int, ...],
    shape: tuple[int, ...],
    variant: Variant,
    *,
    origin: str,
) -> Array:
    """The tensor of that name in Keras' layout."""
    tensor = tensors.get(name)
    if tensor is None:
        raise _misfit(f"{origin} does not hold {name!r}, which {variant.name} needs.", variant)
    if tensor.ndim != len(axes) or tensor.transpose(axes).shape != shape:
        wanted = tuple(shape[axes.index(axis)] for axis in range(len(axes)))
        raise _misfit(f"{origin} holds {name!r} of shape {tensor.shape}; {variant.name} needs {wanted}.", variant)
    if not np.issubdtype(tensor.dtype, np.floating) or not np.isfinite(tensor).all():
        raise _misfit(f"{origin} holds {name!r} with values that are no finite numbers.", variant)
    return tensor.transpose(axes).astype(np.float32)


def _misfit(message: str, variant: Variant) -> WeightsError:
    return WeightsError(
        message,
        hint=f"Give a state dict of {variant.name} with the names of the EfficientNet-Lite port for torch.",
    )
