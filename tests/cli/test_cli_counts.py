"""How many weights of a backbone each policy opens, counted on a network that is really built."""

from __future__ import annotations

import dataclasses

import pytest

from zoo.cli.counts import BackboneCount, count
from zoo.plugins import load_catalog
from zoo.recipe import complete_backbone
from zoo.registry import Catalog, Entry
from zoo.testing import tiny_backbone


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    """What is built in, and the tiny backbone."""
    builtin = load_catalog(only=[])
    return dataclasses.replace(builtin, entries=(*builtin.entries, Entry(tiny_backbone(), "tests")))


@pytest.fixture(scope="module")
def counted(catalog: Catalog) -> BackboneCount:
    """The counts of the tiny backbone."""
    return count(catalog, complete_backbone(catalog, "tiny"))


def test_every_policy_is_counted_and_the_head_is_not(counted: BackboneCount, catalog: Catalog) -> None:
    """There is a row for each policy; freezing all opens nothing, opening all opens every weight."""
    rows = {row.policy: row for row in counted.policies}
    assert tuple(rows) == catalog.names("policy")
    assert rows["freeze-all"].opened == rows["freeze-all"].blocks == 0
    assert rows["unfreeze-all"].opened == counted.weights
    assert rows["unfreeze-all"].blocks == 4


def test_batch_norm_policies_open_gammas_and_betas(counted: BackboneCount) -> None:
    """Stem, unit 1, unit 2 and top have 6, 6, 8 and 12 channels: as many gammas, betas, means and variances."""
    rows = {row.policy: row for row in counted.policies}
    assert (rows["bn-affine"].opened, rows["bn-affine"].adapting) == (64, 0)
    assert (rows["bn-trainable"].opened, rows["bn-trainable"].adapting) == (64, 64)


def test_the_top_block_is_the_last(counted: BackboneCount) -> None:
    """The top block has a 1 × 1 convolution of 14 to 12 channels and a normalisation of 12."""
    row = next(row for row in counted.policies if row.policy.startswith("unfreeze-top-k"))
    assert (row.blocks, row.opened) == (1, 14 * 12 + 2 * 12)
    assert counted.per_block[-1] == ("top", 14 * 12 + 4 * 12)
    assert sum(size for _, size in counted.per_block) == counted.weights + counted.statistics
