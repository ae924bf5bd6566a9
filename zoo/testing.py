"""A tiny backbone and checks for authors of plugins. Works without pytest: a check that fails raises ContractError."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from zoo.contracts import Backbone, Block, Option
from zoo.errors import ContractError, WeightsError

if TYPE_CHECKING:
    from zoo.assembly import Assembly
    from zoo.contracts import KerasModel, WeightsChoice
    from zoo.values import OptionValue


def tiny_backbone(*, name: str = "tiny", momentum: float = 0.99, channels: bool = False) -> Backbone:
    """A backbone of about 1,000 weights with everything that freezing can get wrong.

    It has BatchNorm in every block, dropout, stochastic depth on a residual branch, a constant `Normalization`, a
    convolution with a bias, and between its last two blocks a cut that carries two tensors. Pictures of 16 px and more.

    Args:
        name: Its name.
        momentum: Of the moving statistics of its BatchNorm layers.
        channels: Whether it has the option `channels`. One channel is repeated three times in the graph.
    """

    def build(*, size: int, weights: WeightsChoice, channels: int = 3) -> KerasModel:
        if weights is not None:
            raise WeightsError(f"The tiny backbone has no weights, but {weights!r} were asked for.", hint="Use none.")
        return _tiny(size, momentum, channels)

    return Backbone(
        name=name,
        title="tiny network for tests",
        family="tiny",
        image_size=16,
        min_size=8,
        blocks=(
            Block(name="stem", layers=("scale*", "stem_*")),
            Block(name="unit1", layers=("unit1_*",)),
            Block(name="unit2", layers=("unit2_*",)),
            Block(name="top", layers=("top_*",)),
        ),
        pixels="x / 127.5 - 1",
        reference="none",
        build=build,
        options=(Option("channels", 3, "Channels of the pictures.", 1, 16),) if channels else (),
    )


def _tiny(size: int, momentum: float, channels: int) -> KerasModel:
    import keras

    def normalise(tensor: Any, label: str) -> Any:  # noqa: ANN401 - Keras tensors
        return keras.layers.BatchNormalization(momentum=momentum, name=f"{label}_bn")(tensor)

    pictures = keras.Input((size, size, channels), name="pictures")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1, name="scale")(pictures)
    if channels == 1:
        x = keras.layers.Concatenate(name="scale_grey")([x, x, x])
    bands = x.shape[-1]
    x = keras.layers.Normalization(mean=[0.0] * bands, variance=[1.0] * bands, name="scale_constants")(x)
    x = keras.layers.Conv2D(6, 3, strides=2, padding="same", use_bias=False, name="stem_conv")(x)
    stem = keras.layers.ReLU(name="stem_relu")(normalise(x, "stem"))
    x = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="unit1_conv")(stem)
    x = normalise(x, "unit1")
    x = keras.layers.Dropout(0.3, noise_shape=(None, 1, 1, 1), name="unit1_drop")(x)
    unit1 = keras.layers.Add(name="unit1_add")([x, stem])
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", name="unit2_conv")(unit1)
    x = keras.layers.ReLU(name="unit2_relu")(normalise(x, "unit2"))
    x = keras.layers.SpatialDropout2D(0.2, name="unit2_drop")(x)
    shortcut = keras.layers.AveragePooling2D(2, padding="same", name="top_pool")(unit1)
    x = keras.layers.Concatenate(name="top_concat")([x, shortcut])
    x = keras.layers.Conv2D(12, 1, use_bias=False, name="top_conv")(x)
    features = keras.layers.ReLU(name="top_relu")(normalise(x, "top"))
    return keras.Model(pictures, features, name="tiny")


def check_backbone(backbone: Backbone, *, size: int | None = None) -> None:
    """Checks what the library relies on, with random weights: graph, blocks, cuts, and that raw pictures pass.

    Where the backbone has an option `channels`, it is built for grey pictures and for four channels, too.

    Args:
        backbone: The record to check.
        size: Side of the pictures; the backbone's least one if not given.

    Raises:
        ContractError: Saying what does not hold.
    """
    side = size or backbone.min_size
    options = {option.name: option.default for option in backbone.options}
    _check_options(backbone, side, options)
    for option in backbone.options:
        least, most = option.minimum or 1, option.maximum or 4
        if option.name == "channels":
            for channels in (count for count in (1, 4) if least <= count <= most and count != option.default):
                _check_options(backbone, side, options | {"channels": channels})


def _check_options(backbone: Backbone, side: int, options: dict[str, OptionValue]) -> None:
    """Builds it with these options, and compares it with its two parts at every cut."""
    import numpy as np

    from zoo.backend import require_keras

    keras = require_keras()
    from zoo.assembly import assemble
    from zoo.forward import forward

    channels = int(options.get("channels", 3))
    title = f"Backbone {backbone.name!r}" + (f" with {channels} channels" if "channels" in options else "")
    model = backbone.build(size=side, weights=None, **options)
    if tuple(model.input.shape[1:]) not in {(side, side, channels), (None, None, channels)}:
        raise ContractError(f"{title} takes shape {model.input.shape}.", hint="Obey `size` and the option `channels`.")
    if len(model.output.shape) != 4:  # noqa: PLR2004 - batch, height, width, channels
        raise ContractError(f"{title} gives shape {model.output.shape}.", hint="Give a 4-D map.")
    head = keras.Sequential([keras.Input(model.output.shape[1:]), keras.layers.GlobalAveragePooling2D()])
    assembly = assemble(model, head, backbone.blocks_for(options), name=backbone.name)
    pixels = np.random.default_rng(0).integers(0, 256, (4, side, side, channels), dtype=np.uint8)
    whole = forward(assembly.model, [pixels])[0]
    if not np.isfinite(whole).all():
        raise ContractError(f"{title} gives features that are not finite.", hint="Check its input.")
    _check_cuts(title, assembly, pixels)


def _check_cuts(title: str, assembly: Assembly, pixels: Any) -> None:  # noqa: ANN401 - an array
    """Runs every block by itself on what the network in one piece has at its lower cut, and compares at the upper one.

    So every tail is checked, from every boundary, in the time of two forward passes. Each block starts from the whole
    again: a deep network with random weights may make of a rounding anything, but a block does not.
    """
    import keras
    import numpy as np

    from zoo.forward import forward

    count = len(assembly.blocks)
    cuts = [list(assembly.model.inputs)]
    prefixes: list[Any] = [assembly.prefix(boundary) for boundary in range(1, count + 1)]
    cuts += [list(prefix.outputs) for prefix in prefixes]
    cuts.append(list(assembly.model.outputs))
    wanted = list({id(tensor): tensor for cut in cuts[1:] for tensor in cut}.values())
    whole = dict(zip(map(id, wanted), forward(keras.Model(assembly.model.inputs, wanted), [pixels]), strict=True))
    whole[id(cuts[0][0])] = pixels.astype("float32")
    for boundary, (entry, leaving) in enumerate(itertools.pairwise(cuts)):
        assembly.tail(boundary)  # can be built
        given = [keras.ops.convert_to_tensor(whole[id(tensor)]) for tensor in entry]
        made = [tensor for tensor in leaving if all(tensor is not one for one in entry)]  # the others pass the block by
        results = keras.tree.flatten(keras.Model(entry, made)(given if len(given) > 1 else given[0], training=False))
        for tensor, result in zip(made, results, strict=True):
            true = whole[id(tensor)]
            difference = float(np.abs(keras.ops.convert_to_numpy(result) - true).max())
            if difference > 1e-4 * float(np.abs(true).max()):  # random weights may give features of 1e-12
                name = assembly.blocks[boundary].name if boundary < count else "head"
                raise ContractError(
                    f"{title}, cut between its blocks, differs from the whole by {difference:.3g} above {name!r}.",
                    hint="Something passes a cut unseen; check `blocks`.",
                )
