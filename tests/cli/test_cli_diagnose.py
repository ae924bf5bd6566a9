"""`zoo diagnose`: what is shown, in which widths, what is written, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from rich.cells import cell_len

from zoo.advice import Advice
from zoo.diagnosis import Diagnosis, Effect, LayerDiagnosis, Overall, Scores, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    from zoo.registry import Catalog

    Zoo = Callable[..., Result]


def layer(number: int, divergence: float) -> LayerDiagnosis:
    """A layer with a long, awkward name."""
    return LayerDiagnosis(
        name=f"block{number}_with_a_name_as_long_as_names_get_[/]_bn",
        channels=96,
        mean_shift=0.42,
        log_ratio=-1.5,
        divergence=divergence,
        sure=0.9,
        activation="relu6",
        dead=0.25,
        saturated=None if number % 2 else 0.125,
        momentum=0.99,
        steps=1172,
    )


@pytest.fixture
def diagnosis() -> Diagnosis:
    """Forty layers, two verdicts, awkward names."""
    bad = Verdict("shifted", "statistics are shifted", "Divergence 12 nats [/] in the median.", "Try bn-stats.")
    good = Verdict("fit", "all the rest fits", "Nothing else was found.", good=True)
    old = Scores(0.5, 0.5, -0.7)
    return Diagnosis(
        backbone="[red]odd:size=64",
        location="photos",
        classes=("a", "b"),
        train=576,
        validation=165,
        training=768,
        epochs=10,
        batch_size=32,
        steps=240,
        verdicts=(bad, good),
        layers=tuple(layer(number, 10.0 ** (number / 10 - 3)) for number in range(1, 41)),
        shift=Overall(0.4, 1.5, 12.0, 11.0, 13.0),
        effect=Effect(96, old, dataclasses.replace(old, probe=0.84), 0.0001),
        passes=1000,
        seconds=20.0,
    )


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, diagnosis: Diagnosis, catalogued: Catalog) -> list[dict[str, Any]]:
    """The arguments that the library is called with; it answers with the diagnosis."""
    calls: list[dict[str, Any]] = []

    def diagnose(data: object, **options: Any) -> Diagnosis:
        calls.append({"data": data, **options})
        return diagnosis

    monkeypatch.setattr("zoo.diagnosing.diagnose", diagnose)
    return calls


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_everything_is_shown_in_any_width(zoo: Zoo, asked: list[dict[str, Any]], columns: int) -> None:
    """Verdicts with reason and remedy, layers by depth with bars, what it rests on, and the next command."""
    result = zoo("diagnose", "my photos", "-b", "odd", columns=columns)
    assert result.exit_code == 0, result.stderr
    wrapped = [line for line in result.stdout.splitlines() if not line.startswith("next: ")]
    assert max(map(cell_len, wrapped)) <= columns
    assert [line for line in result.stdout.splitlines() if line.startswith("next: zoo compare ")], "never wrapped"
    text = " ".join(result.stdout.split())
    for part in ("[red]odd:size=64", "! statistics are shifted", "12 nats [/]", "Try bn-stats.", "✓ all the rest fits"):
        assert part in text
    for part in ("1-3", "40", "0.42", "-1.50", "█", "576 of 768 training pictures", "165 validation pictures"):
        assert part in text
    assert "1.35 passes of each picture" in text
    assert "zoo compare 'my photos' -b" in text


def test_steps_dead_and_saturated_shares_are_shown_where_there_is_room(zoo: Zoo, asked: list[dict[str, Any]]) -> None:
    """On a screen of 80 columns too."""
    text = zoo("diagnose", "photos", "-b", "odd", columns=80).stdout
    for part in ("1172", "25%", "12%"):
        assert part in text


def test_options_reach_the_library(zoo: Zoo, asked: list[dict[str, Any]]) -> None:
    """As they are meant, once for each backbone; what was not given is left to the library."""
    words = (
        "--pictures",
        "50",
        "--epochs",
        "3",
        "--batch-size",
        "8",
        "--seed",
        "4",
        "--split",
        "60/40/0",
        "--no-cache",
    )
    zoo("diagnose", "photos", "-b", "odd", "-b", "odd:size=96", *words)
    first, second = asked
    assert (first["backbone"], second["backbone"]) == ("odd", "odd:size=96")
    assert (first["pictures"], first["epochs"], first["batch_size"], first["seed"]) == (50, 3, 8, 4)
    assert first["split"] == (0.6, 0.4, 0.0)
    assert first["cache"] is False
    zoo("diagnose", "photos", "-b", "odd")
    assert not {"pictures", "epochs", "split", "precision"} & set(asked[2])


def test_json_is_one_document(zoo: Zoo, asked: list[dict[str, Any]]) -> None:
    """With everything that was measured of each backbone, and nothing beside it."""
    document = json.loads(zoo("diagnose", "photos", "-b", "odd", "-b", "odd", "--json").stdout)
    assert document["format"] == 1
    assert len(document["diagnoses"]) == 2
    first = document["diagnoses"][0]
    assert first["verdicts"][0]["name"] == "shifted"
    assert first["effect"]["re_estimated"]["probe"] == 0.84
    assert first["layers"][0]["saturated"] is None
    assert first["sides"] is None


def test_a_page_is_written(zoo: Zoo, asked: list[dict[str, Any]], tmp_path: Path) -> None:
    """With all backbones, and the screen says where it is."""
    path = tmp_path / "page.html"
    result = zoo("diagnose", "photos", "-b", "odd", "-b", "odd", "--html", str(path))
    text = path.read_text(encoding="utf-8")
    assert text.count("<h2>") == 2
    assert "[red]odd" in text
    assert "page.html" in result.stdout.replace("\n", "").replace(" ", "")


def test_advice_comes_with_how_often_it_was_right(
    zoo: Zoo, asked: list[dict[str, Any]], diagnosis: Diagnosis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And with what lies outside of what was measured."""
    advice = Advice(
        policy="bn-affine", reason="the gain is 0.02", reliability="81% of 28 cells.", outside=("classes is 90",)
    )
    monkeypatch.setattr("zoo.diagnosing.diagnose", lambda *_, **__: dataclasses.replace(diagnosis, advice=advice))
    text = " ".join(zoo("diagnose", "photos", "-b", "odd", columns=120).stdout.split())
    assert "advice: bn-affine: the gain is 0.02" in text
    assert "81% of 28 cells." in text
    assert "classes is 90" in text
    assert "Try first: bn-affine." in dataclasses.replace(diagnosis, advice=advice).to_html()


@pytest.mark.parametrize(
    ("change", "policies"),
    [
        ({}, ["freeze-all", "fine-tune", "bn-stats", "bn-affine", "bn-trainable"]),
        ({"p_value": 0.02}, ["freeze-all", "fine-tune", "unfreeze-top-k:k=2"]),
        ({"re_estimated": Scores(0.2, 0.5, -0.7)}, ["freeze-all", "fine-tune", "unfreeze-top-k:k=2"]),
        (None, ["freeze-all", "fine-tune", "unfreeze-top-k:k=2"]),
    ],
)
def test_new_statistics_are_compared_only_where_features_gain(
    zoo: Zoo,
    asked: list[dict[str, Any]],
    diagnosis: Diagnosis,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any] | None,
    policies: list[str],
) -> None:
    """The same shift: features that gain, by chance, that lose, and that were not scored."""
    effect = None if change is None else dataclasses.replace(diagnosis.effect, **change)
    advice = Advice(policy="fine-tune", reason="a reason", reliability="81% of 28 cells.")
    found = dataclasses.replace(diagnosis, effect=effect, advice=advice)
    monkeypatch.setattr("zoo.diagnosing.diagnose", lambda *_, **__: found)
    text = " ".join(zoo("diagnose", "photos", "-b", "odd", columns=200).stdout.split())
    assert " ".join(f"-p {policy}" for policy in policies) == text[text.index("-p freeze-all") :]


@pytest.mark.parametrize(("name", "told"), [("doubtful-inputs", True), ("wrong-inputs", False), ("untrained", False)])
def test_only_what_is_sure_holds_the_next_command_back(
    zoo: Zoo,
    asked: list[dict[str, Any]],
    diagnosis: Diagnosis,
    monkeypatch: pytest.MonkeyPatch,
    name: Any,
    *,
    told: bool,
) -> None:
    """Inputs that may be wrong are shown, and a command that compares policies with them."""
    first = Verdict(name, "inputs and so on", "Red and blue may be swapped.", "Look at the files.")
    found = dataclasses.replace(diagnosis, verdicts=(first, *diagnosis.verdicts))
    monkeypatch.setattr("zoo.diagnosing.diagnose", lambda *_, **__: found)
    text = " ".join(zoo("diagnose", "photos", "-b", "odd", columns=200).stdout.split())
    assert "! inputs and so on" in text
    assert ("zoo compare" in text) == told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "no pictures to work on"),
        (("photos",), "No backbone is named"),
        (("photos", "-b", "odd", "--html", "."), "is a folder"),
        (("photos", "-b", "odd", "--html", "nowhere/page.html"), "no folder 'nowhere'"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_looked_at(
    zoo: Zoo, asked: list[dict[str, Any]], words: tuple[str, ...], message: str
) -> None:
    """With exit code 2 and a hint."""
    result = zoo("diagnose", *words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "hint:" in result.stderr
    assert not asked


def test_help_needs_neither_keras_nor_numpy_here() -> None:
    """It is read in a fresh process, whose modules are looked at."""
    import subprocess

    program = (
        "import sys\nsys.argv = ['zoo', 'diagnose', '--help']\nfrom zoo.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('keras', 'tensorflow', 'numpy', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=True)
    assert "--pictures" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
