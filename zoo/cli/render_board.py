"""A board for people: the table, what its marks mean, what went wrong, what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo import figures, folders
from zoo.cli import board_table, screen, tables
from zoo.cli.render_item import facts
from zoo.cli.render_run import show_next

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console

    from zoo.rows import Board, Row

FORMAT = 1

_FAILED = ("failed", "diverged", "interrupted")


def has_failed(board: Board) -> bool:
    """Whether a run of a row ended without scores."""
    return any(row.status in _FAILED or row.failed for row in board.rows)


def board_document(board: Board, *, store: Path) -> dict[str, Any]:
    """The JSON document of a board: `Board.from_json` reads its `board`."""
    looks, best = _looks_and_run(board, store)
    return {
        "format": FORMAT,
        "store": str(store),
        "test_looks": looks,
        "recommended_run": best,
        "board": board.to_json(),
    }


def show_board(console: Console, board: Board, *, store: Path) -> None:
    """The board, and below it everything that its table leaves out."""
    sides = f"{board.n_train:,} training, {board.n_validation:,} validation, {board.n_test:,} test pictures"
    screen.say(console, f"{figures.counted(len(board.classes), 'class', 'classes')}; {sides}", label="board")
    console.print()
    screen.draw(console, tables.first_fitting(console, board_table.layouts(board)))
    console.print()
    for line in _legend(board):
        screen.say(console, line)
    for label, text in (*_troubles(board), *_explanations(board), *_notes(board)):
        screen.say(console, text, label=label)
    if board.recommended is not None:
        console.print()
        _show_recommended(console, board, board.recommended, store=store)


def _legend(board: Board) -> Iterator[str]:
    metric = "accuracy" if board.metric == "accuracy" else "balanced accuracy"
    marks = "* recommended: the cheapest row that cannot be told from the best" if board.recommended else ""
    ties = "= cannot be told from the best" if any(row.tied_with_best for row in board.rows) else ""
    ranked = f"ranked by mean validation {metric}, [95 % interval]"
    yield "; ".join(part for part in (marks, ties, ranked) if part) + "."
    rows = board_table.trained(board)
    left = [name for name in board_table.NAMES if name not in board_table.varying(board)]
    same = [f"{name} {getattr(rows[0], name)}" for name in left if rows and getattr(rows[0], name)]
    seeds = {row.seeds + row.failed for row in rows}
    if len(seeds) == 1:
        same.append(figures.counted(seeds.pop(), "seed"))
    if same:
        yield f"All rows: {', '.join(same)}. Baselines are not trained."


def _troubles(board: Board) -> Iterator[tuple[str, str]]:
    """Rows with something to say for their status; those that say the same together."""
    names = board_table.varying(board)
    told: dict[tuple[str, str], list[str]] = {}
    for row in board.rows:
        if row.kind == "run" and (row.status != "finished" or row.reason) and not _is_told_better(row):
            label = "warning" if row.status == "finished" else board_table.short_status(row)
            told.setdefault((label, row.reason or row.status), []).append(board_table.title(row, names))
    for (label, reason), titles in told.items():
        yield label, f"{'; '.join(titles)}: {reason}"


def _is_told_better(row: Row) -> bool:
    """Whether the explanation says why it learns in training mode only, which is what the reason says."""
    causes = ("moving statistics lag:", "wrong input:")
    return row.status == "not learning in inference mode" and any(
        f"likely {name}" in row.explanation for name in causes
    )


def _explanations(board: Board) -> Iterator[tuple[str, str]]:
    """Why rows do not learn, or are too good; one line for each, those that say the same together."""
    names = board_table.varying(board)
    told: dict[str, list[str]] = {}
    for row in board.rows:
        if row.explanation:
            told.setdefault(row.explanation, []).append(board_table.title(row, names))
    for line, titles in told.items():
        yield "why", f"{'; '.join(titles)}: {line}"


def _notes(board: Board) -> Iterator[tuple[str, str]]:
    names = board_table.varying(board)
    for note in board.notes:
        yield "note", note
    told: dict[str, list[str]] = {}
    for row in board.rows:
        for note in row.notes:
            told.setdefault(note, []).append(board_table.title(row, names))
    for note, titles in told.items():
        yield "note", f"{'; '.join(titles)}: {note}"
    if board.stale:
        rows = figures.counted(len(board.stale), "row")
        missing = f"{rows} of this store, on other data or another split, cannot be compared and are not shown"
        yield "note", f"{missing}: `zoo compare` with their data shows them."


def _show_recommended(console: Console, board: Board, row: Row, *, store: Path) -> None:
    looks, run = _looks_and_run(board, store)
    spread = ""
    if row.seeds > 1 and row.spread is not None:
        low, high = (figures.share(value) for value in row.spread)
        spread = f", mean of {row.seeds} seeds from {low} to {high}"
    pairs = [
        ("recommended", row.title),
        ("validation", f"{figures.share(row.score)} {figures.interval(row.low, row.high)}{spread}"),
        ("test", _test(board, row, looks)),
    ]
    facts(console, pairs)
    if run:
        console.print()
        show_next(console, run, store=store)


def _test(board: Board, row: Row, looks: int) -> str:
    if row.test is None:
        return "not looked at" if board.n_test else "there is no test part"
    value = figures.share(getattr(row.test, board.metric))
    rows = figures.counted(looks, "row")
    return f"{value} of {row.test.n:,} pictures; the test part has been looked at for {rows} of this store"


def _looks_and_run(board: Board, store: Path) -> tuple[int, str]:
    """For how many rows the test part was looked at, and the recommended row's first run with a model."""
    from zoo.store import Store

    row = board.recommended
    if not folders.is_file_path(store / "zoo.sqlite"):
        return 0, ""
    with Store(store, reading=True) as opened:
        looks = len({look.row for look in opened.test_looks(board.split)})
        ids = row.run_ids if row is not None else ()
        return looks, next((run for run in ids if opened.get(run).validation is not None), "")
