"""What a plugin provides: one frozen record for each kind of thing. Importing this module needs no Keras.

A record is data plus one or two functions. Keras is imported inside `build`, never at the top of a plugin's
module, so that listing stays fast and works without a backend.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from zoo.choices import OptionValue

if TYPE_CHECKING:
    from zoo.values import ImageTable

API_LEVEL = 1
"""Level of these contracts. A plugin may declare the one it was written for as `ZOO_API_LEVEL`."""

PRECISE_PICTURES = 10_000
"""Training pictures that precise statistics are taken from at most: Wu & Johnson 2021 find 1,000 to 10,000 enough."""

BACKENDS = ("jax", "tensorflow", "torch")
"""Keras backends that can train."""

KerasModel: TypeAlias = Any
"""A `keras.Model`; Keras has no type annotations, and the light half must not import it."""

KerasLayer: TypeAlias = Any
"""A `keras.layers.Layer`."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option of an item, set as `name:option=value`.

    Attributes:
        name: Keyword under which the item's function receives it.
        default: Its value if it is not given; its type is the option's type (bool, int, float or str).
        help: One sentence.
        minimum: Least value of a number.
        maximum: Greatest value of a number.
        choices: All allowed values, if there are few.
    """

    name: str
    default: OptionValue
    help: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[OptionValue, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where labelled pictures come from.

    Attributes:
        name: Unique among sources.
        title: One line for lists.
        accepts: Whether `load` can make sense of a location (a path, an array, the source's own name, …). Cheap.
        load: Location and options to a table. Raises `SourceError` for data it cannot use.
        options: Keyword options of `load`.
    """

    name: str
    title: str
    accepts: Callable[[object], bool]
    load: Callable[..., ImageTable]
    options: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One unit of a backbone: a residual, inverted-bottleneck or dense unit, a stem, a top group.

    Attributes:
        name: Unique in its backbone.
        layers: Shell patterns (`fnmatch`) over the names of the layers of the built model. Every layer that owns
            weights must be matched by exactly one block. A layer without weights that no block matches goes with
            the last of its inputs.
    """

    name: str
    layers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A set of pretrained weights, and what someone who ships a model made from it has to know.

    Attributes:
        id: Unique in its backbone; `imagenet`, …
        origin: Where they come from: an address, a package, a paper.
        licence: SPDX identifier or a sentence.
        trained_on: The data they were trained on.
        sha256: Of the file that holds them, where there is one file.
        megabytes: Size of that file.
        top1: Published ImageNet top-1 accuracy in [0, 1], if any.
        bundled: Whether they come with an installed package, so that no download is needed.
    """

    id: str
    origin: str
    licence: str
    trained_on: str
    sha256: str | None = None
    megabytes: float | None = None
    top1: float | None = None
    bundled: bool = False


WeightsChoice: TypeAlias = "Weights | Path | None"
"""What `Backbone.build` is asked to load: declared weights, a file of the user's, or None for random weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone:
    """A network without its top, cut into blocks. It owns its pixel contract: raw RGB 0–255 goes in.

    Attributes:
        name: Unique among backbones, lower case.
        title: One line for lists.
        family: Name of the architecture's family.
        image_size: Side of the square pictures it is meant for, in pixels.
        min_size: Least side it can be built for.
        blocks: Blocks from input to output; a function of `options` where they depend on them.
        pixels: What the graph does with 0–255 pixels before the first weights, in words.
        reference: Paper or page.
        build: Called as `build(size=…, weights=…, **options)`; returns a functional `keras.Model` from float32
            pictures (size, size, 3), RGB 0–255, to a 4-D feature map, with the weights that were asked for in it.
            Raises `WeightsError` if they cannot be had; never falls back to random ones.
        weights: The first is the default. None declared: it starts from random weights.
        options: Keyword options of `build` besides `size` and `weights`, which every backbone has. One named
            `channels` is the number of channels of the pictures, instead of 3; `zoo.channels` says what they are.
        parameters: Number of scalar weights, statistics included, with default options; None if not known.
        backends: Keras backends that it can be built on (`tensorflow`, `jax`, `torch`); none named means all.
    """

    name: str
    title: str
    family: str
    image_size: int
    min_size: int
    blocks: tuple[Block, ...] | Callable[..., tuple[Block, ...]]
    pixels: str
    reference: str
    build: Callable[..., KerasModel]
    weights: tuple[Weights, ...] = ()
    options: tuple[Option, ...] = ()
    parameters: int | None = None
    backends: tuple[str, ...] = ()

    def blocks_for(self, options: dict[str, OptionValue]) -> tuple[Block, ...]:
        """Its blocks under these options (own ones only; others are ignored)."""
        if not callable(self.blocks):
            return self.blocks
        own = {option.name: options.get(option.name, option.default) for option in self.options}
        return self.blocks(**own)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What turns a feature map into class scores.

    Attributes:
        name: Unique among heads.
        title: One line for lists.
        build: Called as `build(feature_shape, classes, **options)` with a shape (height, width, channels) without
            batch and a number of classes; returns a functional `keras.Model` giving float32 logits (batch, classes).
        options: Keyword options of `build`, and of `solve` where there is one.
        solve: For a head whose last weighted layer is a `Dense` named `logits` and need not be trained by steps. In a
            phase that opens no block it is called once, as `solve(inputs, targets, validation_inputs,
            validation_labels, **options)`: what `logits` gets in inference mode (float32 (n, width)), targets
            (float32 (n, classes), rows that sum to 1), and int64 labels (m,); returns float32 kernel (width, classes)
            and bias (classes,). Deterministic. Where blocks are open the head is trained by steps like any other.
        taps: For a head that looks at several depths: called as `taps(blocks, **options)` with the number of blocks,
            returns indices of blocks from 0 at the input. `build` then gets a tuple of shapes, the feature map's and
            for each tap (channels,), and its model takes as many inputs: the map, and means over height and width.
    """

    name: str
    title: str
    build: Callable[..., KerasModel]
    options: tuple[Option, ...] = ()
    solve: Callable[..., tuple[Any, Any]] | None = None
    taps: Callable[..., tuple[int, ...]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """Random changes of training pictures. Never applied to validation or test pictures, never saved.

    Attributes:
        name: Unique among augmentations.
        title: One line for lists.
        build: Called as `build(size, seed, **options)`; returns layers to be applied in order to float32 pictures
            (batch, size, size, channels), 0–255, mostly RGB, with `training=True`; shape and range must stay. No
            layers: nothing.
        options: Keyword options of `build`.
        mixes_labels: Whether the layers mix pictures and with them their labels. They are then called with
            `{"images": pictures, "labels": float32 (batch, classes), rows that sum to 1}` and give the same back.
        reference: Paper or page.
    """

    name: str
    title: str
    build: Callable[..., tuple[KerasLayer, ...]]
    options: tuple[Option, ...] = ()
    mixes_labels: bool = False
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A stretch of training with one set of open weights. The head is always open.

    Attributes:
        name: For history and messages.
        epochs: At least 1.
        learning_rate: Of the head, greater than 0.
        open_blocks: Number of open blocks, counted from the top; 0 for none; more than there are means all.
        open_weights: Which weights in open blocks: `all`, `batch-norm` (gamma and beta only), `bias` (biases and
            betas only), `low-rank` (kernels of dense and convolution layers, by a product of two matrices).
        rank: Of the change of a kernel where `open_weights` is `low-rank`, else 0.
        batch_norm: `fixed` uses the moving statistics and leaves them as they are; `adapting` normalises with the
            statistics of the batch and updates the moving ones. In open blocks only: the others are always fixed.
        drop_layers: Whether drop layers (dropout, stochastic depth) of open blocks work in training. Below: never.
        backbone_rate: Updates of backbone weights are multiplied by this, greater than 0.
        layer_decay: And once more for each block between them and the top: block i of n (counted from 0 at the input)
            has the factor `backbone_rate * layer_decay ** (n - 1 - i)`. In (0, 1]. It scales the update, not the
            gradient, which Adam would undo.
        schedule: Course of the rate over the steps of the phase: `constant`, `cosine` (half a wave down to 0) or
            `one-cycle` (from 1/25 up to the rate over the first 30 % of the steps, then down to 1/250,000 of it, both
            as half a wave; Smith & Topin 2018, arXiv:1708.07120, with the figures of PyTorch's `OneCycleLR`).
        statistics: Where statistics adapt: `moving` leaves it at Keras' running averages; `precise` replaces these
            before every validation by the mean and variance over the training pictures (Wu & Johnson 2021,
            arXiv:2105.07576), so that they do not lag. Of more than `PRECISE_PICTURES` so many are looked at, which
            the seed draws.
        re_estimated_blocks: Number of blocks, counted from the top, whose moving statistics are replaced in this way
            once, before the phase (AdaBN; Li et al. 2016, arXiv:1603.04779). They need not be open.
        pull: Weight of half the squared distance of open backbone weights from where the phase started, added to the
            loss (L2-SP; Li, Grandvalet, Davoine 2018, arXiv:1802.01483). 0 for none. The reported loss is without it.
            Not with `low-rank`, whose two matrices start at random and at 0.
        block_rates: `given`, or `auto-rgn`: the factor of each block is its relative gradient norm, divided by the
            largest of all blocks, measured in the epoch before (for the first over a few batches without a step);
            after Lee et al. 2023, arXiv:2210.11466. Not with `low-rank`.
    """

    name: str
    epochs: int
    learning_rate: float
    open_blocks: int = 0
    open_weights: Literal["all", "batch-norm", "bias", "low-rank"] = "all"
    rank: int = 0
    batch_norm: Literal["fixed", "adapting"] = "fixed"
    drop_layers: bool = True
    backbone_rate: float = 1.0
    layer_decay: float = 1.0
    schedule: Literal["constant", "cosine", "one-cycle"] = "constant"
    statistics: Literal["moving", "precise"] = "moving"
    re_estimated_blocks: int = 0
    pull: float = 0.0
    block_rates: Literal["given", "auto-rgn"] = "given"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Which part of a backbone is trained, when and how. Pure: needs no Keras.

    Attributes:
        name: Unique among policies.
        title: One line for lists.
        plan: Called as `plan(blocks, epochs, **options)` with the number of blocks and of epochs; returns phases
            whose epochs add up to `epochs`.
        reference: Paper or page.
        options: Keyword options of `plan`.
    """

    name: str
    title: str
    plan: Callable[..., tuple[Phase, ...]]
    reference: str = ""
    options: tuple[Option, ...] = ()


Item: TypeAlias = Source | Backbone | Head | Augmentation | Policy
"""Anything that a plugin can contribute."""
