"""`zoo compare` and `zoo fit`: what they ask of the library, and what they show where."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from zoo.events import Note, RunEnded, RunStarted
from zoo.rows import Board
from zoo.runs import Run
from zoo.store import Store
from zoo.values import Recipe, RunRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

    from zoo.events import Observer

    Zoo = Callable[..., Result]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, store: Path, good: Board, recipe: Recipe) -> list[dict[str, Any]]:
    """The library's `compare` gives a good board; how it was called is written down."""
    calls: list[dict[str, Any]] = []

    def compare(data: object, *, observe: Observer, **settings: Any) -> Board:
        calls.append({"data": data, **settings})
        observe(Note("Statistics lag [/].", level="warning"))
        print("Keras prints this")  # noqa: T201 - what Keras does when it downloads
        observe(RunStarted(recipe, 1, 1))
        observe(RunEnded(RunRecord(id="x", recipe=recipe, digest="", status="finished"), 1, 1))
        with Store(store) as opened:
            ids = tuple(record.id for record in opened.runs())
        return dataclasses.replace(good, rows=tuple(dataclasses.replace(one, run_ids=ids) for one in good.rows))

    monkeypatch.setattr("zoo.comparison.compare", compare)
    return calls


def test_compare_hands_every_option_on(zoo: Zoo, asked: list[dict[str, Any]]) -> None:
    """What is named on the command line arrives under the library's names and as its types."""
    result = zoo(
        *("compare", "photos", "-b", "a", "-b", "b:size=64", "-H", "gap", "-p", "freeze-all", "--augment", "light"),
        *("--seeds", "3", "--epochs", "7", "--batch-size", "16", "--lr", "0.01", "--schedule", "cosine"),
        *("--optimiser", "sgd", "--weight-decay", "0.05", "--accumulate", "2", "--ema", "0.9"),
        *("--precision", "bfloat16", "--views", "3", "--label-smoothing", "0.1"),
        *("--patience", "none", "--metric", "balanced_accuracy", "--split", "60/20/20", "--split-seed", "4"),
        *("--source", "folder", "--store", "zoo-runs", "--jobs", "2", "--row-timeout", "90", "--memory-limit", "4.5"),
        *("--source", "folder", "--store", "zoo-runs", "--no-cache", "--cache-limit", "20G"),
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
        "schedule": "cosine",
        "optimiser": "sgd",
        "weight_decay": 0.05,
        "accumulate": 2,
        "ema": 0.9,
        "precision": "bfloat16",
        "views": 3,
        "label_smoothing": 0.1,
        "patience": None,
        "metric": "balanced_accuracy",
        "split": (0.6, 0.2, 0.2),
        "split_seed": 4,
        "source": "folder",
        "store": Path("zoo-runs"),
        "jobs": 2,
        "row_timeout": 90.0,
        "memory_limit": 4.5,
        "cache": False,
        "cache_limit": "20G",
    }


def test_a_learning_rate_is_a_number_or_auto(zoo: Zoo, asked: list[dict[str, Any]]) -> None:
    """The word reaches the library; anything else is refused with a way out."""
    assert zoo("compare", "demo", "-b", "a", "--lr", "auto").exit_code == 0
    assert asked[0]["learning_rate"] == "auto"
    refused = zoo("compare", "demo", "-b", "a", "--lr", "fast")
    assert refused.exit_code == 2
    assert "--lr cannot be 'fast'" in refused.stderr


def test_compare_without_options_takes_the_librarys_defaults(zoo: Zoo, asked: list[dict[str, Any]]) -> None:
    """The command and the Python call compare the same if nothing is said."""
    from zoo.comparison import POLICIES

    assert zoo("compare", "demo", "-b", "a").exit_code == 0
    call = asked[0]
    assert (call["heads"], call["policies"], call["augmentations"]) == (("gap",), POLICIES, ("none",))
    assert (call["seeds"], call["epochs"], call["batch_size"], call["patience"]) == (1, 10, 32, 5)
    assert (call["split"], call["metric"], call["store"]) == ((0.7, 0.15, 0.15), "accuracy", Path("zoo-runs"))
    assert (call["jobs"], call["row_timeout"], call["memory_limit"]) == (1, None, None)


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
        "plan: 8 rows × 3 seeds = 24 runs, at most 10 epochs each: 2 backbones × 1 head × 4 policies × 1 augmentation"
    )
    assert "warning: Statistics lag [/]." in lines
    assert "[1/1] lite · gap · top · none, seed 0" in lines
    assert "Keras prints this" in lines
    assert "Keras prints this" not in result.stdout
    assert (
        "test         0.940 of 60 pictures; the test part has been looked at for 2 rows of this store" in result.stdout
    )
    assert "next   zoo show lite-top-s0-aaaaaa\n       zoo predict lite-top-s0-aaaaaa PATHS…\n" in result.stdout


@pytest.mark.usefixtures("asked")
def test_compare_json_is_a_board_that_can_be_read_again(zoo: Zoo) -> None:
    """Stdout holds one document; its board is the board."""
    document = json.loads(zoo("compare", "demo", "-b", "a", "--json").stdout)
    assert document["format"] == 1
    assert document["test_looks"] == 2
    assert document["recommended_run"] == "lite-top-s0-aaaaaa"
    assert Board.from_json(document["board"]).rows[1].score == 0.951


def test_compare_exits_with_5_if_a_row_failed(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch, store: Path, bad: Board
) -> None:
    """The board is shown all the same; a script sees that something is missing."""
    assert store.is_dir()
    monkeypatch.setattr("zoo.comparison.compare", lambda *_, **__: bad)
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


def test_rates_and_batch_sizes_can_be_repeated(zoo: Zoo, asked: list[dict[str, Any]]) -> None:
    """Several become a list, one stays one; twice the same is an error before anything is read."""
    words = ("compare", "demo", "-b", "scratch-cnn", "--lr", "0.1", "--lr", "auto", "--batch-size", "16")
    assert zoo(*words).exit_code == 0
    assert asked[0]["learning_rate"] == (0.1, "auto")
    assert asked[0]["batch_size"] == 16
    assert zoo(*words, "--batch-size", "8").exit_code == 0
    assert asked[1]["batch_size"] == (16, 8)
    refused = zoo(*words, "--lr", "0.1")
    assert refused.exit_code == 2
    assert "learning_rate is given the same value twice" in refused.stderr
