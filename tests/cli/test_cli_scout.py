"""`zoo scout`: what is shown, in which widths, and what it exits with."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from rich.cells import cell_len

from zoo.candidates import Candidate, Measure, Ranking

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

    from zoo.registry import Catalog

    Zoo = Callable[..., Result]

LONG = "a-backbone-with-a-name-as-long-as-names-get:size=224,channels=4"


@pytest.fixture
def ranking() -> Ranking:
    """Two that tie, one with an awkward name, one that failed."""
    some = Measure(0.91, 0.88, 0.94)
    first = Candidate(
        backbone="lite1",
        rank=1,
        log_me=Measure(-0.4, -0.5, -0.3),
        neighbours=some,
        probe=Measure(0.95, 0.92, 0.97),
        parameters=4_200_000,
        features=1280,
        milliseconds_per_image=6.5,
    )
    second = dataclasses.replace(
        first, backbone=LONG, rank=2, tied_with_best=True, recommended=True, milliseconds_per_image=3.1, probe=some
    )
    failed = Candidate(backbone="[red]odd", reason="The weights file [/] is cut off.")
    return Ranking(
        candidates=(first, second, failed),
        ranked_by="probe",
        pictures=300,
        training=900,
        classes=("a", "b"),
        absent=tuple(f"far{number}" for number in range(7)),
        unfit=("elsewhere",),
        reliability="Rank correlation 0.77.",
        seconds=12.0,
    )


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, ranking: Ranking, catalogued: Catalog) -> list[dict[str, Any]]:
    """The arguments that the library is called with; it answers with the ranking."""
    calls: list[dict[str, Any]] = []

    def scout(data: object, **options: Any) -> Ranking:
        calls.append({"data": data, **options})
        return ranking

    monkeypatch.setattr("zoo.scouting.scout", scout)
    return calls


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_the_table_fits_and_says_everything(zoo: Zoo, asked: list[dict[str, Any]], columns: int) -> None:
    """Names, places, ties, costs, reasons, what was left out and the figure of trust, in any width."""
    result = zoo("scout", "my photos", columns=columns)
    text = " ".join(result.stdout.split())
    wrapped = [line for line in result.stdout.splitlines() if not line.startswith("next: ")]
    assert max(map(cell_len, wrapped)) <= columns
    assert [line for line in result.stdout.splitlines() if line.startswith("next: zoo compare ")], "never wrapped"
    for part in ("lite1", "2*=", "0.950", "4.2M", "3.1", "[red]odd", "[/] is cut off", "300 training pictures of 900"):
        assert part in text
    for part in ("Rank correlation 0.77", "7 backbones", "far0", "3 more", "--download", "1 backbone left out"):
        assert part in text
    assert "zoo compare 'my photos' -b lite1" in text
    assert result.exit_code == 5


def test_the_other_scores_are_shown_where_there_is_room(zoo: Zoo, asked: list[dict[str, Any]]) -> None:
    """With their intervals on a wide screen."""
    text = zoo("scout", "photos", columns=200).stdout
    assert "LogME" in text
    assert "-0.400 [-0.50, -0.30]" in text
    assert "0.910 [0.88, 0.94]" in text


def test_options_reach_the_library(zoo: Zoo, asked: list[dict[str, Any]]) -> None:
    """As they are meant; what was not given is left to the library."""
    zoo("scout", "photos", "-b", "odd", "--pictures", "50", "--download", "--rank-by", "log-me", "--split", "60/40/0")
    zoo("scout", "photos")
    first, second = asked
    assert first["backbones"] == ["odd"]
    assert (first["pictures"], first["download"], first["rank_by"]) == (50, True, "log_me")
    assert first["split"] == (0.6, 0.4, 0.0)
    assert not {"pictures", "rank_by", "split"} & set(second)


def test_json_is_one_document(zoo: Zoo, asked: list[dict[str, Any]], ranking: Ranking) -> None:
    """With every candidate and measure."""
    result = zoo("scout", "photos", "--json")
    document = json.loads(result.stdout)
    assert document["format"] == 1
    assert document["candidates"][0]["probe"] == {"value": 0.95, "low": 0.92, "high": 0.97}
    assert document["candidates"][2]["reason"] == ranking.candidates[2].reason
    assert document["absent"] == list(ranking.absent)


def test_all_well_is_exit_code_zero(
    zoo: Zoo, asked: list[dict[str, Any]], ranking: Ranking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody failed, so nothing is said of failures."""
    good = dataclasses.replace(ranking, candidates=ranking.candidates[:2])
    monkeypatch.setattr("zoo.scouting.scout", lambda *_, **__: good)
    result = zoo("scout", "photos")
    assert result.exit_code == 0
    assert "failed" not in result.stdout


def test_without_data_it_says_what_to_name(zoo: Zoo, asked: list[dict[str, Any]]) -> None:
    """Nothing is looked at."""
    result = zoo("scout")
    assert result.exit_code == 2
    assert "no pictures to work on" in result.stderr
    assert not asked


def test_help_needs_neither_keras_nor_numpy() -> None:
    """It is read in a fresh process, whose modules are looked at."""
    import subprocess

    program = (
        "import sys\nsys.argv = ['zoo', 'scout', '--help']\nfrom zoo.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('keras', 'tensorflow', 'numpy', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "--pictures" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
