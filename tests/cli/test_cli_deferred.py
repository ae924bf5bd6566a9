"""Commands are imported when they are called, and nobody can tell but by the time it takes."""

from __future__ import annotations

import gc
import importlib
import io
import os
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import pytest
import typer
from rich.console import Console
from rich.text import Text

from zoo.cli import screen, tables
from zoo.cli.app import Zoo as Root
from zoo.cli.app import app
from zoo.cli.collector import at_rest
from zoo.cli.command_cache import app as cache_app

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rich.table import Table
    from typer.testing import Result

    Zoo = Callable[..., Result]

HEAVY = ("keras", "tensorflow", "jax", "torch")
SLOW = (*HEAVY, "numpy", "PIL", "pydantic")
CALLS: list[tuple[list[str], tuple[str, ...]]] = [
    (["list"], (*SLOW, "rich.console", "importlib.metadata")),
    (["list", "--json"], (*SLOW, "rich.console", "importlib.metadata")),
    (["plugins"], (*SLOW, "rich.console", "importlib.metadata")),
    (["plugins", "--json"], SLOW),
    (["cache"], HEAVY),
    (["leaderboard"], (*HEAVY, "zoo.executing", "zoo.plugins")),
    *(([name, "--help"], SLOW) for name in Root.declared),
]


def commands() -> Any:
    """The group of all commands, new."""
    return typer.main.get_command(app)


def loaded(words: list[str], folder: Path) -> set[str]:
    """All modules of a fresh process that ran a command."""
    code = (
        "import sys\nfrom zoo.cli.app import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    plain = {name: value for name, value in os.environ.items() if not name.endswith(("COLUMNS", "COLOR", "COMPATIBLE"))}
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder, timeout=300, env=plain)
    return set(done.stderr.splitlines())


@pytest.mark.parametrize("name", Root.declared)
def test_a_command_is_what_was_declared(name: str, zoo: Zoo) -> None:
    """It is found under its name with its short help, and its own help says what its function says."""
    command = commands().commands[name]
    assert command.name == name
    assert command.short_help == Root.declared[name].short_help
    said = " ".join(zoo(name, "--help").stdout.split())
    assert said.startswith(f"Usage: zoo {name} ")
    assert " ".join(command.help.split("\n\n", maxsplit=1)[0].split()) in said


def test_groups_in_it_have_their_commands(zoo: Zoo) -> None:
    """`zoo cache prune` is reached through two groups."""
    assert zoo("cache", "prune", "--help").stdout.startswith("Usage: zoo cache prune ")
    assert zoo("cache", "prun").exit_code == 2


def test_names_need_no_imports() -> None:
    """Names, their number and whether there is one can be asked for without building a command."""
    found = commands().commands
    assert list(found) == list(Root.declared)
    assert len(found) == len(Root.declared)
    assert "list" in found
    assert "lst" not in found
    assert found.get("lst") is None
    assert found._built == {}
    assert found["list"] is found["list"]


def test_a_near_name_is_suggested_without_importing_its_command(tmp_path: Path, zoo: Zoo) -> None:
    """A misspelt command is an error that names those that are meant."""
    result = zoo("compair")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: No such command 'compair'. Did you mean 'compare'?\n")
    assert not {one for one in loaded(["compair"], tmp_path) if one.startswith("zoo.cli.command_")}


def test_the_end_is_an_ordinary_one(tmp_path: Path) -> None:
    """What is registered for the end of the process is called, output is whole, and the exit code is the command's."""
    code = (
        "import atexit, gc, sys, tempfile\n"
        "from zoo.cli.app import main\n"
        f"kept = tempfile.TemporaryDirectory(dir={str(tmp_path)!r})\n"
        "atexit.register(lambda: print('registered', gc.get_freeze_count() > 0, file=sys.stderr))\n"
        "main()"
    )
    for words, wanted in ((["list", "heads"], 0), (["list", "nothing"], 2)):
        done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
        assert done.returncode == wanted
        assert done.stderr.splitlines()[-1] == "registered True"
        assert done.stdout.endswith("zoo show NAME tells everything about one of them.\n") == (not wanted)
    assert list(tmp_path.iterdir()) == []


def test_garbage_is_collected_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """While modules are imported nothing is searched; afterwards, or where an import fails, all is as it was."""
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    seen: list[bool] = []

    def inside() -> None:
        with at_rest():
            seen.append(gc.isenabled())
            raise ImportError

    for enabled in (True, False):
        with monkeypatch.context() as patch:
            patch.setattr(gc, "freeze", lambda: None)  # it would keep what other tests left
            (gc.enable if enabled else gc.disable)()
            try:
                with pytest.raises(ImportError):
                    inside()
                assert gc.isenabled() is enabled
            finally:
                gc.enable()
    assert seen == [False, False]
    monkeypatch.setitem(sys.modules, "keras", sys)
    with at_rest():
        assert gc.isenabled()


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["--version"]], ids=lambda words: "".join(words) or "bare")
def test_help_imports_no_command(words: list[str], tmp_path: Path) -> None:
    """Neither commands nor plugins, nor what draws tables."""
    found = loaded(words, tmp_path)
    assert not {one for one in found if one.startswith(("zoo.cli.command_", "zoo.builtin"))}
    assert not {"rich.console", "zoo.plugins", "zoo.contracts", *SLOW} & found


@pytest.mark.parametrize(("words", "banned"), CALLS, ids=lambda value: "-".join(value) if value[0] not in HEAVY else "")
def test_light_commands_import_nothing_heavy(words: list[str], banned: tuple[str, ...], tmp_path: Path) -> None:
    """No backend for any of them; no arrays, pictures or pydantic for those that need none."""
    found = loaded(words, tmp_path)
    assert "zoo.cli.app" in found
    assert not sorted(found & set(banned))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("compare", []),
        ("compare", ["demo", "-b", "a", "-b", "b", "--epochs", "3", "--lr", "0.1", "--json"]),
        ("fit", ["demo"]),
        ("fit", ["demo", "-b", "a", "--seed", "4", "--no-cache", "--store", "here"]),
        ("leaderboard", []),
        ("list", ["heads", "--max-params", "5M"]),
        ("show", ["gap", "--no-counts"]),
        ("predict", ["run", "a.jpg", "b.jpg"]),
        ("plugins", []),
    ],
)
def test_values_are_those_that_typer_gives(name: str, words: list[str]) -> None:
    """What was not given passes by typer's conversion, and is what that would have made of it."""
    declared = Root.declared[name]
    plain = typer.Typer(add_completion=False)
    plain.command(name)(getattr(importlib.import_module(declared.module), declared.member))
    wanted = typer.main.get_command(plain).make_context(name, [*words]).params
    got = commands().commands[name].make_context(name, [*words]).params
    assert got == wanted
    assert {key: type(value) for key, value in got.items()} == {key: type(value) for key, value in wanted.items()}


def test_values_of_the_groups_are_those_that_typer_gives() -> None:
    """The same for the options before the command, and for those of `zoo cache`."""
    plain = typer.Typer(add_completion=False)
    plain.callback(invoke_without_command=True)(app.registered_callback.callback)  # type: ignore[union-attr,type-var]
    for words in ([], ["--no-plugin", "a", "--no-plugin", "b", "--debug"]):
        wanted = typer.main.get_command(plain).make_context("zoo", [*words]).params
        got = commands().make_context("zoo", [*words, "list"]).params
        assert {key: got[key] for key in wanted} == wanted
    group: Any = typer.main.get_command(cache_app)
    assert commands().commands["cache"].make_context("cache", []).params == {
        key: value
        for key, value in group.make_context("cache", []).params.items()
        if key not in {"install_completion", "show_completion"}
    }


def test_what_is_missing_is_still_missing(zoo: Zoo) -> None:
    """An argument that has to be given is asked for."""
    result = zoo("show")
    assert result.exit_code == 2
    assert "Missing argument" in result.stderr


CELLS = [
    ("", "", ""),
    ("plain", "two words", "x" * 30),
    ("広い文字", "e\u0301 and 🦓", "[red]no markup[/red]"),
    ("", "last", ""),
    ("two\nlines", "a longer\nline below", ""),
]


def drawing(rows: int, kind: Callable[[str], Any]) -> Callable[[], Table]:
    """A layout with wide characters, empty cells, several lines, and a column of nothing."""

    def layout() -> Table:
        drawn = tables.table()
        tables.column(drawn, "name")
        tables.column(drawn, "", justify="right")
        tables.column(drawn, "wrapped", wrap=True)
        tables.column(drawn, "number", justify="right")
        for cells in CELLS[:rows]:
            drawn.add_row(*map(kind, (cells[0], "", *cells[1:])))
        return drawn

    return layout


def terminal(width: int) -> Console:
    """A console that writes into memory what a terminal of 256 colours gets."""
    return Console(file=io.StringIO(), width=width, force_terminal=True, color_system="256", markup=False, emoji=False)


@pytest.mark.parametrize("kind", [str, Text, partial(Text, style="bold")], ids=["str", "Text", "bold"])
@pytest.mark.parametrize("rows", range(len(CELLS) + 1))
@pytest.mark.parametrize("width", [20, 40, 60, 70, 80, 120])
def test_a_fitting_table_is_as_rich_alone_draws_it(kind: Callable[[str], Any], rows: int, width: int) -> None:
    """Widths that are found once are those that rich finds; where there is no room columns wrap as before."""
    written = []
    for chosen in (tables.first_fitting(terminal(width), [drawing(rows, kind)]), drawing(rows, kind)()):
        for console in (terminal(width), Console(file=io.StringIO(), width=width, markup=False, emoji=False)):
            screen.draw(console, chosen)
            written.append(cast("io.StringIO", console.file).getvalue())
    assert written[:2] == written[2:]
    assert written[0]


def test_a_fitting_table_is_one_row_of_lines() -> None:
    """Plain lines are drawn at once; cells with styles or several lines, and tables that wrap, keep their rows."""
    cases = {(3, Text, 120): 1, (4, Text, 120): 1, (5, Text, 120): 5, (4, Text, 20): 4, (4, str, 120): 4}
    for (rows, kind, width), wanted in cases.items():
        assert tables.first_fitting(terminal(width), [drawing(rows, kind)]).row_count == wanted
