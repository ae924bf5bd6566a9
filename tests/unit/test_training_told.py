"""What a training tells while it runs, and the rates of blocks in it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.compiling import purpose
from zoo.events import EpochEnded, Stage, StepTaken
from zoo.forward import value_of

if TYPE_CHECKING:
    from conftest import Bench


def test_stages_and_steps_are_told(bench: Bench) -> None:
    """Compiling first, then every step of every epoch with its number, the epoch's end after its last step."""
    recipe = bench.recipe("unfreeze-top-k:k=1", epochs=2, batch_size=16, patience=None)
    told: list[Any] = []
    bench.train(bench.build(recipe), recipe, observe=told.append)
    words = [
        event.text
        if isinstance(event, Stage)
        else (event.epoch, event.done, event.total)
        if isinstance(event, StepTaken)
        else event.record.epoch
        for event in told
        if isinstance(event, Stage | StepTaken | EpochEnded)
    ]
    assert words == [
        "compiling the first training step",
        (1, 1, 3),
        (1, 2, 3),
        (1, 3, 3),
        1,
        (2, 1, 3),
        (2, 2, 3),
        (2, 3, 3),
        2,
    ]


def test_measuring_steps_are_not_told(bench: Bench) -> None:
    """The steps of auto-rgn that only measure gradients are no part of an epoch."""
    recipe = bench.recipe("auto-rgn", epochs=1)
    told: list[Any] = []
    bench.train(bench.build(recipe), recipe, observe=told.append)
    assert {event.epoch for event in told if isinstance(event, StepTaken)} == {1}


def test_auto_rgn_sets_the_rates_in_training(bench: Bench) -> None:
    """Before the first step and after each epoch the open blocks get other factors, the largest 1, none above."""
    recipe = bench.recipe("auto-rgn", epochs=2, patience=None)
    built = bench.build(recipe)
    factors: list[list[float]] = []

    def look(event: Any) -> None:
        if isinstance(event, StepTaken) and event.done == 1:
            tail = built.assembly.rest(0, of=purpose(built.phases[0], recipe, accumulate=1))
            block_of = {id(weight.variable): weight.block for weight in built.assembly.weights}
            found: dict[int, float] = {}
            for variable, factor in zip(tail.trainable_variables, tail.optimizer._factors, strict=True):
                found[block_of[id(variable)]] = float(value_of(factor))
            factors.append([found[block] for block in sorted(found)])

    bench.train(built, recipe, observe=look)
    first, second = factors
    for rates in (first, second):
        assert max(rates[:-1]) == 1.0
        assert min(rates) > 0
        assert rates[-1] == 1.0  # the head's
    assert len(set(first)) >= 3
    assert first != second


def test_a_backbone_rate_scales_what_the_backbone_moves(bench: Bench) -> None:
    """After one step of Adam, a weight of the backbone moved a tenth as far; the head as far as before."""

    def moved(rate: float) -> dict[str, np.ndarray]:
        recipe = bench.recipe("unfreeze-all", epochs=1, batch_size=48, head="gap:dropout=0.0")
        built = bench.build(recipe)
        start = {w.path: value_of(w.variable) for w in built.assembly.weights}
        phase = dataclasses.replace(built.phases[0], backbone_rate=rate, drop_layers=False)
        bench.train(built, recipe, phases=(phase,))
        return {w.path: value_of(w.variable) - start[w.path] for w in built.assembly.weights}

    full, tenth = moved(1.0), moved(0.1)
    assert np.abs(full["stem_conv/kernel"]).max() > 1e-5
    np.testing.assert_allclose(tenth["stem_conv/kernel"], 0.1 * full["stem_conv/kernel"], rtol=0.05, atol=1e-7)
    np.testing.assert_allclose(tenth["head_logits/kernel"], full["head_logits/kernel"], rtol=1e-3, atol=1e-7)
