"""What a backbone is asked to build, and what is refused before anything slow: for keras.applications and keras_cv."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoo.contracts import Option
from zoo.errors import RecipeError, UsageError, WeightsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.contracts import Weights, WeightsChoice

COLOURS = 3
"""Channels of a picture if nothing else is said: red, green and blue."""

_MOST_CHANNELS = 16


def channels_option(others: str) -> Option:
    """The option `channels`.

    Args:
        others: What other numbers than 1 and 3 do, to follow `others`.
    """
    text = f"Channels of the pictures: 3 for RGB; 1 repeats grey three times; others {others}."
    return Option("channels", COLOURS, text, 1, _MOST_CHANNELS)


def check_shape(name: str, *, size: int, channels: int, least: int, multiple: int = 1) -> None:
    """Refuses pictures that a network cannot be built for.

    Args:
        name: Of the backbone.
        size: Side of the pictures, in pixels.
        channels: Of the pictures.
        least: Least side.
        multiple: The side must be a multiple of this.

    Raises:
        RecipeError: If the side is too small or no multiple, or the number of channels out of range.
    """
    if size < least or size % multiple:
        also = f" that is a multiple of {multiple}" if multiple > 1 else ""
        raise RecipeError(f"{name} cannot be built for {size} pixels.", hint=f"Give a size of {least} or more{also}.")
    if not 1 <= channels <= _MOST_CHANNELS:
        raise RecipeError(f"{name} cannot be built for {channels} channels.", hint=f"Give 1 to {_MOST_CHANNELS}.")


def check_data_format(name: str) -> None:
    """Refuses a Keras that is set to channels first. Raises: UsageError."""
    import keras

    if keras.config.image_data_format() != "channels_last":
        raise UsageError(
            f"{name} needs pictures with channels last, but Keras is set to {keras.config.image_data_format()!r}.",
            hint='Call keras.config.set_image_data_format("channels_last"), or mend keras.json.',
        )


def check_weights(name: str, weights: WeightsChoice, declared: Sequence[Weights]) -> None:
    """Refuses weights that are neither declared, nor a file, nor none. Raises: WeightsError."""
    if weights is None or isinstance(weights, Path) or weights in declared:
        return
    raise WeightsError(
        f"{name} has no weights {weights!r}.",
        hint=f"Declared: {', '.join(own.id for own in declared) or 'none'}. A file is given as a pathlib.Path.",
    )
