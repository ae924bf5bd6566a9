"""Made-up pictures of car panels, clean and damaged: something to try the library on without data or a download.

Both classes have seams, handles, reflections, twig shadows and dirt, under all sorts of light; the damaged ones have
one to four scratches, dents, cracks or patches of chipped paint besides. Colour and brightness tell nothing: the
nearest neighbour among thumbnails of 16 × 16 pixels is right about as often as a coin. Small networks learn it in part.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from zoo.contracts import Option, Source
from zoo.errors import SourceError
from zoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from zoo.values import ImageTable

CLASSES = ("clean", "damaged")

_OPTIONS = (
    Option("images", 360, "Number of pictures, half of each class.", 40, 20_000),
    Option("seed", 0, "Other seeds give other pictures.", 0),
    Option("size", 128, "Side of the pictures in pixels.", 32, 512),
)


def accepts(location: object) -> bool:
    """Whether it is the text `demo`."""
    return isinstance(location, str) and location == "demo"


def load(location: object = "demo", *, images: int = 360, seed: int = 0, size: int = 128) -> ImageTable:
    """Draw the pictures. Each depends on seed and number alone, so that a larger set begins with the smaller one.

    Args:
        location: The text `demo`.
        images: Number of pictures, 40 to 20,000; one more is clean if it is odd.
        seed: Of all pictures, at least 0.
        size: Side of the pictures in pixels, 32 to 512.

    Raises:
        SourceError: Another location, or an option out of its range.
    """
    import numpy as np

    from zoo.builtin._panels import render
    from zoo.values import ImageTable, Picture

    if not accepts(location):
        raise SourceError(f"The demo source draws its own pictures; it cannot load {location!r}.", hint="Give `demo`.")
    for option, value in zip(_OPTIONS, (images, seed, size), strict=True):
        _check(option, value)
    pictures = [
        Picture(
            id=f"{CLASSES[index % 2]}/{index:06}",
            label=index % 2,
            pixels=render(np.random.default_rng((seed, index)), size=size, damaged=bool(index % 2)),
        )
        for index in range(images)
    ]
    return ImageTable(
        location="demo", classes=CLASSES, pictures=tuple(sorted(pictures, key=lambda picture: picture.id))
    )


def _check(option: Option, value: object) -> None:
    least, most = option.minimum or 0, math.inf if option.maximum is None else option.maximum
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        above = " or more" if math.isinf(most) else f" to {most:,}"
        raise SourceError(
            f"The demo pictures cannot be drawn with {option.name}={value!r}.",
            hint=f"Give a whole number, {least:,}{above}.",
        )


@hookimpl
def zoo_sources() -> list[Source]:
    """The source of this file."""
    title = "made-up car panels, clean and damaged; needs no data"
    return [Source(name="demo", title=title, accepts=accepts, load=load, options=_OPTIONS)]
