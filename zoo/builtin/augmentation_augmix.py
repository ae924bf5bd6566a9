"""AugMix: a picture mixed with several chains of operations on itself (Hendrycks et al. 2019, arXiv:1912.02781).

Each of `width` chains applies `depth` operations (or 1 to 3) of the paper's nine: autocontrast, equalise, posterise,
turn, solarise, shear along x or y, shift along x or y. The chains are averaged with weights from a Dirichlet
distribution, and that mean is mixed with the picture with a weight from a Beta distribution, both with the parameter
`alpha`. An operation's level is uniform from 0.1 to `severity`; at level 10 it turns by ±30°, shears by ±0.3, shifts
by a third of the side, inverts everything (solarise) or keeps 1 bit (posterise: 4 bits at low levels, as the authors'
program does). Severity 0 leaves out everything, autocontrast and equalise too.

This is the mixing only: the paper's Jensen–Shannon loss, which compares three versions of a picture, is not part of it.
The paper mirrors and crops before; this does not. What an operation uncovers is filled by reflection, not with black.
Channels beyond or below three are grey pictures each.

Why not `keras.layers.AugMix`, measured with Keras 3.15.1 on three backends: two layers with one seed gave different
pictures unless Python's own `random` was seeded too, and all pictures of a batch share the weights and the operations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.contracts import Augmentation, Option
from zoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from zoo.contracts import KerasLayer

_REFERENCE = "https://arxiv.org/abs/1912.02781"


def build(
    size: int,  # noqa: ARG001 - works at any size
    seed: int,
    *,
    severity: float = 3.0,
    width: int = 3,
    depth: int = 0,
    alpha: float = 1.0,
) -> tuple[KerasLayer, ...]:
    """One random layer.

    Args:
        size: Side of the pictures, in pixels; not needed.
        seed: Of all draws.
        severity: Greatest strength of an operation, from 0 (no layer) to 10.
        width: Number of chains.
        depth: Operations in a chain; 0 draws 1, 2 or 3 for each.
        alpha: Of the Dirichlet and the Beta distribution.
    """
    from zoo.builtin._picture_layers import AugMix

    return (AugMix(severity=severity, width=width, depth=depth, alpha=alpha, seed=seed),) if severity else ()


@hookimpl
def zoo_augmentations() -> list[Augmentation]:
    """AugMix without its loss."""
    options = (
        Option("severity", 3.0, "Greatest strength of an operation; 0 does nothing at all.", 0, 10),
        Option("width", 3, "Number of chains that are averaged.", 1, 10),
        Option("depth", 0, "Operations in a chain; 0 draws 1, 2 or 3 for each.", 0, 10),
        Option(
            "alpha", 1.0, "Of the distributions of the weights; small: one chain, or the picture, prevails.", 0.01, 100
        ),
    )
    title = "each picture mixed with chains of operations on itself"
    return [Augmentation(name="augmix", title=title, build=build, reference=_REFERENCE, options=options)]
