"""Pictures and backbones that are wrong in one known way, for the programs that measure what explanations are worth."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageEnhance

from zoo.builtin.source_demo import load as demo
from zoo.contracts import Backbone, Option, Source
from zoo.hookspecs import hookimpl
from zoo.plugins import load_catalog
from zoo.testing import tiny_backbone
from zoo.values import ImageTable, Picture

if TYPE_CHECKING:
    from zoo.choices import OptionValue
    from zoo.contracts import KerasLayer, KerasModel
    from zoo.registry import Catalog

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

KINDS = ("plain", "shuffled", "tinted", "shapes", "mirrored", "varied", "scenes")
"""The demo's panels as they are, with labels drawn by lot, with the damaged ones lighter; discs and stripes; panels
whose validation part are mirror images or variations of training pictures; few panels with many variations each."""

SCENES, VARIATIONS = 12, 30


def vary(pixels: Pixels, draw: np.random.Generator) -> Pixels:
    """Mirrored by lot, cropped by 5 to 20 %, turned by up to 6°, lighter or darker by up to 20 %."""
    picture = Image.fromarray(pixels)
    side = picture.width
    if draw.random() < 0.5:  # noqa: PLR2004 - a coin
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    inner = int(side * draw.uniform(0.8, 0.95))
    left, top = (int(place) for place in draw.integers(0, side - inner + 1, 2))
    picture = picture.crop((left, top, left + inner, top + inner)).resize((side, side), Image.Resampling.BILINEAR)
    picture = picture.rotate(draw.uniform(-6, 6), Image.Resampling.BILINEAR)
    varied: Pixels = np.asarray(ImageEnhance.Brightness(picture).enhance(draw.uniform(0.8, 1.2)))
    return varied


def _shape(draw: np.random.Generator, *, size: int, label: int) -> Pixels:
    """A disc or stripes in any two colours, anywhere: easy to tell, and no two alike."""
    across, down = np.meshgrid(np.arange(size), np.arange(size))
    if label:
        angle, width = draw.uniform(0, np.pi), draw.uniform(5, 12)
        inside = np.sin((across * np.cos(angle) + down * np.sin(angle)) * 2 * np.pi / width) > 0
    else:
        middle, radius = draw.uniform(0.3, 0.7, 2) * size, draw.uniform(0.12, 0.28) * size
        inside = np.hypot(across - middle[0], down - middle[1]) < radius
    colours = draw.integers(0, 256, (2, 3))
    noise = draw.normal(0, 20, (size, size, 3))
    drawn: Pixels = np.clip(np.where(inside[..., None], colours[0], colours[1]) + noise, 0, 255).astype(np.uint8)
    return drawn


def load(
    _location: object = "case", *, kind: str = "plain", images: int = 360, seed: int = 0, size: int = 64
) -> ImageTable:
    """The pictures of a kind."""
    draw = np.random.default_rng((seed, 77))
    if kind == "shapes":
        made = tuple(
            Picture(
                id=f"{'stripes' if label else 'disc'}/{index:04}",
                label=label,
                pixels=_shape(draw, size=size, label=label),
            )
            for index, label in enumerate([0, 1] * (images // 2))
        )
        return ImageTable(
            location="case", classes=("disc", "stripes"), pictures=tuple(sorted(made, key=lambda one: one.id))
        )
    table = demo("demo", images=images, seed=seed, size=size)
    pictures = list(table.pictures)
    if kind == "shuffled":
        labels = draw.permutation([picture.label for picture in pictures])
        pictures = [replace(picture, label=int(label)) for picture, label in zip(pictures, labels, strict=True)]
    elif kind == "tinted":
        pictures = [replace(one, pixels=_tint(one.pixels, 30 * (2 * one.label - 1))) for one in pictures]
    elif kind in {"mirrored", "varied"}:
        pictures = _from_training(pictures, draw, mirror=kind == "mirrored")
    elif kind == "scenes":
        chosen = pictures[: SCENES // 2] + pictures[-SCENES // 2 :]
        pictures = [
            replace(one, id=f"{one.id}-{number:02}", pixels=vary(_pixels(one), draw))
            for one in chosen
            for number in range(VARIATIONS)
        ]
    return replace(table, pictures=tuple(sorted(pictures, key=lambda one: one.id)))


def _pixels(picture: Picture) -> Pixels:
    if picture.pixels is None:
        raise TypeError(picture.id)
    return picture.pixels


def _tint(pixels: Any, amount: int) -> Pixels:  # noqa: ANN401 - uint8 pixels
    tinted: Pixels = np.clip(pixels.astype(np.int64) + amount, 0, 255).astype(np.uint8)
    return tinted


def _from_training(pictures: list[Picture], draw: np.random.Generator, *, mirror: bool) -> list[Picture]:
    """The pictures as a training part, and a validation part made of a quarter of them."""
    copies = [
        replace(
            one,
            id=f"{one.id}-made",
            part="validation",
            pixels=np.ascontiguousarray(_pixels(one)[:, ::-1]) if mirror else vary(_pixels(one), draw),
        )
        for one in pictures[::4]
    ]
    return [*(replace(one, part="train") for one in pictures), *copies]


def _divided(record: Backbone) -> Backbone:
    """A backbone that is given pictures divided by 255, although it scales them itself."""

    def build(**options: OptionValue) -> KerasModel:
        import keras

        def changed(layer: KerasLayer) -> KerasLayer:
            config = layer.get_config()
            if isinstance(layer, keras.layers.Rescaling):
                config["scale"] = layer.scale / 255
            return type(layer).from_config(config)

        body = record.build(**options)
        wrong = keras.models.clone_model(body, clone_function=changed)
        wrong.set_weights(body.get_weights())
        return wrong

    fields = {name: getattr(record, name) for name in record.__slots__}
    return Backbone(**{**fields, "name": f"{record.name}-divided", "build": build})


class Cases:
    """Contributes the pictures and the wrong backbones."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    @hookimpl
    def zoo_sources(self) -> list[Source]:
        """`case`, with a kind."""
        options = (
            Option("kind", "plain", "What is wrong.", choices=KINDS),
            Option("images", 360, "Number of pictures.", 40, 20_000),
            Option("seed", 0, "Of the pictures.", 0),
            Option("size", 64, "Side in pixels.", 32, 512),
        )
        return [
            Source(name="case", title="known cases", accepts=lambda where: where == "case", load=load, options=options)
        ]

    @hookimpl
    def zoo_backbones(self) -> list[Backbone]:
        """One whose statistics follow slowly, one that gets wrong pictures."""
        return [tiny_backbone(name="tiny-slow", momentum=0.999), _divided(self._catalog.backbone("efficientnet-lite0"))]


def catalog() -> Catalog:
    """All that is installed, and the cases."""
    return load_catalog(extra=[Cases(load_catalog())])


__all__ = ["catalog", "load", "vary"]
