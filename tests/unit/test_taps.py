"""Heads that look at several depths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

import zoo
from zoo.contracts import Head
from zoo.errors import ContractError
from zoo.forward import forward, value_of
from zoo.hookspecs import hookimpl
from zoo.plugins import load_catalog
from zoo.recipe import complete_head
from zoo.taps import tapped
from zoo.testing import tiny_backbone

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Bench

    from zoo.contracts import Backbone
    from zoo.registry import Catalog


def build(feature_shape: tuple[tuple[int, ...], ...], classes: int) -> Any:
    """The mean of the map beside the means of the tapped blocks."""
    inputs = [keras.Input(shape) for shape in feature_shape]
    pooled = [keras.layers.GlobalAveragePooling2D()(inputs[0]), *inputs[1:]]
    return keras.Model(inputs, keras.layers.Dense(classes, name="logits")(keras.layers.Concatenate()(pooled)))


class DepthPlugin:
    """Heads that tap the first and the third block, one that does not exist, and one twice; and the tiny backbone."""

    @staticmethod
    @hookimpl
    def zoo_backbones() -> list[Backbone]:
        """The tiny backbone."""
        return [tiny_backbone()]

    @staticmethod
    @hookimpl
    def zoo_heads() -> list[Head]:
        """Three heads."""
        taps = {"depths": (0, 2), "too-deep": (9,), "twice": (1, 1)}
        return [
            Head(name=name, title="t", build=build, taps=lambda blocks, chosen=chosen: chosen)  # noqa: ARG005 - the contract
            for name, chosen in taps.items()
        ]


@pytest.fixture(scope="module")
def deep_catalog() -> Catalog:
    """Built-in items, the tiny backbone and the heads of this file."""
    return load_catalog(only=[], extra=[DepthPlugin], strict=True)


@pytest.fixture
def deep(bench: Bench, deep_catalog: Catalog) -> Bench:
    """The bench with these heads."""
    bench.catalog = deep_catalog
    return bench


def test_the_head_gets_the_map_and_the_means_of_blocks(deep: Bench) -> None:
    """Its inputs are the backbone's features and the average over height and width of what the tapped blocks give."""
    assembly = deep.build(deep.recipe(head="depths")).assembly
    backbone = keras.Model(
        assembly.model.input,
        [assembly.model.get_layer(name).output for name in ("top_relu", "stem_relu", "unit2_drop")],
    )
    features, stem, unit2 = forward(backbone, [deep.pixels[:8]])
    by_hand = np.concatenate([one.mean(axis=(1, 2)) for one in (features, stem, unit2)], axis=1)
    kernel, bias = logits(assembly)
    assert forward(assembly.model, [deep.pixels[:8]])[0] == pytest.approx(by_hand @ kernel + bias, abs=1e-4)


def logits(assembly: Any) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias of the head."""
    found = {
        w.path.rpartition("/")[2]: value_of(w.variable) for w in assembly.weights if w.block == len(assembly.blocks)
    }
    return found["kernel"], found["bias"]


def test_every_cut_carries_the_means_of_the_blocks_below(deep: Bench) -> None:
    """Prefix and tail together are the whole, at every boundary; tapped maps cross as vectors."""
    assembly = deep.build(deep.recipe(head="depths")).assembly
    whole = forward(assembly.model, [deep.pixels])[0]
    for boundary in range(1, len(assembly.blocks) + 1):
        tensors = forward(assembly.prefix(boundary), [deep.pixels])
        assert sum(tensor.ndim == 2 for tensor in tensors) == {1: 1, 2: 1, 3: 2, 4: 2}[boundary]
        assert forward(assembly.tail(boundary), tensors)[0] == pytest.approx(whole, abs=1e-5)


@pytest.mark.parametrize("policy", ["freeze-all", "unfreeze-top-k:k=2", "bn-trainable", "bn-trainable:stats=moving"])
def test_it_trains_and_is_saved_like_any_head(policy: str, photos: Path, tmp_path: Path, deep_catalog: Catalog) -> None:
    """The receipt passes, no fixed weight moves, and the reloaded file predicts."""
    run = zoo.fit(
        photos, backbone="tiny", head="depths", policy=policy, epochs=3, store=tmp_path / "s", catalog=deep_catalog
    )
    assert run.record.status in {"finished", "not learning in inference mode"}
    assert run.receipt.verdict in {"PASS", "WARN"}
    assert {row.block for row in run.receipt.rows} == {"stem", "unit1", "unit2", "top", "head"}
    assert run.predict([np.zeros((20, 20, 3), np.uint8)])[0].label in {"dark", "light"}


@pytest.mark.parametrize("head", ["too-deep", "twice"])
def test_taps_that_cannot_be_are_refused(head: str, deep: Bench) -> None:
    """An index that no block has, or the same twice, names the head's mistake."""
    with pytest.raises(ContractError, match=r"taps blocks \[.*\] of backbone 'tiny', which has 4"):
        deep.build(deep.recipe(head=head))


def test_a_block_without_a_map_cannot_be_tapped() -> None:
    """A block that only makes vectors has nothing to average."""
    entry = keras.Input((8, 8, 3))
    x = keras.layers.GlobalAveragePooling2D(name="flat_pool")(keras.layers.Conv2D(4, 3, name="stem_conv")(entry))
    model = keras.Model(entry, keras.layers.Dense(5, name="flat_dense")(x))
    blocks = (zoo.Block(name="stem", layers=("stem_*",)), zoo.Block(name="flat", layers=("flat_*",)))
    with pytest.raises(ContractError, match="Block 'flat' of backbone 'flat' gives no feature map"):
        tapped(model, blocks, (1,), name="flat")


def test_without_taps_nothing_changes() -> None:
    """The model and its blocks are handed on as they are."""
    tiny = tiny_backbone()
    model = tiny.build(size=16, weights=None)
    assert tapped(model, tiny.blocks_for({}), (), name="tiny") == (model, tiny.blocks_for({}))


def test_a_tapping_head_has_its_own_options(deep_catalog: Catalog) -> None:
    """It is completed like any other spec."""
    assert str(complete_head(deep_catalog, "depths")) == "depths"
