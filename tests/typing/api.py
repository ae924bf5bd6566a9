"""Code as a user writes it. It is never run: the type checker alone reads it."""

from __future__ import annotations

from typing import assert_type

import numpy as np

import zoo


def one_run() -> None:
    """Fit, look, predict."""
    run = zoo.fit(backbone="efficientnetb0", policy="bn-trainable")
    assert_type(run, zoo.Run)
    if run.scores is not None:
        assert_type(run.scores.accuracy, float)
    if run.receipt is not None:
        assert_type([row.block for row in run.receipt.rows], list[str])
    predictions = run.predict(["a.jpg", np.zeros((8, 8, 3), np.uint8)])
    assert_type(predictions, tuple[zoo.Prediction, ...])
    assert_type(predictions[0].label, str | None)


def a_grid() -> None:
    """Compare, and read the board."""
    board = zoo.compare("photos", backbones=["efficientnet-lite0"], policies=["freeze-all"], seeds=3)
    assert_type(board, zoo.Board)
    if board.recommended is not None:
        assert_type(board.recommended.title, str)
    assert_type(zoo.leaderboard("zoo-runs"), zoo.Board)


def a_sheet() -> None:
    """Look at an augmentation."""
    assert_type(zoo.preview("light", "photos", count=3).size, tuple[int, int])


def a_plugin() -> zoo.Policy:
    """A policy of one's own."""

    def plan(blocks: int, epochs: int) -> tuple[zoo.Phase, ...]:
        return (zoo.Phase(name="half", epochs=epochs, learning_rate=1e-4, open_blocks=blocks // 2),)

    return zoo.Policy(name="top-half", title="the upper half", plan=plan)


def lists() -> None:
    """What is installed."""
    assert_type(zoo.backbones(), tuple[zoo.Backbone, ...])
    assert_type(zoo.policies(), tuple[zoo.Policy, ...])
    assert_type(zoo.load("some-run"), zoo.Run)
