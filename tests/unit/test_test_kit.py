"""The check for authors of backbones finds what does not hold, however small the features are."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import pytest

from zoo.contracts import Block
from zoo.errors import ContractError
from zoo.testing import check_backbone, tiny_backbone


class Forgetful(keras.layers.Layer):
    """Draws a factor at every call, also in inference."""

    def call(self, inputs: Any) -> Any:
        """Between half of it and all of it."""
        return inputs * keras.random.uniform((), 0.5, 1.0)


def faint(*, forgetful: bool) -> Any:
    """The tiny backbone with features of about 1e-9, the size of those of deep networks with random weights."""
    record = tiny_backbone()

    def build(**options: Any) -> Any:
        model = record.build(**options)
        x = keras.layers.Rescaling(1e-9, name="faint_scale")(model.output)
        return keras.Model(model.input, Forgetful(name="faint_noise")(x) if forgetful else x)

    return dataclasses.replace(record, build=build, blocks=(*record.blocks, Block(name="faint", layers=("faint_*",))))


class Rounding(keras.layers.Layer):
    """Rounds otherwise where it is traced than where it is called, as fused kernels do."""

    def call(self, inputs: Any) -> Any:
        """A millionth more of it where it can be looked at."""
        return inputs * (1 + 1e-6) if hasattr(inputs, "numpy") else inputs


class Restless(keras.layers.Layer):
    """Makes of a rounding of its input anything between -1 and 1, as deep networks with random weights may."""

    def call(self, inputs: Any) -> Any:
        """A sine of very many periods."""
        return keras.ops.sin(inputs * 1e8)


def test_a_network_that_magnifies_roundings_is_cut_right() -> None:
    """Every block starts from what the whole has there, so that roundings of lower blocks do not count."""
    record = tiny_backbone()

    def build(**options: Any) -> Any:
        model = record.build(**options)
        return keras.Model(model.input, Restless(name="restless")(Rounding(name="rounding")(model.output)))

    blocks = (*record.blocks, *(Block(name=name, layers=(name,)) for name in ("rounding", "restless")))
    check_backbone(dataclasses.replace(record, build=build, blocks=blocks))


def test_a_wrong_cut_is_found_in_faint_features() -> None:
    """The tolerance follows the size of the features."""
    check_backbone(faint(forgetful=False))
    with pytest.raises(ContractError, match="cut between its blocks, differs from the whole"):
        check_backbone(faint(forgetful=True))
