"""Mixup: pictures are laid over one another, and their labels with them (Zhang et al. 2017, arXiv:1710.09412).

Each picture x with label y becomes λ x + (1 − λ) x′ with the label λ y + (1 − λ) y′, where x′ is another picture of the
batch and λ is from Beta(alpha, alpha), drawn for each picture; the authors' program draws it for each batch. The larger
of λ and 1 − λ is used, so that every picture prevails once in an epoch; for random pairs the mixtures are the same.
Before that comes what `base` says, `light` by default: the paper mixes on top of the usual mirroring and cropping, too.

`keras.layers.MixUp` does the same. Measured with Keras 3.15.1 on three backends, its labels equalled the shares of the
pictures to 2e-5, its weights differed between the pictures of a batch, and a seed repeated. It is not used because it
warns about 64-bit integers on JAX and fails on torch where `alpha` is a whole number such as 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.contracts import Augmentation, Option
from zoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from zoo.contracts import KerasLayer

_REFERENCE = "https://arxiv.org/abs/1710.09412"


def build(size: int, seed: int, *, alpha: float = 0.2, base: str = "light") -> tuple[KerasLayer, ...]:  # noqa: ARG001 - any size
    """Layers on pictures and labels, each with a seed of its own.

    Args:
        size: Side of the pictures, in pixels; not needed.
        seed: Where the layers' seeds come from.
        alpha: Of the Beta distribution; 0 mixes nothing.
        base: `light` or `none`, applied before.
    """
    from zoo.builtin._mixing_layers import MixUp, mixing_layers

    return mixing_layers(MixUp, alpha=alpha, base=base, seed=seed)


@hookimpl
def zoo_augmentations() -> list[Augmentation]:
    """Mixup."""
    options = (
        Option("alpha", 0.2, "How evenly pictures are mixed: small for hardly, 1 for any share, 0 for none.", 0, 10),
        Option("base", "light", "What is done to each picture before.", choices=("light", "none")),
    )
    title = "pictures laid over one another, labels mixed alike"
    return [
        Augmentation(name="mixup", title=title, build=build, reference=_REFERENCE, options=options, mixes_labels=True)
    ]
