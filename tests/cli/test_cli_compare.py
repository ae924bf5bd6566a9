"""`zoo compare`, `zoo fit` and `zoo leaderboard`: what is asked of the library, and how a board looks."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.cells import cell_len

from zoo.events import Note, RunEnded, RunStarted
from zoo.rows import Board, Row
from zoo.runs import Run
from zoo.store import Store
from zoo.values import Recipe, RunRecord, Scores, Spec

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

    from zoo.events import Observer

    Zoo = Callable[..., Result]

RECIPE = Recipe(
    backbone=Spec("lite"),
    head=Spec("gap"),
    policy=Spec("top"),
    augmentation=Spec("none"),
    data="d",
    split="s",
    classes=("[/]", "[red]"),
)


def row(policy: str, score: float | None, rank: int | None = None, **changes: Any) -> Row:
    """A row of a board."""
    whole = Row(
        kind="run",
        backbone="efficientnet-lite0",
        head="gap",
        policy=policy,
        augmentation="none",
        rank=rank,
        score=score,
        low=None if score is None else score - 0.05,
        high=None if score is None else score + 0.02,
        accuracy=score,
        balanced_accuracy=score,
        seeds=1 if score is not None else 0,
        trainable=42_000,
        total=3_412_000,
        seconds=185.0,
        milliseconds_per_image=3.14,
    )
    return dataclasses.replace(whole, **changes)


def board(*rows: Row, **changes: Any) -> Board:
    """A board of these rows."""
    whole = Board(
        rows=rows,
        stale=(),
        metric="accuracy",
        classes=("[/]", "[red]"),
        n_train=280,
        n_validation=60,
        n_test=60,
        data="d",
        split="s",
    )
    return dataclasses.replace(whole, **changes)


GOOD = board(
    row("bn-trainable", 0.953, 1),
    row("freeze-all", 0.951, 2, tied_with_best=True, recommended=True, test=Scores(60, 0.94, 0.93, 0.2, ())),
    Row(kind="baseline", backbone="majority", score=0.41, low=0.3, high=0.51, accuracy=0.41, balanced_accuracy=0.5),
    notes=("Both rows have one seed [/].",),
)

BAD = board(
    *GOOD.rows,
    row("unfreeze-top-k:k=2,bn=adapting", None, status="failed", reason="No [red] memory\x1b[2J.", failed=1),
)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The usual store, in the working folder, with one finished run and two rows looked at on the test part."""
    monkeypatch.chdir(tmp_path)
    with Store("zoo-runs") as opened:
        name = opened.begin(RECIPE, digest="a" * 64, environment={})
        scores = Scores(60, 0.951, 0.95, 0.2, (1.0, 0.9))
        opened.finish(dataclasses.replace(opened.get(name), status="finished", validation=scores))
        for title in ("r1", "r2", "r2"):  # one row with two seeds
            opened.record_test_look(row=title, run_id=name, when="2026-01-01T00:00:00+00:00", scores=scores)
    return Path("zoo-runs")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, store: Path) -> list[dict[str, Any]]:
    """The library's `compare` gives a good board; how it was called is written down."""
    calls: list[dict[str, Any]] = []

    def compare(data: object, *, observe: Observer, **settings: Any) -> Board:
        calls.append({"data": data, **settings})
        observe(Note("Statistics lag [/].", level="warning"))
        print("Keras prints this")  # noqa: T201 - what Keras does when it downloads
        observe(RunStarted(RECIPE, 1, 1))
        observe(RunEnded(RunRecord(id="x", recipe=RECIPE, digest="", status="finished"), 1, 1))
        with Store(store) as opened:
            ids = tuple(record.id for record in opened.runs())
        return dataclasses.replace(GOOD, rows=tuple(dataclasses.replace(one, run_ids=ids) for one in GOOD.rows))

    monkeypatch.setattr("zoo.comparison.compare", compare)
    return calls


def test_compare_hands_every_option_on(zoo: Zoo, asked: list[dict[str, Any]]) -> None:
    """What is named on the command line arrives under the library's names and as its types."""
    result = zoo(
        *("compare", "photos", "-b", "a", "-b", "b:size=64", "-H", "gap", "-p", "freeze-all", "--augment", "light"),
        *("--seeds", "3", "--epochs", "7", "--batch-size", "16", "--lr", "0.01", "--label-smoothing", "0.1"),
        *("--patience", "none", "--metric", "balanced_accuracy", "--split", "60/20/20", "--split-seed", "4"),
        *("--source", "folder", "--store", "zoo-runs"),
    )
    assert result.exit_code == 0, result.stderr
    call = asked[0]
    call.pop("catalog")
    assert call == {
        "data": "photos",
        "backbones": ("a", "b:size=64"),
        "heads": ("gap",),
        "policies": ("freeze-all",),
        "augmentations": ("light",),
        "seeds": 3,
        "epochs": 7,
        "batch_size": 16,
        "learning_rate": 0.01,
        "label_smoothing": 0.1,
        "patience": None,
        "metric": "balanced_accuracy",
        "split": (0.6, 0.2, 0.2),
        "split_seed": 4,
        "source": "folder",
        "store": Path("zoo-runs"),
    }


def test_compare_without_options_takes_the_librarys_defaults(zoo: Zoo, asked: list[dict[str, Any]]) -> None:
    """The command and the Python call compare the same if nothing is said."""
    from zoo.comparison import POLICIES

    assert zoo("compare", "demo", "-b", "a").exit_code == 0
    call = asked[0]
    assert (call["heads"], call["policies"], call["augmentations"]) == (("gap",), POLICIES, ("none",))
    assert (call["seeds"], call["epochs"], call["batch_size"], call["patience"]) == (1, 10, 32, 5)
    assert (call["split"], call["metric"], call["store"]) == ((0.7, 0.15, 0.15), "accuracy", Path("zoo-runs"))


@pytest.mark.parametrize("words", [("grid.toml",), ("--recipe", "grid.toml"), ("photos", "--recipe", "grid.toml")])
def test_a_grid_file_is_read_and_options_beside_it_win(
    zoo: Zoo, asked: list[dict[str, Any]], words: tuple[str, ...]
) -> None:
    """A file that ends in .toml stands for --recipe; what is named on the command line goes before it."""
    text = 'data = "here"\nbackbones = ["a", "b"]\nseeds = 4\nepochs = 3\npatience = false\n'
    Path("grid.toml").write_text(text, encoding="utf-8")
    assert zoo("compare", *words, "--epochs", "9").exit_code == 0
    call = asked[0]
    assert call["backbones"] == ("a", "b")
    assert (call["seeds"], call["epochs"], call["patience"]) == (4, 9, None)
    assert call["data"] == ("photos" if words[0] == "photos" else "here")


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (("compare",), "There are no pictures to work on.", "Name a folder"),
        (("compare", "photos"), "No backbone is named.", "Add -b NAME"),
        (("fit", "photos"), "No backbone is named.", "Add -b NAME"),
        (("compare", "photos", "-b", "a", "--split", "1/2"), "Split '1/2' has 2 parts instead of 3.", "Write training"),
        (("compare", "photos", "-b", "a", "--patience", "x"), "--patience cannot be 'x'.", "Give a number"),
        (("compare", "none.toml"), "There is no grid file 'none.toml'.", "Give the path"),
        (("compare", "a.toml", "--recipe", "b.toml"), "a.toml and b.toml are both grid files.", "Give one"),
        (("fit", "a.toml", "-b", "x"), "a.toml is a grid file, and fit trains one combination.", "zoo compare a.toml"),
        (("compare", "photos", "-b", "a", "--epochs", "many"), "Invalid value for '--epochs'", "zoo compare --help"),
        (("leaderboard", "--metric", "f1"), "Invalid value for '--metric'", "zoo leaderboard --help"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_requests_say_what_to_do(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], message: str, hint: str
) -> None:
    """A request that cannot be met ends with exit code 2 before anything heavy is loaded."""
    monkeypatch.chdir(tmp_path)
    result = zoo(*words)
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert lines[-2].startswith(f"error: {message}")
    assert lines[-1].startswith(f"hint: {hint}")


@pytest.mark.usefixtures("asked")
def test_compare_shows_the_plan_then_progress_then_the_board(zoo: Zoo) -> None:
    """Plan, notes and progress go to stderr; the board with its next command goes to stdout."""
    result = zoo("compare", "demo", "-b", "a", "-b", "b", "--seeds", "3", columns=None)
    lines = result.stderr.splitlines()
    assert lines[0] == (
        "grid: 8 rows × 3 seeds = 24 runs, at most 10 epochs each: 2 backbones × 1 head × 4 policies × 1 augmentation"
    )
    assert "warning: Statistics lag [/]." in lines
    assert "[1/1] lite · gap · top · none, seed 0" in lines
    assert "Keras prints this" in lines
    assert "Keras prints this" not in result.stdout
    assert (
        "test         0.940 of 60 pictures; the test part has been looked at for 2 rows of this store" in result.stdout
    )
    assert (
        "next         zoo show lite-top-s0-aaaaaa\n             zoo predict lite-top-s0-aaaaaa PATHS…\n"
        in result.stdout
    )


@pytest.mark.usefixtures("asked")
def test_compare_json_is_a_board_that_can_be_read_again(zoo: Zoo) -> None:
    """Stdout holds one document; its board is the board."""
    document = json.loads(zoo("compare", "demo", "-b", "a", "--json").stdout)
    assert document["format"] == 1
    assert document["test_looks"] == 2
    assert document["recommended_run"] == "lite-top-s0-aaaaaa"
    assert Board.from_json(document["board"]).rows[1].score == 0.951


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, store: Path, zoo: Zoo) -> Callable[..., Result]:
    """Runs `zoo leaderboard` on a given board."""

    def leaderboard(given: Board, *words: str, columns: int | None = 80) -> Result:
        monkeypatch.setattr("zoo.comparison.leaderboard", lambda *_, **__: given)
        return zoo("leaderboard", *words, columns=columns)

    assert store.is_dir()
    return leaderboard


@pytest.mark.parametrize("columns", [50, 80, 100, 120, 160])
@pytest.mark.parametrize("given", [GOOD, BAD], ids=["good", "bad"])
def test_a_board_fits_the_screen_and_keeps_every_name(shown: Callable[..., Result], given: Board, columns: int) -> None:
    """Whatever the width, no line is longer, no name is cut off and every score is there."""
    text = shown(given, columns=columns).stdout
    assert max(cell_len(line) for line in text.splitlines()) <= columns
    table = "".join(text.split("* recommended")[0].split())
    for part in ("bn-trainable", "freeze-all", "majority", "0.953", "[0.90,0.97]", "0.951", "2*=", "0.410"):
        assert part in table
    if given is BAD:
        assert "unfreeze-top-k:k=2," in table
        assert "bn=adapting" in table
        assert "failed" in table


def test_a_wide_board_has_all_columns_in_one_line(shown: Callable[..., Result]) -> None:
    """At full width a row is one line with all its figures; a baseline has dashes."""
    lines = [line.split() for line in shown(GOOD, columns=None).stdout.splitlines()]
    names, scores, cost = (
        "efficientnet-lite0 gap bn-trainable none",
        "0.953 [0.90, 0.97] 0.953",
        "42.0k 3.4M 3 min 05 s 3.1",
    )
    assert f"1 {names} {scores} {cost} finished 1".split() in lines
    assert ["—", "majority", "—", "—", "—", "0.410", "[0.30,", "0.51]", "0.500", "—", "—", "—", "—", "—", "—"] in lines


def test_what_the_table_leaves_out_is_said_below(shown: Callable[..., Result]) -> None:
    """Columns in which all rows agree become a sentence; marks and intervals are explained."""
    text = " ".join(shown(GOOD).stdout.split())
    assert "All rows: head gap, augmentation none, 1 seed." in text
    assert "= cannot be told from the best" in text
    assert "ranked by mean validation accuracy, [95 % interval]" in text
    assert "note: Both rows have one seed [/]." in text


def test_a_failed_row_gives_its_reason_to_the_letter(shown: Callable[..., Result]) -> None:
    """The reason stands below the table, with markup and control characters shown."""
    text = " ".join(shown(BAD).stdout.split())
    assert "failed: efficientnet-lite0 · unfreeze-top-k:k=2,bn=adapting: No [red] memory\\x1b[2J." in text


def test_the_test_part_is_not_claimed_where_nobody_looked(shown: Callable[..., Result]) -> None:
    """Without a test score the board says so, and says if there is no test part at all."""
    alone = row("freeze-all", 0.9, 1, recommended=True)
    assert "test         not looked at" in shown(board(alone)).stdout
    assert "test         there is no test part" in shown(board(alone, n_test=0)).stdout


def test_a_board_without_a_finished_row_recommends_nothing(shown: Callable[..., Result]) -> None:
    """If every row failed, there is a board, and no next command."""
    result = shown(board(row("freeze-all", None, status="diverged", reason="The loss is nan.", failed=1)))
    assert result.exit_code == 0
    assert "diverged: efficientnet-lite0 · freeze-all: The loss is nan." in result.stdout
    assert "recommended" not in result.stdout


def test_balanced_accuracy_takes_the_place_of_accuracy(shown: Callable[..., Result]) -> None:
    """The metric that ranks has the interval and comes first."""
    given = dataclasses.replace(GOOD, metric="balanced_accuracy")
    header = next(line for line in shown(given, columns=None).stdout.splitlines() if "backbone" in line).split()
    assert header.index("balanced") < header.index("accuracy")


def test_compare_exits_with_5_if_a_row_failed(zoo: Zoo, monkeypatch: pytest.MonkeyPatch, store: Path) -> None:
    """The board is shown all the same; a script sees that something is missing."""
    assert store.is_dir()
    monkeypatch.setattr("zoo.comparison.compare", lambda *_, **__: BAD)
    result = zoo("compare", "demo", "-b", "a")
    assert result.exit_code == 5
    assert "bn-trainable" in result.stdout
    result = zoo("compare", "demo", "-b", "a", "--json")
    assert result.exit_code == 5
    json.loads(result.stdout)


def test_fit_hands_single_values_on_and_shows_the_run(zoo: Zoo, monkeypatch: pytest.MonkeyPatch, store: Path) -> None:
    """Scores, cost and the folder of the model are shown; the next command names the run."""
    calls: list[dict[str, Any]] = []

    def fit(data: object, *, observe: Observer, catalog: object, **settings: Any) -> Run:
        calls.append({"data": data, **settings})
        with Store(store) as opened:
            record = opened.runs()[0]
            return Run(record, opened.folder(record.id))

    monkeypatch.setattr("zoo.comparison.fit", fit)
    result = zoo("fit", "photos", "-b", "a", "-p", "top:k=2", "--seed", "3", "--epochs", "2")
    assert result.exit_code == 0, result.stderr
    call = calls[0]
    assert (call["data"], call["backbone"], call["head"], call["policy"]) == ("photos", "a", "gap", "top:k=2")
    assert (call["augment"], call["seed"], call["epochs"], call["store"]) == ("none", 3, 2, Path("zoo-runs"))
    assert "0.951 of 60 pictures" in result.stdout
    assert "zoo predict lite-top-s0-aaaaaa PATHS…" in result.stdout
    document = json.loads(zoo("fit", "photos", "-b", "a", "--json").stdout)
    assert (document["format"], document["id"]) == (1, "lite-top-s0-aaaaaa")


def test_leaderboard_without_a_store_names_the_command_that_makes_one(zoo: Zoo, tmp_path: Path) -> None:
    """The store's exit code, and nothing is created by looking."""
    result = zoo("leaderboard", "--store", str(tmp_path / "none"))
    assert result.exit_code == 6
    assert "`zoo compare` makes one" in result.stderr
    assert not (tmp_path / "none").exists()
