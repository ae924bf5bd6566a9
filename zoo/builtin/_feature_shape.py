"""What a head is built on."""

from __future__ import annotations

from zoo.errors import ContractError

_DIMENSIONS = (1, 3)


def check(feature_shape: tuple[int | None, ...], classes: int, *, head: str) -> None:
    """Refuses what no head can be built on.

    Args:
        feature_shape: Shape of the features of one picture: (height, width, channels), where the sides may be unknown
            (None), or (channels,).
        classes: Number of classes.
        head: Name of the head, for messages.

    Raises:
        ContractError: If the shape has another number of dimensions or unknown channels, or there are fewer than two
            classes.
    """
    if len(feature_shape) not in _DIMENSIONS or not feature_shape[-1]:
        raise ContractError(
            f"Head {head!r} got features of shape {tuple(feature_shape)}.",
            hint="A backbone gives (height, width, channels) or (channels,), with a known number of channels.",
        )
    if classes < 2:  # noqa: PLR2004 - one class leaves nothing to tell apart: softmax over it is always 1
        raise ContractError(
            f"Head {head!r} was asked for {classes} classes.",
            hint="A classifier has one output for each class, two or more; two classes need two outputs.",
        )
