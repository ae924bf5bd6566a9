"""`zoo list`, `zoo plugins`, and `zoo show` of items."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len

from zoo.cli import counts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    from zoo.registry import Catalog

    Zoo = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("catalogued")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, without a store."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_list_shows_what_a_choice_needs(zoo: Zoo) -> None:
    """A backbone has its size, blocks, weights with licence, whether a download is needed, and its origin."""
    result = zoo("list", "backbones")
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert "[red]odd[/red] network" in text
    assert "12 blocks, 64 px, at least 32 px weights: imagenet (MIT [/], bundled)" in text
    assert "options: depth=2" in text
    assert "from zoo-odd 2.0 (entry point odd)" in text


def test_list_has_every_kind_with_its_number(zoo: Zoo) -> None:
    """Without a kind, all five are listed."""
    headings = [line for line in zoo("list").stdout.splitlines() if line.endswith(")") and not line.startswith(" ")]
    assert headings == ["backbones (1)", "heads (2)", "policies (1)", "augmentations (1)", "sources (1)"]


@pytest.mark.parametrize("word", ["policies", "policy"])
def test_list_takes_a_kind_in_singular_and_plural(zoo: Zoo, word: str) -> None:
    """`zoo list policy` means the same as `zoo list policies`."""
    result = zoo("list", word)
    assert "policies (1)" in result.stdout
    assert "backbones" not in result.stdout


def test_list_of_an_unknown_kind_names_the_kinds(zoo: Zoo) -> None:
    """The kind is no item, so near matches are kinds."""
    result = zoo("list", "backbonse")
    assert result.exit_code == 2
    assert result.stderr.endswith("hint: Did you mean backbones?\n")


def test_failed_plugins_are_mentioned_on_stderr(zoo: Zoo) -> None:
    """Whoever misses an item learns that a plugin is broken; stdout stays clean."""
    result = zoo("list", "--json")
    assert result.stderr.splitlines() == ["warning: 1 plugin failed to load: broken; `zoo plugins` says why"]
    json.loads(result.stdout)


def test_list_json_holds_all_of_the_records(zoo: Zoo) -> None:
    """Options with limits, weights with licence, and the options that the host adds."""
    document = json.loads(zoo("list", "--json").stdout)
    assert document["format"] == 1
    backbone = document["backbones"][0]
    assert backbone["title"] == "[red]odd[/red] network"
    assert [option["name"] for option in backbone["options"]] == ["weights", "size", "depth"]
    assert backbone["options"][2] == {
        "name": "depth",
        "default": 2,
        "help": "How deep.",
        "minimum": 1,
        "maximum": 6,
        "choices": [],
    }
    assert backbone["weights"][0]["licence"] == "MIT [/]"
    assert backbone["weights"][0]["bundled"] is True
    assert len(backbone["blocks"]) == 12
    assert [item["name"] for item in document["heads"]] == ["gap", "none"]


@pytest.mark.parametrize("columns", [40, 80, 120])
@pytest.mark.parametrize("words", [("list",), ("plugins",), ("show", "odd", "--no-counts"), ("show", "top:k=3")])
def test_nothing_is_wider_than_the_screen_or_cut_off(zoo: Zoo, words: tuple[str, ...], columns: int) -> None:
    """Whatever the width, lines fit and no text ends in an ellipsis."""
    result = zoo(*words, columns=columns)
    assert result.exit_code == 0
    assert max(cell_len(line) for line in result.stdout.splitlines()) <= columns
    assert "…" not in result.stdout.replace("Traceback …", "")


def test_a_pipe_gets_whole_lines_without_padding(zoo: Zoo) -> None:
    """Without a terminal each plugin is one line, causes included, and no line ends in spaces."""
    lines = zoo("plugins", columns=None).stdout.splitlines()
    assert all(line == line.rstrip() for line in lines)
    assert any(line.startswith("failed: broken (zoo-broken): ImportError") and len(line) > 150 for line in lines)


def test_plugins_tells_status_and_cause(zoo: Zoo) -> None:
    """Loaded, failed and blocked plugins are told apart; the cause is shown whole and to the letter."""
    result = zoo("plugins")
    assert result.exit_code == 0
    assert result.stderr == ""
    text = " ".join(result.stdout.split())
    assert "no [/] module\\x1b[2J named 'gone'" in text
    assert text.count("because of this and that") == 6
    assert "blocked: shut (zoo-shut): named by --no-plugin" in text
    assert text.endswith("4 plugins: 2 loaded, 1 failed, 1 blocked.")
    assert "Traceback" not in text


def test_plugins_shows_tracebacks_with_debug(zoo: Zoo) -> None:
    """The traceback of a failure is there for its author, with control characters made harmless."""
    assert "    Traceback …\n      boom \\x1b[2J\n" in zoo("--debug", "plugins").stdout
    assert "traceback" in json.loads(zoo("--debug", "plugins", "--json").stdout)["plugins"][2]


def test_plugins_json_holds_the_records(zoo: Zoo) -> None:
    """A script can see which plugin failed and why."""
    document = json.loads(zoo("plugins", "--json").stdout)
    assert document["format"] == 1
    assert [plugin["status"] for plugin in document["plugins"]] == ["loaded", "loaded", "failed", "blocked"]
    assert document["plugins"][1]["items"] == ["backbone odd", "head none"]
    assert "traceback" not in document["plugins"][2]


@pytest.mark.usefixtures("folder")
def test_show_of_a_backbone_numbers_its_blocks(zoo: Zoo) -> None:
    """Blocks stand from input to output with their numbers; weights have licence and accuracy."""
    result = zoo("show", "odd", "--no-counts")
    assert result.exit_code == 0
    for part in (" 1 unit1", "12 unit12", "0.751", "MIT [/]", "bundled: no download", "x / 255", "At least 32."):
        assert part in result.stdout


@pytest.mark.usefixtures("folder")
def test_show_of_a_policy_has_its_phases(zoo: Zoo) -> None:
    """Options that are given count: with k=3 the phase opens 3 blocks of the sample."""
    result = zoo("show", "top:k=3")
    assert result.exit_code == 0
    row = next(line for line in result.stdout.splitlines() if line.startswith("[/] warm"))
    assert row.split() == ["[/]", "warm", "10", "0.001", "3", "all", "fixed", "on"]


@pytest.mark.usefixtures("folder")
def test_show_counts_what_each_policy_opens(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts come with totals; a policy without a plan for the backbone says why."""
    rows = (counts.PolicyCount("top", 1, 412_000, 12), counts.PolicyCount("bad", fault="It needs 2 epochs."))
    counted = counts.BackboneCount(4_000_000, 42_000, rows, (("unit1", 5),))
    monkeypatch.setattr("zoo.cli.command_show.count", lambda *_: counted)
    result = zoo("show", "odd")
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["top", "1", "412.0k", "10.3%", "12"] in lines
    assert ["bad", "—", "—", "—", "—"] in lines
    assert "bad: It needs 2 epochs." in result.stdout
    document = json.loads(zoo("show", "odd", "--json").stdout)
    assert document["counts"]["policies"][0]["opened"] == 412_000
    assert document["counts"]["weights"] == 4_000_000


@pytest.mark.usefixtures("folder")
def test_show_without_a_backend_shows_the_rest(zoo: Zoo) -> None:
    """The build of this backbone fails; what its record says is shown all the same."""
    from zoo.errors import WeightsError

    def fail(*_: object) -> None:
        raise WeightsError("No weights [/].", hint="Get some.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zoo.cli.command_show.count", fail)
        result = zoo("show", "odd")
    assert result.exit_code == 0
    assert "12 unit12" in result.stdout
    assert "weights were not counted: No weights [/]. Get some." in " ".join(result.stderr.split())


@pytest.mark.usefixtures("folder")
def test_show_of_an_ambiguous_name_asks_which(zoo: Zoo) -> None:
    """`none` is a head and an augmentation here; --kind chooses."""
    result = zoo("show", "none")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-2:] == [
        "error: 'none' is the name of a head and an augmentation.",
        "hint: Add --kind head or --kind augmentation.",
    ]
    assert "as they are" in zoo("show", "none", "--kind", "augmentation").stdout


@pytest.mark.usefixtures("folder")
def test_show_of_an_unknown_name_has_near_matches(zoo: Zoo, catalog: Catalog) -> None:
    """Near matches come from all kinds; with a kind, from that one."""
    assert catalog.names("policy") == ("top",)
    result = zoo("show", "topp")
    assert result.exit_code == 2
    assert result.stderr.endswith("hint: Did you mean top?\n")
    result = zoo("show", "[/]", "--kind", "head")
    assert "There is no head named '[/]'." in result.stderr
    result = zoo("show", "top", "--kind", "polcy")
    assert "hint: Did you mean policy?" in result.stderr


@pytest.mark.usefixtures("folder")
def test_show_of_wrong_options_is_a_usage_error(zoo: Zoo) -> None:
    """Options are parsed as everywhere else."""
    result = zoo("show", "top:q=1")
    assert result.exit_code == 2
    assert "The policy 'top' has no option 'q'." in result.stderr
