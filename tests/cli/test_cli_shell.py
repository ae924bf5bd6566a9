"""What surrounds every command: help, errors, exit codes, and what is not imported."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.testing import CliRunner

from zoo.cli.shell import Shell
from zoo.errors import DataError, PluginError, StoreError, TrainingError, UsageError, ZooError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

COMMANDS = ("compare", "fit", "leaderboard", "list", "show", "predict", "plugins")


def raising(error: BaseException) -> Callable[..., Result]:
    """A command line whose only sensible command raises an error."""
    shell = typer.Typer(cls=Shell, rich_markup_mode=None)

    @shell.callback()
    def _globals(debug: bool = False) -> None: ...  # noqa: FBT001, FBT002 - as the real one

    @shell.command("compare")
    def _compare() -> None:
        raise error

    @shell.command("other")
    def _other() -> None:
        raise error

    return lambda *words: CliRunner().invoke(shell, list(words))


def python(code: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs Python code in a fresh process."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, **options)


@pytest.mark.parametrize(
    ("kind", "code"),
    [(ZooError, 1), (UsageError, 2), (PluginError, 3), (DataError, 4), (TrainingError, 5), (StoreError, 6)],
)
def test_an_error_is_two_lines_and_its_exit_code(kind: type[ZooError], code: int) -> None:
    """What happened and what to do, on stderr; the branch of the error decides the exit code."""
    result = raising(kind("There is no 'x'.", hint="Try 'y'."))("other")
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr == "error: There is no 'x'.\nhint: Try 'y'.\n"


def test_an_error_without_a_hint_is_one_line() -> None:
    """No empty hint is shown."""
    assert raising(UsageError("No."))("other").stderr == "error: No.\n"


@pytest.mark.parametrize("name", ["[/]", "[red]x", "a\u0308", "😀", ":smile:"])
def test_names_in_errors_are_shown_to_the_letter(name: str) -> None:
    """A class folder whose name looks like markup neither vanishes nor breaks the message."""
    result = raising(DataError(f"Class {name} is empty.", hint=f"Fill {name}."))("other")
    assert result.stderr == f"error: Class {name} is empty.\nhint: Fill {name}.\n"


def test_control_characters_in_errors_are_shown_not_sent() -> None:
    """A file name cannot clear the screen, and a message of several lines stays one."""
    result = raising(DataError("File 'a\x1b[2J'\n  is broken.", hint="x\x07"))("other")
    assert result.stderr == "error: File 'a\\x1b[2J' is broken.\nhint: x\\x07\n"


def test_an_unexpected_error_is_one_line() -> None:
    """A bug of ours or of a plugin shows no traceback unless it is asked for."""
    result = raising(RuntimeError("boom [/]\x1b"))("other")
    assert result.exit_code == 1
    assert result.stderr == (
        "error: unexpected error RuntimeError: boom [/]\\x1b. This is a bug. "
        "Run again with `zoo --debug …` for the traceback.\n"
    )


@pytest.mark.parametrize("error", [RuntimeError("boom"), DataError("broken", hint="mend it")])
def test_debug_shows_the_traceback(error: Exception) -> None:
    """The traceback comes first, the summary last, and the exit code stays."""
    result = raising(error)("--debug", "other")
    assert result.stderr.startswith("Traceback (most recent call last):\n")
    assert "in _other" in result.stderr
    assert result.stderr.splitlines()[-1 - bool(getattr(error, "hint", ""))].startswith("error: ")
    assert result.exit_code == getattr(error, "exit_code", 1)


def test_ctrl_c_says_what_is_kept() -> None:
    """A stopped comparison goes on later; other commands are simply stopped. Exit code 130, as shells have it."""
    compare, other = raising(KeyboardInterrupt())("compare"), raising(KeyboardInterrupt())("other")
    assert (compare.exit_code, other.exit_code) == (130, 130)
    assert compare.stderr == "\nstopped; finished rows are kept; the same command goes on\n"
    assert other.stderr == "\nstopped\n"


def test_wrong_words_exit_with_2_and_name_the_help(zoo: Callable[..., Result]) -> None:
    """An unknown command has near matches; an unknown option names the command's help."""
    result = zoo("lits")
    assert (result.exit_code, result.stdout) == (2, "")
    first, second = result.stderr.splitlines()
    assert first.startswith("error: No such command 'lits'. Did you mean 'list'?")
    assert second == "hint: zoo --help tells what it takes."
    result = zoo("list", "--colour")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[0].startswith("error: No such option: --colour")
    assert result.stderr.splitlines()[1] == "hint: zoo list --help tells what it takes."


def test_words_that_look_like_markup_are_an_ordinary_mistake(zoo: Callable[..., Result]) -> None:
    """The parser's own messages do not parse what a person typed either."""
    result = zoo("[/]")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[0] == "error: No such command '[/]'."


def test_a_global_option_behind_the_command_says_where_it_belongs(zoo: Callable[..., Result]) -> None:
    """`zoo list --debug` is told to be `zoo --debug list`."""
    result = zoo("list", "--debug")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[1] == "hint: --debug stands before the command: zoo --debug list …"


def test_help_lists_every_command_in_whole_sentences(zoo: Callable[..., Result]) -> None:
    """At 80 columns no description of a command is cut off."""
    result = zoo("--help")
    assert result.exit_code == 0
    for command in COMMANDS:
        assert f"  {command} " in result.stdout
    assert "..." not in result.stdout.split("Commands:")[1]
    assert zoo().stdout == result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(zoo: Callable[..., Result], command: str) -> None:
    """Help names the options and fits 80 columns."""
    result = zoo(command, "-h")
    assert result.exit_code == 0
    assert "--help" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_version_is_that_of_the_distribution(zoo: Callable[..., Result]) -> None:
    """The version comes from the installed metadata."""
    from importlib.metadata import version

    assert zoo("--version").stdout == f"keras-zoo {version('keras-zoo')}\n"


def test_a_blocked_plugin_must_exist(zoo: Callable[..., Result]) -> None:
    """A misspelt --no-plugin is an error, not silence."""
    result = zoo("--no-plugin", "head_gpa", "list")
    assert result.exit_code == 2
    assert "There is no plugin named 'head_gpa'." in result.stderr
    assert "Did you mean head_gap" in result.stderr


@pytest.mark.parametrize(
    ("words", "banned"),
    [
        (["--help"], ("keras", "tensorflow", "jax", "torch", "numpy", "PIL")),
        (["compare", "--help"], ("keras", "tensorflow", "jax", "torch", "numpy", "PIL")),
        (["list"], ("keras", "tensorflow", "jax", "torch", "numpy", "PIL")),
        (["list", "--json"], ("keras", "tensorflow", "jax", "torch", "numpy", "PIL")),
        (["plugins"], ("keras", "tensorflow", "jax", "torch", "numpy", "PIL")),
        (["show", "unfreeze-top-k"], ("keras", "tensorflow", "jax", "torch", "numpy", "PIL")),
        (["leaderboard"], ("keras", "tensorflow", "jax", "torch")),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_looking_around_imports_nothing_heavy(words: list[str], banned: tuple[str, ...], tmp_path: Path) -> None:
    """Help, lists and boards come at once, and without any backend installed."""
    code = (
        "import sys\n"
        f"sys.argv = ['zoo', *{words!r}]\n"
        "from zoo.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {banned!r} if name in sys.modules], file=sys.stderr)\n"
    )
    done = python(code, cwd=tmp_path)
    assert done.stderr.splitlines()[-1] == "[]"


def test_json_is_the_only_thing_on_stdout() -> None:
    """A program that reads stdout gets one JSON document, in UTF-8 whatever the locale."""
    done = subprocess.run(
        [sys.executable, "-m", "zoo", "list", "--json"],
        capture_output=True,
        check=True,
        env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"},
    )
    document = json.loads(done.stdout.decode("utf-8"))
    assert document["format"] == 1
    assert {item["name"] for item in document["policies"]} >= {"freeze-all", "bn-affine", "unfreeze-top-k"}


def test_no_traceback_without_debug(tmp_path: Path) -> None:
    """The process of a failing command prints two lines; with --debug it prints the traceback too."""
    words = ["fit", str(tmp_path / "no-such [/] folder"), "-b", "no-such-backbone"]
    plain = subprocess.run([sys.executable, "-m", "zoo", *words], capture_output=True, text=True, check=False)
    assert plain.returncode == 2
    assert "Traceback" not in plain.stderr
    assert plain.stderr.splitlines()[0] == "error: There is no backbone named 'no-such-backbone'."
    debug = subprocess.run(
        [sys.executable, "-m", "zoo", "--debug", *words], capture_output=True, text=True, check=False
    )
    assert debug.returncode == 2
    assert debug.stderr.startswith("Traceback (most recent call last):")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes close differently")
def test_a_reader_that_goes_away_is_no_error() -> None:
    """`zoo list | head -1` ends quietly."""
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "zoo", "list"], stdout=write, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(write)
    assert done.stderr == ""
    assert done.returncode == 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
def test_an_interrupt_of_the_process_is_quiet() -> None:
    """A real SIGINT ends with exit code 130 and without a traceback."""
    code = (
        "import signal, sys, time, zoo.cli.session as session\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job inherits that it is ignored
        "def slow(**_):\n    print('waiting', flush=True)\n    time.sleep(60)\n"
        "session.load_catalog = slow\n"
        "sys.argv = ['zoo', 'list']\n"
        "from zoo.cli.app import main\nmain()\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "waiting\n"
    time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=30)
    assert child.returncode == 130
    assert said == "\nstopped\n"
