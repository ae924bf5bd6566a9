"""A small plain convolutional network that starts from random weights: the baseline that pretraining has to beat.

`depth` blocks of convolution 3×3, batch normalisation, ReLU and 2×2 max pooling; the number of filters starts at
`width` and doubles from block to block, up to 512. At its defaults: 4 blocks, 98 thousand weights.

Reference: Simonyan, Zisserman, "Very Deep Convolutional Networks", 2014, arXiv:1409.1556 (stacks of 3×3 with pooling);
Ioffe, Szegedy, "Batch Normalization", 2015, arXiv:1502.03167; He et al., "Delving Deep into Rectifiers", 2015,
arXiv:1502.01852 (initialisation).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoo.contracts import Backbone, Block, Option
from zoo.errors import RecipeError, WeightsError
from zoo.hookspecs import hookimpl
from zoo.weights import load

if TYPE_CHECKING:
    from zoo.contracts import KerasModel, WeightsChoice

NAME = "scratch-cnn"
MIN_SIZE = 32
_MOST_FILTERS = 512

_OPTIONS = (
    Option("depth", 4, "Number of blocks; each halves the sides of the feature map.", 1, 6),
    Option("width", 16, "Filters of the first block; each further block has twice as many, up to 512.", 4, 128),
    Option("batch_norm", True, "Whether each convolution is followed by batch normalisation."),
    Option("dropout", 0.0, "Share of the feature maps that training drops after each block.", 0, 0.9),
)


def blocks(*, depth: int, width: int, batch_norm: bool, dropout: float) -> tuple[Block, ...]:  # noqa: ARG001 - all options come
    """One block for each step of the depth; the scaling of pixels belongs to the first."""
    return (
        Block(name="block1", layers=("input_*", "block1_*")),
        *(Block(name=f"block{i}", layers=(f"block{i}_*",)) for i in range(2, depth + 1)),
    )


def build(
    *,
    size: int,
    weights: WeightsChoice,
    depth: int = 4,
    width: int = 16,
    batch_norm: bool = True,
    dropout: float = 0.0,
) -> KerasModel:
    """The network: (size, size, 3) RGB 0–255 to (size/2^depth, size/2^depth, filters), sides rounded down.

    Args:
        size: Side of the pictures, at least 32 and 2^depth.
        weights: None for random ones, or the path of a `.weights.h5` of the same network with the same options.
        depth: Number of blocks.
        width: Filters of the first block.
        batch_norm: Whether each convolution is followed by batch normalisation.
        dropout: Share of the feature maps that training drops after each block; 0 builds no dropout.

    Raises:
        RecipeError: If the size is too small.
        WeightsError: If the file does not fit, or weights are asked for by name.
    """
    least = max(MIN_SIZE, 2**depth)
    if size < least:
        raise RecipeError(
            f"{NAME} with depth {depth} cannot be built for {size} pixels.",
            hint=f"Give a size of {least} or more, or a smaller depth.",
        )
    if weights is not None and not isinstance(weights, Path):
        raise WeightsError(f"{NAME} has no pretrained weights {weights!r}.", hint="Use weights=none or give a file.")
    model = _graph(size, depth=depth, width=width, batch_norm=batch_norm, dropout=dropout)
    if weights is not None:
        load(model, weights, backbone=NAME)
    return model


def _graph(size: int, *, depth: int, width: int, batch_norm: bool, dropout: float) -> KerasModel:
    import keras

    layers = keras.layers
    pictures = keras.Input((size, size, 3), name="pictures")
    x = layers.Rescaling(1 / 255, name="input_rescaling")(pictures)
    for i in range(1, depth + 1):
        x = layers.Conv2D(
            min(width * 2 ** (i - 1), _MOST_FILTERS),
            3,
            padding="same",
            use_bias=not batch_norm,
            kernel_initializer="he_normal",
            data_format="channels_last",
            name=f"block{i}_conv",
        )(x)
        if batch_norm:
            x = layers.BatchNormalization(axis=-1, name=f"block{i}_bn")(x)
        x = layers.ReLU(name=f"block{i}_relu")(x)
        x = layers.MaxPooling2D(2, data_format="channels_last", name=f"block{i}_pool")(x)
        if dropout > 0:
            x = layers.SpatialDropout2D(dropout, data_format="channels_last", name=f"block{i}_drop")(x)
    return keras.Model(pictures, x)  # without a fixed name, so that one graph can hold the network twice


@hookimpl
def zoo_backbones() -> list[Backbone]:
    """The backbone `scratch-cnn`."""
    return [
        Backbone(
            name=NAME,
            title="small plain network from random weights, a baseline",
            family="plain",
            image_size=128,
            min_size=MIN_SIZE,
            blocks=blocks,
            pixels="x/255",
            reference="https://arxiv.org/abs/1409.1556",
            build=build,
            parameters=98_160,
            options=_OPTIONS,
        )
    ]
