"""What keras_cv composes of several layers, taken apart into stock layers that compute the same.

Each function calls stock layers in the new graph in the order in which keras_cv's own `call` does. Where the parts
have names of their own they keep them.

References: Tan, Le 2021, arXiv:2104.00298 (fused inverted bottleneck); Hu et al. 2018, arXiv:1709.01507 (squeeze and
excitation); Wang et al. 2019, arXiv:1911.11929 (cross stage partial); Xie et al. 2021, arXiv:2105.15203 (SegFormer);
Larsson et al. 2017, arXiv:1605.07648 (drop path); Howard et al. 2019, arXiv:1905.02244 (hard swish).
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import keras

from zoo.builtin._cv_mit import encoder, patches
from zoo.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.builtin._cv_graph import Canvas
    from zoo.contracts import KerasLayer

HINT = "keras_cv is no longer developed and may not fit this Keras. Install keras-cv 0.9, or use another backbone."


def kind_of(operation: object) -> str:
    """The class as a name, as Keras makes automatic ones of it: `ReLU` to `re_lu`."""
    words = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", re.sub(r"\W+", "", type(operation).__name__))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def rebuild(canvas: Canvas, operation: Any, node: Any, inputs: Sequence[Any], name: str | None) -> Any:  # noqa: ANN401 - Keras has no types
    """Calls in the new graph what computes the same as an operation of keras_cv's.

    Args:
        canvas: The new graph.
        operation: A layer or an operation.
        node: Where it stands in the old graph.
        inputs: Tensors of the new graph.
        name: Its name; None if it had an automatic one.

    Raises:
        PluginError: If it is nothing that is known.
    """
    kind = f"{type(operation).__module__.partition('.')[0]}.{type(operation).__name__}"
    layer = isinstance(operation, keras.layers.Layer)
    if kind in _HARD_SWISH:
        hard = _hard_swish(canvas, operation, node, inputs)
        if hard is not None:
            return hard
    name = name or canvas.name_for(kind_of(operation), inputs)
    if kind in _PARTS:
        return _PARTS[kind](canvas, operation, inputs[0], name)
    if layer and kind.startswith("keras."):
        return canvas.place(operation, list(inputs) if len(inputs) > 1 else inputs[0], name)
    if kind == "keras.GetItem":
        return _every_second(canvas, node.arguments.args[1], inputs[0], name)
    if kind == "keras.ReLU":  # the activation, called as a function
        return canvas.add(keras.layers.ReLU(name=name), inputs[0])
    raise PluginError(f"keras_cv builds a {type(operation).__name__} ({operation.name!r}), unknown here.", hint=HINT)


_HARD_SWISH = ("keras.Add", "keras.ReLU", "keras.Multiply")
"""The operations of which keras_cv makes x · min(max(x + 3, 0), 6) / 6."""


def _hard_swish(canvas: Canvas, operation: Any, node: Any, inputs: Sequence[Any]) -> Any:  # noqa: ANN401 - as above
    """One layer instead of four: the first three pass x on, the last one is the activation. None for any other."""
    if isinstance(operation, keras.layers.Multiply):
        if len(inputs) == 2 and inputs[0] is inputs[1]:  # noqa: PLR2004 - x and what was passed on for it
            layer = keras.layers.Activation("hard_silu", name=canvas.name_for("hard_silu", inputs))
            return canvas.add(layer, inputs[0])
        return None
    if isinstance(operation, keras.layers.ReLU):
        return inputs[0] if operation.max_value == 6 else None  # noqa: PLR2004 - hard swish only
    constants = [value for value in node.arguments.args if isinstance(value, float)]
    wanted = {"Add": 3.0, "Multiply": 1 / 6}.get(type(operation).__name__)
    if (
        not isinstance(operation, keras.layers.Layer)
        and len(constants) == 1
        and math.isclose(constants[0], wanted or 0)
    ):
        return inputs[0]
    return None


def _every_second(canvas: Canvas, key: Any, x: Any, name: str) -> Any:  # noqa: ANN401 - as above
    """Every second row and column, beginning with the first or the second: `x[..., a::2, b::2, :]`."""
    rows, columns = key[1:3] if len(key) == 4 and key[0] is Ellipsis else (slice(None),) * 2  # noqa: PLR2004 - as above
    if (rows.step, columns.step, rows.stop, columns.stop) != (2, 2, None, None):
        raise PluginError(f"keras_cv cuts {key} out of a picture, which is unknown here.", hint=HINT)
    start = (rows.start or 0, columns.start or 0)
    if any(start):
        crop = keras.layers.Cropping2D(((start[0], 0), (start[1], 0)), name=f"{name}_crop")
        x = canvas.add(crop, x)
    return canvas.add(keras.layers.MaxPooling2D(1, strides=2, name=name), x)


def _convolution(canvas: Canvas, sequential: KerasLayer, x: Any, name: str) -> Any:  # noqa: ANN401 - as above
    """Darknet's convolution, batch normalisation and SiLU; the last is a lambda there."""
    ends = {"Conv2D": "conv", "BatchNormalization": "bn"}
    for layer in sequential.layers:
        end = ends.get(type(layer).__name__)
        if end is None:
            x = canvas.add(keras.layers.Activation("silu", name=f"{name}_silu"), x)
        else:
            x = canvas.place(layer, x, f"{name}_{end}")
    return x


def _cross_stage_partial(canvas: Canvas, stage: KerasLayer, x: Any, name: str) -> Any:  # noqa: ANN401 - as above
    deep = _convolution(canvas, stage.darknet_conv1, x, f"{name}_split1")
    shallow = _convolution(canvas, stage.darknet_conv2, x, f"{name}_split2")
    for i in range(stage.num_bottlenecks):
        unit, shortcut = f"{name}_unit{i + 1}", deep
        deep = _convolution(canvas, stage.bottleneck_convs[2 * i], deep, f"{unit}_1")
        deep = _convolution(canvas, stage.bottleneck_convs[2 * i + 1], deep, f"{unit}_2")
        if stage.residual:
            deep = canvas.add(keras.layers.Add(name=f"{unit}_add"), [shortcut, deep])
    both = canvas.add(keras.layers.Concatenate(name=f"{name}_merge_concat"), [deep, shallow])
    return _convolution(canvas, stage.darknet_conv3, both, f"{name}_merge")


def _squeeze_and_excite(canvas: Canvas, part: KerasLayer, x: Any, name: str) -> Any:  # noqa: ANN401 - as above
    """MobileNetV3's, whose gate is a hard sigmoid. keras_cv's own layer for that computes what Keras' does."""
    if type(part.excite_activation).__name__ != "HardSigmoidActivation" or part.squeeze_activation != "relu":
        raise PluginError(f"keras_cv squeezes with {part.squeeze_activation!r}, unknown here.", hint=HINT)
    gate = canvas.place(part.global_average_pool, x, f"{name}_squeeze")
    gate = canvas.place(part.squeeze_conv, gate, f"{name}_reduce")
    gate = canvas.place(part.excite_conv, gate, f"{name}_expand", activation="hard_sigmoid")
    return canvas.add(keras.layers.Multiply(name=f"{name}_excite"), [gate, x])


def _inverted_bottleneck(canvas: Canvas, unit: KerasLayer, inputs: Any, name: str) -> Any:  # noqa: ANN401 - as above
    """EfficientNetV2's units. keras_cv makes all layers for each and uses some; the others are left behind."""
    fused = type(unit).__name__ == "FusedMBConvBlock"
    x = inputs
    if unit.expand_ratio != 1:
        x = canvas.place(unit.conv1, x, f"{name}expand_conv")
        x = canvas.place(unit.bn1, x, f"{name}expand_bn")
        x = canvas.place(unit.act, x, f"{name}expand_activation")
    if not fused:
        x = canvas.place(unit.depthwise, x, f"{name}dwconv2")
        x = canvas.place(unit.bn2, x, f"{name}bn")
        x = canvas.place(unit.act, x, f"{name}activation")
    if 0 < unit.se_ratio <= 1:
        gate = canvas.add(keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}se_squeeze"), x)
        gate = canvas.place(unit.se_conv1, gate, f"{name}se_reduce")
        gate = canvas.place(unit.se_conv2, gate, f"{name}se_expand")
        x = canvas.add(keras.layers.Multiply(name=f"{name}se_excite"), [x, gate])
    x = canvas.place(unit.output_conv, x, f"{name}project_conv")
    x = canvas.place(unit.bn3, x, f"{name}project_bn")
    if fused and unit.expand_ratio == 1:
        x = canvas.place(unit.act, x, f"{name}project_activation")
    if unit.strides == 1 and unit.input_filters == unit.output_filters:
        if unit.survival_probability:  # the probability of being dropped, whatever it is called
            x = canvas.place(unit.dropout, x, f"{name}drop")
        x = canvas.add(keras.layers.Add(name=f"{name}add"), [x, inputs])
    return x


_PARTS = {
    "keras.Sequential": _convolution,
    "keras_cv.CrossStagePartial": _cross_stage_partial,
    "keras_cv.SqueezeAndExcite2D": _squeeze_and_excite,
    "keras_cv.MBConvBlock": _inverted_bottleneck,
    "keras_cv.FusedMBConvBlock": _inverted_bottleneck,
    "keras_cv.OverlappingPatchingAndEmbedding": patches,
    "keras_cv.HierarchicalTransformerEncoder": encoder,
}
