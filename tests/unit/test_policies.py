"""The built-in fine-tuning policies, as plans: no Keras needed."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from zoo.builtin import (
    backbone_efficientnet,
    backbone_scratch_cnn,
    policy_bn_affine,
    policy_bn_trainable,
    policy_freeze_all,
    policy_from_scratch,
    policy_unfreeze_all,
    policy_unfreeze_top_k,
)

if TYPE_CHECKING:
    from zoo.contracts import Backbone, Phase, Policy

MODULES = (
    policy_bn_affine,
    policy_bn_trainable,
    policy_freeze_all,
    policy_from_scratch,
    policy_unfreeze_all,
    policy_unfreeze_top_k,
)
POLICIES: dict[str, Policy] = {policy.name: policy for module in MODULES for policy in module.zoo_policies()}
BACKBONES: list[Backbone] = [
    *backbone_efficientnet.zoo_backbones(),
    *backbone_scratch_cnn.zoo_backbones(),
]
LIGHT = (
    "augmentation_light",
    "augmentation_none",
    "backbone_efficientnet",
    "backbone_scratch_cnn",
    "head_flatten",
    "head_gap",
    *(f"policy_{name}" for name in ("bn_affine", "bn_trainable", "freeze_all", "from_scratch")),
    *(f"policy_{name}" for name in ("unfreeze_all", "unfreeze_top_k")),
)


def plan(name: str, blocks: int = 18, epochs: int = 5, **options: Any) -> Phase:
    """The only phase that a built-in policy plans."""
    (phase,) = POLICIES[name].plan(blocks, epochs, **options)
    return phase


def open_blocks(phase: Phase, blocks: int) -> set[int]:
    """Indices of the open blocks, as the contract of `Phase.open_blocks` says."""
    return set(range(max(0, blocks - phase.open_blocks), blocks))


@pytest.mark.parametrize(
    ("name", "options", "opened", "weights", "batch_norm", "drops", "rate"),
    [
        ("freeze-all", {}, 0, None, None, False, 1e-3),
        ("bn-affine", {}, 18, "batch-norm", "fixed", False, 1e-3),
        ("bn-trainable", {}, 18, "batch-norm", "adapting", True, 1e-3),
        ("unfreeze-top-k", {}, 1, "all", "fixed", True, 1e-3),
        ("unfreeze-top-k", {"k": 2}, 2, "all", "fixed", True, 1e-3),
        ("unfreeze-top-k", {"k": 2, "bn": "adapting"}, 2, "all", "adapting", True, 1e-3),
        ("unfreeze-all", {}, 18, "all", "fixed", True, 1e-4),
        ("unfreeze-all", {"bn": "adapting"}, 18, "all", "adapting", True, 1e-4),
        ("from-scratch", {}, 18, "all", "adapting", True, 1e-3),
    ],
)
def test_pitfall_10_each_policy_opens_what_the_table_says(
    *, name: str, options: dict[str, Any], opened: int, weights: str, batch_norm: str, drops: bool, rate: float
) -> None:
    """Every column of the published table of policies is a field of the phase that is planned."""
    phase = plan(name, **options)
    assert (phase.open_blocks, phase.drop_layers, phase.learning_rate) == (opened, drops, rate)
    if opened:
        assert (phase.open_weights, phase.batch_norm) == (weights, batch_norm)


@pytest.mark.parametrize("epochs", [1, 2, 7])
@pytest.mark.parametrize("name", sorted(POLICIES))
def test_epochs_of_the_phases_add_up(name: str, epochs: int) -> None:
    """No epoch is lost or invented, down to a single one."""
    assert sum(phase.epochs for phase in POLICIES[name].plan(18, epochs)) == epochs


@pytest.mark.parametrize("blocks", [1, 2, 3, 4, 18, 41])
@pytest.mark.parametrize("bn", ["fixed", "adapting"])
def test_pitfall_20_top_k_counts_blocks_from_the_top(blocks: int, bn: str) -> None:
    """The topmost k blocks are open; one more k opens exactly the next lower block."""
    before: set[int] = set()
    for k in range(1, blocks + 1):
        opened = open_blocks(plan("unfreeze-top-k", blocks, k=k, bn=bn), blocks)
        assert opened == before | {blocks - k}
        before = opened


@pytest.mark.parametrize("blocks", [1, 2, 18])
def test_pitfall_20_the_ends_of_k_are_the_other_policies(blocks: int) -> None:
    """k=0 is freeze-all, and k at or above the number of blocks is unfreeze-all, to the last field."""
    assert plan("unfreeze-top-k", blocks, k=0) == plan("freeze-all", blocks)
    for k in (blocks, blocks + 1, 10_000):
        for bn in ("fixed", "adapting"):
            assert plan("unfreeze-top-k", blocks, k=k, bn=bn) == plan("unfreeze-all", blocks, bn=bn)


@pytest.mark.parametrize("backbone", BACKBONES, ids=[backbone.name for backbone in BACKBONES])
def test_pitfall_20_top_k_on_the_built_in_backbones(backbone: Backbone) -> None:
    """By name: every k opens a run of blocks that reaches the output, and each k another one."""
    names = [block.name for block in backbone.blocks_for({})]
    runs = [names[len(names) - plan("unfreeze-top-k", len(names), k=k).open_blocks :] for k in range(len(names) + 1)]
    assert runs == [names[len(names) - k :] for k in range(len(names) + 1)]
    assert len({tuple(run) for run in runs}) == len(names) + 1


@pytest.mark.parametrize(
    ("k", "rate"), [(0, 1e-3), (1, 1e-3), (8, 1e-3), (9, 1e-4), (10, 1e-4), (17, 1e-4), (18, 1e-4), (99, 1e-4)]
)
def test_pitfall_23_widely_opened_weights_get_small_steps(k: int, rate: float) -> None:
    """From half of the blocks on, the default rate is a tenth."""
    assert plan("unfreeze-top-k", 18, k=k).learning_rate == rate


def test_the_statistics_of_bn_trainable_are_precise_unless_it_is_told_otherwise() -> None:
    """In the plan, in the option that is shown, and in what a spec without options means."""
    (option,) = POLICIES["bn-trainable"].options
    assert (option.default, option.choices) == ("precise", ("precise", "moving"))
    assert plan("bn-trainable") == plan("bn-trainable", stats="precise")
    assert plan("bn-trainable").statistics == "precise"
    assert plan("bn-trainable", stats="moving").statistics == "moving"


def test_a_plan_is_pure() -> None:
    """The same arguments give equal phases, so a recipe's digest cannot depend on what was planned before."""
    for policy in POLICIES.values():
        assert policy.plan(18, 3) == policy.plan(18, 3)


def test_declared_defaults_are_those_of_the_plan() -> None:
    """Giving every option its declared default changes nothing."""
    for policy in POLICIES.values():
        defaults = {option.name: option.default for option in policy.options}
        assert policy.plan(18, 3, **defaults) == policy.plan(18, 3)


def test_every_policy_says_what_when_and_by_whom() -> None:
    """The module's docstring holds what it does, when to use it and a reference, and the record links one."""
    for module in MODULES:
        documentation = importlib.import_module(module.__name__).__doc__ or ""
        assert all(word in documentation for word in ("What: ", "When: ", "Reference: "))
        assert all(policy.reference.startswith("https://") for policy in module.zoo_policies())


def test_listing_the_built_ins_needs_neither_keras_nor_numpy() -> None:
    """Importing the modules and calling their hooks loads nothing heavy."""
    code = f"""
import importlib, sys
for name in {LIGHT!r}:
    module = importlib.import_module("zoo.builtin." + name)
    hooks = [value for key, value in vars(module).items() if key.startswith("zoo_")]
    assert hooks and all(hook() for hook in hooks), name
heavy = sorted({{"keras", "tensorflow", "jax", "torch", "numpy", "PIL", "h5py"}} & set(sys.modules))
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
