"""The page of all backbones, and the program that counts what it tells."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from markdown_pages import DOCS

from zoo.contracts import Backbone, Block, Weights

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

SAMPLE = ("efficientnetb0", "scratch-cnn")


def check(*names: str) -> subprocess.CompletedProcess[str]:
    """Counts again and compares with what is kept."""
    command = [sys.executable, str(DOCS / "count_layers.py"), "--check", *names]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Modules of the generator by name, with two made-up backbones and a file of counts of their own."""
    monkeypatch.syspath_prepend(str(DOCS))
    names = ("count_layers", "generate", "generator.backbones", "generator.layer_counts")
    modules: dict[str, ModuleType] = {name.rpartition(".")[2]: importlib.import_module(name) for name in names}
    counts = modules["layer_counts"]
    records = {name: made_up(name) for name in ("alpha", "beta")}
    monkeypatch.setattr(counts, "FILE", tmp_path / "layer_counts.json")
    monkeypatch.setattr(counts, "backbones", lambda: records)
    return modules


def made_up(name: str) -> Backbone:
    """A record with awkward texts."""
    return Backbone(
        name=name,
        title=name,
        family="greek",
        image_size=96,
        min_size=32,
        blocks=(Block(name="all", layers=("*",)),),
        pixels="x | 255",
        reference="",
        build=lambda **_: None,
        weights=(Weights(id="imagenet", origin="o", licence="MIT", trained_on="ImageNet", megabytes=12.4),),
        parameters=12_345 if name == "alpha" else None,
        backends=("tensorflow",) if name == "beta" else (),
    )


def found(parameters: int = 12_345) -> dict[str, int]:
    """What counting gives."""
    return {"size": 32, "parameters": parameters, "blocks": 7, "batch_norm": 5, "drop": 3}


def test_counts_of_a_sample_are_what_is_built() -> None:
    """Two networks, built anew, have as many blocks, BatchNorm and drop layers as are kept."""
    done = check(*SAMPLE)
    assert (done.returncode, len(done.stderr.splitlines())) == (0, len(SAMPLE)), done.stderr


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_counts_of_all_are_what_is_built() -> None:
    """Every backbone is built anew."""
    done = check()
    assert done.returncode == 0, done.stderr


def test_declared_parameters_are_those_that_were_counted(program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that declares its parameters declares what its network has; what it counts for is one of the records."""
    monkeypatch.undo()
    counts = json.loads((DOCS / "generator" / "layer_counts.json").read_text(encoding="utf-8"))
    monkeypatch.syspath_prepend(str(DOCS))
    records = program["layer_counts"].backbones()
    assert set(counts) == set(records)
    declared = {name: record.parameters for name, record in records.items() if record.parameters is not None}
    assert {name: counts[name]["parameters"] for name in declared} == declared
    assert {name: counts[name]["blocks"] for name in records} == {
        name: len(record.blocks_for({})) for name, record in records.items()
    }


def test_the_page_has_a_row_for_each(program: Any) -> None:
    """Declared parameters win, `|` is escaped, and weights have licence and size."""
    program["layer_counts"].write({"alpha": found(1), "beta": found(999)})
    page = program["backbones"].write()
    assert (
        r"| [`alpha`](catalog.md#backbone-alpha) | greek | 12,345 | 7 | 5 | 3 | 32 / 96 | x \| 255 | "
        "`imagenet` (MIT, 12 MB) | all |\n"
    ) in page
    assert "| greek | 999 | 7 |" in page
    assert page.endswith("| tensorflow |\n")
    assert "2 backbones of 1 family." in page


def test_a_backbone_that_is_not_counted_fails_the_check(program: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Its name and the command are told, with and without `--check`; so is one that is no more."""
    program["layer_counts"].write({"beta": found()})
    for arguments in ([], ["--check"]):
        assert program["generate"].main(arguments) == 1
        message = "layers of these backbones are not counted: alpha. Run: python docs/count_layers.py\n"
        assert capsys.readouterr().err == message
    program["layer_counts"].write({"alpha": found(), "beta": found(), "gone": found()})
    assert program["generate"].main(["--check"]) == 1
    assert "counted that are no more: gone. Run: python docs/count_layers.py" in capsys.readouterr().err


def test_counting_goes_on_where_it_was_stopped(program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is counted already is kept; what is no more is taken out; a failure costs its own backbone only."""
    asked: list[str] = []

    def counted(record: Backbone) -> dict[str, int]:
        asked.append(record.name)
        if record.name == "alpha" and len(asked) == 1:
            raise subprocess.CalledProcessError(1, "x", stderr="Traceback\nValueError: no")
        return found()

    monkeypatch.setattr(program["count_layers"], "_counted", counted)
    program["layer_counts"].write({"gone": found()})
    assert program["count_layers"].main([]) == 1
    assert set(program["layer_counts"].read()) == {"beta"}
    assert program["count_layers"].main([]) == 0
    assert program["layer_counts"].read() == {"alpha": found(), "beta": found()}
    assert asked == ["alpha", "beta", "alpha"]
    assert program["count_layers"].main(["--all"]) == 0
    assert asked[3:] == ["alpha", "beta"]


def test_checking_writes_nothing(
    program: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another count fails with the command that mends it."""
    monkeypatch.setattr(program["count_layers"], "_counted", lambda _: found(7))
    program["layer_counts"].write({"alpha": found(7), "beta": found(8)})
    before = program["layer_counts"].FILE.read_bytes()
    assert program["count_layers"].main(["--check"]) == 1
    assert capsys.readouterr().err.splitlines()[-1].endswith("Run: python docs/count_layers.py beta")
    assert program["count_layers"].main(["--check", "alpha"]) == 0
    assert program["layer_counts"].FILE.read_bytes() == before
    with pytest.raises(SystemExit):
        program["count_layers"].main(["gamma"])
