"""`zoo show` of runs and `zoo predict`, on a store with records that no training made."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len

from zoo.explanations import Cause, Explanation, NearPair
from zoo.rate_curve import RangeTest, write_curve
from zoo.runs import Prediction
from zoo.store import Store
from zoo.values import EpochRecord, Receipt, ReceiptRow, Recipe, Scores, Spec

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

    Zoo = Callable[..., Result]

CLASSES = ("[/]", "[red]", "u\u0308😀")

RECIPE = Recipe(
    backbone=Spec("odd", (("weights", "imagenet"), ("size", 64)), "odd"),
    head=Spec("gap"),
    policy=Spec("top", (("k", 2),), "top:k=2"),
    augmentation=Spec("none"),
    data="d" * 64,
    split="5" * 64,
    classes=CLASSES,
    epochs=4,
)

RECEIPT = Receipt(
    rows=(
        ReceiptRow("stem", 1200, "nothing", False, 0, 0, 0.0, False, False, "PASS"),
        ReceiptRow("unit[/]", 3_400_000, "all", True, 3_400_000, 3_399_000, 0.0213, True, True, "PASS"),
        ReceiptRow("head", 15, "all", False, 15, 0, 0.0, None, None, "WARN", "open (2 tensors) but unmoved"),
    ),
    unbuilt=("ghost_bn",),
)

EXPLANATION = Explanation(
    matter="too good",
    score="validation accuracy 0.933 of 60 pictures",
    causes=(
        Cause(
            name="near-copies",
            measurement="20 of 60 validation pictures have a near-copy [/]",
            remedy="Remove one of each pair.",
            weight=0.95,
            figures={"copies": 20.0},
        ),
        Cause(name="trivial cue", measurement="border alone tells 0.9", remedy="Test elsewhere.", weight=0.8),
    ),
    pairs=(
        NearPair(validation="[red]/b\x1b.png", training="a/1.png", likeness=0.9712, by="features"),
        NearPair(validation="b/2.png", training="a/2.png", likeness=0.91, by="thumbnails"),
    ),
)


def epoch(number: int) -> EpochRecord:
    """An epoch that is better than the one before."""
    return EpochRecord("top 2 blocks", number, 1 / number, 0.9, 0.8, 0.5 + number / 10, 0.6, 1e-3, 2.5)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store in the working folder with a finished run and two that failed."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "zoo-runs"
    with Store(folder) as opened:
        done = opened.begin(RECIPE, digest="a" * 64, environment={"backend": "jax"})
        record = dataclasses.replace(
            opened.get(done),
            status="finished",
            notes=("Statistics lag [/].",),
            explanation=EXPLANATION,
            validation=Scores(60, 0.9333, 0.9012, 0.2117, (1.0, 0.8, None)),
            train_accuracy=0.99,
            inference_accuracy=0.97,
            receipt=RECEIPT,
            history=(epoch(1), epoch(2), epoch(3)),
            best_epoch=2,
            trainable_weights=3_400_015,
            total_weights=3_401_215,
            seconds=185.0,
            milliseconds_per_image=3.14,
        )
        opened.finish(record)
        (opened.folder(done) / "card.json").write_text(
            json.dumps({"weights": {"id": "imagenet", "licence": "Apache-2.0", "sha256": None}}), encoding="utf-8"
        )
        for seed in (1, 2):
            failed = opened.begin(dataclasses.replace(RECIPE, seed=seed), digest=f"{seed}" * 64, environment={})
            opened.finish(dataclasses.replace(opened.get(failed), status="failed", reason="Out of memory: 3 GB [/]."))
    return folder


@pytest.fixture
def run_ids(store: Path) -> tuple[str, ...]:
    """Ids of the runs, the finished one first."""
    with Store(store) as opened:
        return tuple(record.id for record in opened.runs())


@pytest.mark.usefixtures("catalogued")
@pytest.mark.parametrize("columns", [80, 120])
def test_show_of_a_run_tells_all_of_it(zoo: Zoo, run_ids: tuple[str, ...], columns: int) -> None:
    """Scores, recalls by class, licence, history with the kept epoch, the receipt block by block, and notes."""
    result = zoo("show", run_ids[0], columns=columns)
    assert result.exit_code == 0
    assert max(cell_len(line) for line in result.stdout.splitlines()) <= columns
    text = " ".join(result.stdout.split())
    for part in (
        f"{run_ids[0]} finished",
        "odd · gap · top:k=2 · none",
        "0.933 of 60 pictures (epoch 2 of 3 kept)",
        "balanced accuracy 0.901",
        "3.4M trained of 3.4M",
        "time 3 min 05 s",
        "3.1 ms for a picture",
        "[/] 1.000 [red] 0.800 u\u0308😀 —",
        "licence Apache-2.0",
        "*2 top 2 blocks 0.500 0.900 0.800 0.700 0.600 1.0e-03 2.5 s",
        "unit[/] all 3.4M 3.4M 3.4M 0.021 moved moved PASS",
        "stem nothing 1.2k 0 0 0 still still PASS",
        "receipt WARN (2 PASS, 1 WARN)",
        "WARN: head: open (2 tensors) but unmoved",
        "ghost_bn",
        "note: Statistics lag [/].",
    ):
        assert part in text


@pytest.mark.usefixtures("catalogued")
def test_show_of_a_run_tells_its_training_options_and_its_range_test(zoo: Zoo, store: Path) -> None:
    """Options that are not at their defaults, the rate that was chosen, and where the curve lies."""
    changed = dataclasses.replace(RECIPE, learning_rate="auto", optimiser="sgd", accumulate=4, ema=0.99)
    with Store(store) as opened:
        made = opened.begin(changed, digest="c" * 64, environment={"backend": "jax"})
        opened.finish(dataclasses.replace(opened.get(made), status="failed", reason="stopped"))
        write_curve(RangeTest("head", (1e-6, 1e-3, 0.5), (2.0, 1.0, 9.0), (2.0, 1.25, 6.0), 1e-3), opened.folder(made))
    text = " ".join(zoo("show", made, columns=120).stdout.split())
    assert "epochs 4, batch size 32, learning rate auto, optimiser sgd, accumulate 4, ema 0.99, label smoothing" in text
    assert "weight decay" not in text
    for part in (
        "chosen 0.001, the middle of the longest fall of the loss",
        "tried 3 steps in phase 'head', up to a rate of 0.5",
        "smoothed loss 2.000 at first, 1.250 at the least",
        "learning-rate.json",
    ):
        assert part in text
    document = json.loads(zoo("show", made, "--json").stdout)
    assert (document["range_test"]["chosen"], document["recipe"]["learning_rate"]) == (1e-3, "auto")


@pytest.mark.usefixtures("catalogued")
def test_show_of_a_failed_run_gives_its_reason(zoo: Zoo, run_ids: tuple[str, ...]) -> None:
    """A run without scores has a status, a reason and a folder, and nothing is made up."""
    result = zoo("show", run_ids[1])
    assert result.exit_code == 0
    assert f"{run_ids[1]}  failed" in result.stdout
    assert "reason: Out of memory: 3 GB [/]." in result.stdout
    for absent in ("scores", "history", "receipt"):
        assert absent not in result.stdout


@pytest.mark.usefixtures("catalogued")
def test_show_takes_a_beginning_and_a_folder(zoo: Zoo, store: Path, run_ids: tuple[str, ...]) -> None:
    """A run is meant by enough of its id, or by where it lies."""
    whole = zoo("show", run_ids[0]).stdout
    assert zoo("show", run_ids[0][:-2]).stdout == whole
    lies = zoo("show", str(store / "runs" / run_ids[0]), "--store", "elsewhere").stdout
    assert lies.split("folder")[0] == whole.split("folder")[0]


@pytest.mark.usefixtures("catalogued", "store")
def test_show_says_when_a_beginning_means_several_runs(zoo: Zoo) -> None:
    """The store's own message comes through, with its exit code."""
    result = zoo("show", "odd-top")
    assert result.exit_code == 6
    assert "3 runs begin with 'odd-top'" in result.stderr


@pytest.mark.usefixtures("catalogued", "store")
def test_the_name_of_an_item_goes_before_the_beginning_of_a_run(zoo: Zoo) -> None:
    """Ids begin with the backbone's name; that must not hide the backbone."""
    result = zoo("show", "odd", "--no-counts")
    assert result.exit_code == 0
    assert "odd  backbone" in result.stdout


@pytest.mark.usefixtures("catalogued")
def test_near_matches_include_runs(zoo: Zoo, run_ids: tuple[str, ...]) -> None:
    """A misspelt run id is recognised."""
    wrong = run_ids[0].replace("top", "tpo")
    result = zoo("show", wrong)
    assert result.exit_code == 2
    assert run_ids[0] in result.stderr
    assert zoo("show", wrong, "--kind", "run").exit_code == 6


@pytest.mark.usefixtures("catalogued")
def test_show_json_of_a_run_is_its_record(zoo: Zoo, run_ids: tuple[str, ...]) -> None:
    """Recipe, scores, history and receipt are there as data, class names to the letter."""
    document = json.loads(zoo("show", run_ids[0], "--json").stdout)
    assert document["format"] == 1
    assert document["recipe"]["classes"] == list(CLASSES)
    assert document["validation"]["recalls"] == [1.0, 0.8, None]
    assert document["receipt"]["verdict"] == "WARN"
    assert document["receipt"]["rows"][1]["moved"] == 3_399_000
    assert [one["epoch"] for one in document["history"]] == [1, 2, 3]
    assert document["weights"]["licence"] == "Apache-2.0"
    assert document["folder"].endswith(run_ids[0])


class Handle:
    """A run that predicts without a model: every picture is of the second class, one cannot be read."""

    id = "odd-top-s0-aaaaaa"
    classes = CLASSES

    def predict(self, items: list[Path]) -> tuple[Prediction, ...]:
        """One prediction for each path."""
        print("Downloading from somewhere")  # noqa: T201 - what Keras does while it works
        chances = dict(zip(CLASSES, (0.1, 0.7, 0.2), strict=True))
        return tuple(
            Prediction(str(path), None, 0.0, {}, "not a picture [/]\x1b")
            if path.suffix == ".txt"
            else Prediction(str(path), CLASSES[1], 0.7, chances)
            for path in items
        )


@pytest.fixture
def handle(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path]]:
    """`zoo predict` gets that run; what it asked for is written down."""
    asked: list[tuple[str, Path]] = []

    def load(run: str, *, store: Path) -> Handle:
        asked.append((run, store))
        return Handle()

    monkeypatch.setattr("zoo.runs.load", load)
    return asked


def test_predict_shows_class_and_probability(zoo: Zoo, handle: list[tuple[str, Path]]) -> None:
    """Names stand to the letter; what is printed while the model works goes to stderr."""
    result = zoo("predict", "odd", "[b]x.jpg", "--store", "other")
    assert result.exit_code == 0
    assert handle == [("odd", Path("other"))]
    assert result.stdout.splitlines()[-1].split() == ["[b]x.jpg", "[red]", "0.700"]
    assert result.stderr == "Downloading from somewhere\n"


@pytest.mark.usefixtures("handle")
def test_predict_lists_what_cannot_be_read_and_exits_with_4(zoo: Zoo) -> None:
    """The others are predicted all the same; the reason stands beside the name."""
    result = zoo("predict", "odd", "a.jpg", "b.txt")
    assert result.exit_code == 4
    assert "a.jpg" in result.stdout
    assert "error: b.txt: not a picture [/]\\x1b" in result.stdout
    assert "1 of 2 pictures could not be read." in result.stdout


@pytest.mark.usefixtures("handle")
def test_predict_takes_names_that_start_with_a_dash(zoo: Zoo) -> None:
    """After two dashes everything is a path."""
    result = zoo("predict", "odd", "--", "-x.jpg", "--json")
    assert result.exit_code == 0
    assert "-x.jpg" in result.stdout
    assert "--json" in result.stdout


@pytest.mark.usefixtures("handle")
def test_predict_json_holds_every_probability(zoo: Zoo) -> None:
    """Stdout is one document, although the model printed."""
    result = zoo("predict", "odd", "a.jpg", "b.txt", "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 4
    assert document["format"] == 1
    assert document["classes"] == list(CLASSES)
    assert document["predictions"] == [
        {
            "path": "a.jpg",
            "label": "[red]",
            "probability": 0.7,
            "probabilities": dict(zip(CLASSES, (0.1, 0.7, 0.2), strict=True)),
            "error": None,
        },
        {"path": "b.txt", "label": None, "probability": None, "probabilities": {}, "error": "not a picture [/]\x1b"},
    ]


@pytest.mark.usefixtures("handle")
def test_predict_csv_can_be_read_again(zoo: Zoo) -> None:
    """Commas and quotes in names survive; unread pictures have an error and empty numbers."""
    result = zoo("predict", "odd", 'a,"b".jpg', "b.txt", "--csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert rows[0]["path"] == 'a,"b".jpg'
    assert (rows[0]["label"], rows[0]["probability"], rows[0]["p([/])"]) == ("[red]", "0.700000", "0.100000")
    assert (rows[1]["label"], rows[1]["probability"], rows[1]["error"]) == ("", "", "not a picture [/]\x1b")


@pytest.mark.usefixtures("handle")
def test_predict_writes_one_format(zoo: Zoo) -> None:
    """JSON and CSV cannot share stdout."""
    result = zoo("predict", "odd", "a.jpg", "--json", "--csv")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: --json and --csv cannot both be written")


def test_predict_of_an_unknown_run_has_the_stores_exit_code(zoo: Zoo, store: Path) -> None:
    """Nothing heavy is loaded for a run that is not there."""
    result = zoo("predict", "nobody", "a.jpg", "--store", str(store))
    assert result.exit_code == 6
    assert "There is no run named 'nobody'." in result.stderr


def test_an_explanation_is_shown_with_its_pairs(zoo: Zoo, run_ids: list[str]) -> None:
    """Each cause with measurement and remedy, the first as the likeliest, and names of pictures to the letter."""
    text = " ".join(zoo("show", run_ids[0]).stdout.split())
    assert "why the score is so good validation accuracy 0.933 of 60 pictures." in text
    assert "most likely: near-copies measured: 20 of 60 validation pictures have a near-copy [/]." in text
    assert "try: Remove one of each pair." in text
    assert "not excluded: trivial cue" in text
    assert "[red]/b\\x1b.png a/1.png 0.971 features" in text


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_an_explanation_fits_the_screen(zoo: Zoo, run_ids: list[str], columns: int) -> None:
    """No line is wider than the terminal."""
    lines = zoo("show", run_ids[0], columns=columns).stdout.splitlines()
    assert max(map(cell_len, lines)) <= columns


def test_an_explanation_is_in_the_document(zoo: Zoo, run_ids: list[str]) -> None:
    """Causes with their figures and all pairs, as JSON values."""
    document = json.loads(zoo("show", run_ids[0], "--json").stdout)["explanation"]
    assert document["matter"] == "too good"
    assert document["causes"][0]["figures"] == {"copies": 20.0}
    assert [pair["by"] for pair in document["pairs"]] == ["features", "thumbnails"]
