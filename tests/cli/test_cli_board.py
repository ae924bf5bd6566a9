"""`zoo leaderboard`, and how a board looks."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from rich.cells import cell_len

from zoo.rows import Context
from zoo.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    from zoo.rows import Board, Row
    from zoo.values import Recipe

    Zoo = Callable[..., Result]
    Shown = Callable[..., Result]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, store: Path, zoo: Zoo) -> Callable[..., Result]:
    """Runs `zoo leaderboard` on a given board."""

    def leaderboard(given: Board, *words: str, columns: int | None = 80) -> Result:
        monkeypatch.setattr("zoo.standings.leaderboard", lambda *_, **__: given)
        return zoo("leaderboard", *words, columns=columns)

    assert store.is_dir()
    return leaderboard


@pytest.mark.parametrize("columns", [50, 80, 100, 120, 160])
def test_a_board_fits_the_screen_and_keeps_every_name(shown: Shown, bad: Board, columns: int) -> None:
    """Whatever the width, no line is longer, no name is cut off and every score is there."""
    text = shown(bad, columns=columns).stdout
    assert max(cell_len(line) for line in text.splitlines()) <= columns
    table = "".join(text.split("* recommended")[0].split())
    for part in ("bn-trainable", "freeze-all", "majority", "0.953", "[0.90,0.97]", "0.951", "2*=", "0.410"):
        assert part in table
    for part in ("unfreeze-top-k:k=2,", "bn=adapting", "failed"):
        assert part in table


def test_a_board_of_80_columns_has_the_figures_of_every_column(shown: Shown, good: Board) -> None:
    """At 80 columns a row takes two lines, and nothing but what all rows share is left out."""
    table = shown(good, columns=80).stdout.split("* recommended")[0]
    lines = [" ".join(line.split()) for line in table.splitlines()]
    first = lines.index("1 efficientnet-lite0 0.953 0.953 42.0k 3 min 05 s 3.1")
    assert lines[first + 1] == "bn-trainable [0.90, 0.97] of 3.4M"


def test_a_wide_board_has_all_columns_in_one_line(shown: Shown, good: Board) -> None:
    """At full width a row is one line with all its figures; a baseline has dashes."""
    lines = [" ".join(line.split()) for line in shown(good, columns=None).stdout.splitlines()]
    names, figures = "efficientnet-lite0 gap bn-trainable none", "42.0k 3.4M 3 min 05 s 3.1 finished 1"
    assert f"1 {names} 0.953 [0.90, 0.97] 0.953 {figures}" in lines
    assert "— majority — — — 0.410 [0.30, 0.51] 0.500 — — — — — —" in lines


def test_what_the_table_leaves_out_is_said_below(shown: Shown, good: Board) -> None:
    """Columns in which all rows agree become a sentence; marks and intervals are explained."""
    text = " ".join(shown(good).stdout.split())
    assert "All rows: head gap, augmentation none, 1 seed." in text
    assert "= cannot be told from the best" in text
    assert "ranked by mean validation accuracy, [95 % interval]" in text
    assert "note: Both rows have one seed [/]." in text


def test_a_failed_row_gives_its_reason_to_the_letter(shown: Shown, bad: Board) -> None:
    """The reason stands below the table, with markup and control characters shown."""
    text = " ".join(shown(bad).stdout.split())
    assert "failed: efficientnet-lite0 · unfreeze-top-k:k=2,bn=adapting: No [red] memory\\x1b[2J." in text


def test_rows_that_failed_for_one_reason_share_a_line(
    shown: Shown, row: Callable[..., Row], board: Callable[..., Board]
) -> None:
    """A missing file of weights is explained once, with all rows that it cost."""
    failed = [row(policy, None, None, status="failed", reason="No file.") for policy in ("a", "b")]
    text = " ".join(shown(board(row("c", 0.9, 1), *failed)).stdout.split())
    assert text.count("No file.") == 1
    assert "failed: efficientnet-lite0 · a; efficientnet-lite0 · b: No file." in text


def test_seeds_without_a_score_are_counted(shown: Shown, row: Callable[..., Row], board: Callable[..., Board]) -> None:
    """A row of three seeds of which one failed says so, at any width."""
    rows = (row("a", 0.9, 1, seeds=2, failed=1, reason="1 of 3 seeds has no score."), row("b", 0.8, 2, seeds=3))
    assert "2/3 seeds" in shown(board(*rows), columns=60).stdout
    wide = [line.split() for line in shown(board(*rows), columns=None).stdout.splitlines()]
    assert "2/3" in next(line for line in wide if line[:1] == ["1"])
    assert "warning: efficientnet-lite0 · a: 1 of 3 seeds has no score." in shown(board(*rows)).stdout


def test_rows_of_other_data_are_counted_not_ranked(shown: Shown, good: Board, row: Callable[..., Row]) -> None:
    """What cannot be compared is mentioned in a note."""
    text = " ".join(shown(dataclasses.replace(good, stale=(row("old", 0.99),))).stdout.split())
    assert "1 row of this store, on other data or another split, cannot be compared" in text
    assert "0.990" not in text


def test_the_test_part_is_not_claimed_where_nobody_looked(
    shown: Shown, row: Callable[..., Row], board: Callable[..., Board]
) -> None:
    """Without a test score the board says so, and says if there is no test part at all."""
    alone = row("freeze-all", 0.9, 1, recommended=True)
    assert "test         not looked at" in shown(board(alone)).stdout
    assert "test         there is no test part" in shown(board(alone, n_test=0)).stdout


def test_a_board_without_a_finished_row_recommends_nothing(
    shown: Shown, row: Callable[..., Row], board: Callable[..., Board]
) -> None:
    """If every row failed, there is a board, and no next command."""
    result = shown(board(row("freeze-all", None, status="diverged", reason="The loss is nan.", failed=1)))
    assert result.exit_code == 0
    assert "diverged: efficientnet-lite0 · freeze-all: The loss is nan." in result.stdout
    assert "recommended" not in result.stdout


def test_balanced_accuracy_takes_the_place_of_accuracy(shown: Shown, good: Board) -> None:
    """The metric that ranks has the interval and comes first."""
    given = dataclasses.replace(good, metric="balanced_accuracy")
    header = next(line for line in shown(given, columns=None).stdout.splitlines() if "backbone" in line).split()
    assert header.index("balanced") < header.index("accuracy")


def test_leaderboard_without_a_store_names_the_command_that_makes_one(zoo: Zoo, tmp_path: Path) -> None:
    """The store's exit code, and nothing is created by looking."""
    result = zoo("leaderboard", "--store", str(tmp_path / "none"))
    assert result.exit_code == 6
    assert "`zoo compare` makes one" in result.stderr
    assert not (tmp_path / "none").exists()


def test_leaderboard_of_a_real_store_needs_no_keras(store: Path, recipe: Recipe) -> None:
    """A board is drawn from what the store keeps; neither Keras nor a backend is imported for it."""
    context = Context(data="d", split="s", classes=recipe.classes, n_train=8, n_validation=4, n_test=0)
    with Store(store) as opened:
        run = opened.runs()[0]
        labels, chances = np.array([0, 1, 0, 1]), np.array([[0.9, 0.1]] * 4, np.float32)
        opened.save_predictions(run.id, "validation", ids=list("abcd"), labels=labels, probabilities=chances)
        opened.save_board_context("d", "s", context)
    code = (
        "import sys\n"
        "sys.argv = ['zoo', 'leaderboard', '--json']\n"
        "from zoo.cli.app import main\n"
        "try:\n    main()\nfinally:\n"
        "    heavy = [name for name in ('keras', 'tensorflow', 'jax', 'torch') if name in sys.modules]\n"
        "    print(heavy, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    board = json.loads(done.stdout)["board"]
    assert [(row["backbone"], row["rank"], row["score"]) for row in board["rows"]] == [("lite", 1, 0.951)]


def test_explanations_stand_below_the_board(shown: Shown, row: Callable[..., Row], board: Callable[..., Board]) -> None:
    """One line for rows that say the same; it takes the place of the reason where that is what it explains."""
    blind = {"status": "not learning in inference mode", "reason": "statistics lag"}
    rows = (
        row("a", 0.9, 1),
        row("b", 0.5, 2, explanation="most likely labels: [/] 0.5."),
        row("c", 0.5, 3, explanation="most likely labels: [/] 0.5."),
        row("d", 0.5, 4, explanation="most likely wrong input: divided.", **blind),
    )
    text = " ".join(shown(board(*rows)).stdout.split())
    assert "why: efficientnet-lite0 · b; efficientnet-lite0 · c: most likely labels: [/] 0.5." in text
    assert "why: efficientnet-lite0 · d: most likely wrong input: divided." in text
    assert "statistics lag" not in text
    other = row("e", 0.5, 1, explanation="most likely too few pictures: 20.", **blind)
    assert "not learning: efficientnet-lite0 · e: statistics lag" in " ".join(shown(board(other)).stdout.split())
