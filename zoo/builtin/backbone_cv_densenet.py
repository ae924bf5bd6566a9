"""DenseNet of keras_cv. Its published weights reach less than those of keras.applications.

Reference: Huang et al. 2016, arXiv:1608.06993.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.builtin._cv import Network, record
from zoo.contracts import Block
from zoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from zoo.contracts import Backbone

_UNITS = {121: (6, 12, 24, 16), 169: (6, 12, 32, 32), 201: (6, 12, 48, 32)}
_PARAMETERS = {121: 7037504, 169: 12642880, 201: 18321984}
_TOP1 = {121: 0.6771, 169: 0.6613, 201: 0.7469}
"""keras_cv's training history."""


def _blocks(depth: int) -> tuple[Block, ...]:
    """Stem, the dense units of a stage, the transition after it, and so on, top."""
    blocks = [Block(name="stem", layers=("input_*", "conv1_*", "pool1"))]
    for stage, units in enumerate(_UNITS[depth], start=2):
        blocks += [Block(name=f"conv{stage}_unit{i}", layers=(f"conv{stage}_block_{i}_*",)) for i in range(units)]
        if stage <= len(_UNITS[depth]):
            blocks.append(Block(name=f"transition{stage}", layers=(f"pool{stage}_*",)))
    return (*blocks, Block(name="top", layers=("bn", "relu")))


def _network(depth: int) -> Network:
    return Network(
        name=f"cv-densenet{depth}",
        label=f"DenseNet{depth}",
        family="densenet",
        class_name="DenseNetBackbone",
        arguments={"stackwise_num_repeats": list(_UNITS[depth]), "growth_rate": 32, "compression_ratio": 0.5},
        blocks=_blocks(depth),
        reference="https://arxiv.org/abs/1608.06993",
        parameters=_PARAMETERS[depth],
        preset=f"keras/densenet/keras/densenet{depth}_imagenet/2",
        top1=_TOP1[depth],
    )


@hookimpl
def zoo_backbones() -> list[Backbone]:
    """The backbones `cv-densenet121`, `cv-densenet169` and `cv-densenet201`."""
    return [record(_network(depth)) for depth in _UNITS]
