"""Policies with several phases or rates of their own for blocks, as plans: no Keras needed."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from zoo.errors import ContractError
from zoo.plugins import load_catalog

if TYPE_CHECKING:
    from conftest import Bench

    from zoo.contracts import Phase, Policy

NAMES = ("auto-rgn", "bias-only", "bn-stats", "fine-tune", "gradual", "l2-sp", "layer-decay", "lp-ft")
CATALOG = load_catalog(only=[])
POLICIES: dict[str, Policy] = {name: CATALOG.policy(name) for name in NAMES}


def plan(name: str, blocks: int = 18, epochs: int = 10, **options: Any) -> tuple[Phase, ...]:
    """What a policy plans."""
    return POLICIES[name].plan(blocks, epochs, **options)


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("blocks", [1, 2, 4, 18])
def test_epochs_add_up_and_rates_can_be_used(name: str, blocks: int) -> None:
    """For any number of epochs, phases take all of them, each at least one, at rates above 0."""
    for epochs in range(1, 14):
        phases = plan(name, blocks, epochs)
        assert sum(phase.epochs for phase in phases) == epochs
        assert min(phase.epochs for phase in phases) >= 1
        assert all(phase.learning_rate > 0 and 0 < phase.layer_decay <= 1 for phase in phases)
        assert all(phase.batch_norm == "fixed" for phase in phases)


def test_bn_stats_opens_nothing_and_re_estimates_everything() -> None:
    """The head alone is trained, after the statistics of all blocks were replaced."""
    (phase,) = plan("bn-stats")
    assert (phase.open_blocks, phase.re_estimated_blocks, phase.drop_layers) == (0, 18, False)


def test_bias_only_opens_biases_of_all_blocks() -> None:
    """And lets no drop layer work."""
    (phase,) = plan("bias-only")
    assert (phase.open_blocks, phase.open_weights, phase.drop_layers) == (18, "bias", False)


def test_lp_ft_trains_the_head_first_at_a_far_higher_rate() -> None:
    """Half of the epochs, or as many as are asked for; with one epoch there is no second phase."""
    head, rest = plan("lp-ft")
    assert (head.epochs, head.open_blocks, rest.epochs, rest.open_blocks) == (5, 0, 5, 18)
    assert rest.learning_rate < head.learning_rate / 30 + 1e-9
    assert [phase.epochs for phase in plan("lp-ft", head_epochs=3)] == [3, 7]
    assert [phase.epochs for phase in plan("lp-ft", head_epochs=30)] == [10]
    assert [phase.open_blocks for phase in plan("lp-ft", epochs=1)] == [0]


def test_gradual_opens_more_and_more_from_the_top() -> None:
    """Equal shares of the blocks, none at first and all at last."""
    phases = plan("gradual")
    assert [phase.open_blocks for phase in phases] == [0, 6, 12, 18]
    assert [phase.epochs for phase in phases] == [3, 3, 2, 2]
    for blocks, epochs, stages in itertools.product((1, 2, 5, 18), (1, 2, 9), (1, 2, 7, 40)):
        opened = [phase.open_blocks for phase in plan("gradual", blocks, epochs, stages=stages)]
        assert opened == sorted(set(opened))
        assert len(opened) == 1 or (opened[0], opened[-1]) == (0, blocks)


def test_fine_tune_follows_fastai() -> None:
    """One epoch for the head, half of its rate for the rest, a hundredth of that at the bottom, one cycle each."""
    head, rest = plan("fine-tune")
    assert (head.epochs, rest.epochs, head.open_blocks, rest.open_blocks) == (1, 9, 0, 18)
    assert rest.learning_rate == head.learning_rate / 2
    assert rest.layer_decay**17 == pytest.approx(0.01)
    assert {head.schedule, rest.schedule} == {"one-cycle"}
    assert [phase.open_blocks for phase in plan("fine-tune", head_epochs=0)] == [18]


def test_the_rest_opens_everything_with_its_own_rule() -> None:
    """Layer decay, a pull, or measured rates."""
    (decay,), (pull,), (surgical,) = plan("layer-decay"), plan("l2-sp"), plan("auto-rgn")
    assert {phase.open_blocks for phase in (decay, pull, surgical)} == {18}
    assert (decay.layer_decay, pull.pull, surgical.block_rates) == (0.75, 0.01, "auto-rgn")


def test_statistics_can_be_asked_to_adapt() -> None:
    """`bn=adapting` reaches every phase that opens blocks."""
    for name in ("lp-ft", "gradual", "fine-tune", "layer-decay", "l2-sp", "auto-rgn"):
        assert all(phase.batch_norm == "adapting" for phase in plan(name, bn="adapting") if phase.open_blocks)


@pytest.mark.parametrize(
    "field",
    [
        "backbone_rate=0",
        "layer_decay=1.5",
        "layer_decay=0",
        "schedule='linear'",
        "statistics='precise'",
        "re_estimated_blocks=-1",
        "pull=-1.0",
        "block_rates='best'",
    ],
)
def test_a_phase_that_cannot_be_is_refused(field: str, bench: Bench) -> None:
    """A plugin's phase outside the contract is named with the field and its value."""
    from dataclasses import replace

    from zoo.building import plan_phases
    from zoo.contracts import Policy
    from zoo.hookspecs import hookimpl
    from zoo.plugins import load_catalog
    from zoo.recipe import complete_policy

    name, _, text = field.partition("=")
    value = text.strip("'") if text.startswith("'") else float(text) if "." in text else int(text)

    def wrong(blocks: int, epochs: int) -> tuple[Phase, ...]:
        return (replace(plan("layer-decay", blocks, epochs)[0], **{name: value}),)

    class Plugin:
        @staticmethod
        @hookimpl
        def zoo_policies() -> list[Policy]:
            return [Policy(name="wrong", title="wrong", plan=wrong)]

    catalog = load_catalog(only=[], extra=[Plugin])
    recipe = replace(bench.recipe(), policy=complete_policy(catalog, "wrong"))
    with pytest.raises(ContractError, match=rf"planned a phase with {name}={value!r}"):
        plan_phases(recipe, catalog, blocks=4)
