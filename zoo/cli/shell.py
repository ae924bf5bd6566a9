"""What surrounds every command: errors in two lines, exit codes, Ctrl-C, and a reader that went away."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from typer.core import TyperGroup

from zoo import figures
from zoo.errors import StoreError, ZooError

if TYPE_CHECKING:
    from collections.abc import Sequence

_PARSER_ERROR = typer.BadParameter.__mro__[2]
"""ClickException, the root of what the parser raises: click's own or typer's copy of it, as typer's version has it."""

_GLOBAL = ("--no-plugin", "--strict-plugins", "--debug", "--version")

_INTERRUPTED = 130  # as shells count: 128 and the number of SIGINT


class Shell(TyperGroup):
    """The group of all commands. Nothing but SystemExit gets out of `main`."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> NoReturn:  # noqa: ANN401 - typer's
        """Parses, runs, and exits with the code of the outcome."""
        _replace_closed_streams()
        _tolerate_encodings()
        extra["standalone_mode"] = False
        try:
            code = super().main(args, *rest, **extra)
            sys.stdout.flush()
        except typer.Abort:
            code = _stopped("")
        except BrokenPipeError:
            code = _reader_gone()
        except OSError as error:  # a full disk that shows only when the last lines are written
            code = _explained(error, debug=False)
            _reader_gone()
        except Exception as error:
            if not isinstance(error, _PARSER_ERROR):
                raise
            code = _misused(error)
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - a Context of click or of typer's copy
        """Runs the chosen command; what it raises becomes lines on stderr and an exit code."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            raise typer.Exit(_stopped(ctx.invoked_subcommand or "")) from None
        except Exception as error:
            if isinstance(error, _PARSER_ERROR):
                raise
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise BrokenPipeError from error
            raise typer.Exit(_explained(error, debug=bool(ctx.params.get("debug")))) from error


def complain(message: str, hint: str = "") -> None:
    """Two lines on stderr, one without a hint. Line breaks and control characters in them are made harmless."""
    lines = [f"error: {figures.sentence(message)}"]
    if hint:
        lines.append(f"hint: {figures.sentence(hint)}")
    sys.stderr.write("\n".join(lines) + "\n")


def _explained(error: Exception, *, debug: bool) -> int:
    if debug:
        trace = "".join(traceback.format_exception(error))
        sys.stderr.write("\n".join(map(figures.literal, trace.split("\n"))))
    if isinstance(error, ZooError):
        complain(error.message, error.hint)
        return error.exit_code
    if isinstance(error, OSError) and error.strerror:
        refusal = _refusal(error)
        complain(refusal.message, refusal.hint)
        return refusal.exit_code
    said = figures.sentence(str(error))
    again = "" if debug else " Run again with `zoo --debug …` for the traceback."
    complain(f"unexpected error {type(error).__name__}{f': {said}' if said else ''}. This is a bug.{again}")
    return 1


def _refusal(error: OSError) -> StoreError:
    """What the system refused, which is no bug: a full disk, a name too long, a folder that is shut."""
    named = isinstance(error.filename, str | bytes)
    what = f"{os.fsdecode(error.filename)!r} cannot be used" if named else "The system refuses"
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        hint = "Free some space, or write to another disk."
    else:
        hint = "Check the path, and whether it may be read and written. `zoo --debug …` shows where it failed."
    return StoreError(f"{what}: {error.strerror}.", hint=hint)


def _misused(error: Any) -> int:  # noqa: ANN401 - a ClickException of either kind
    """Says what is wrong with the words of the command, and which help tells more."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "zoo"
    option = str(getattr(error, "option_name", ""))
    if option in _GLOBAL and path != "zoo":
        hint = f"{option} stands before the command: zoo {option} {path.removeprefix('zoo ')} …"
    else:
        hint = f"{path} --help tells what it takes."
    complain(error.format_message(), hint)
    return int(error.exit_code)


def _stopped(command: str) -> int:
    more = "; finished rows are kept; the same command goes on" if command == "compare" else ""
    sys.stderr.write(f"\nstopped{more}\n")
    return _INTERRUPTED


def _reader_gone() -> int:
    """`zoo list | head` closes our output early. Python must not try to write the rest when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _replace_closed_streams() -> None:
    """Where a program is started without streams, as services are and `pythonw` does, Python has None for them."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - for good


def _tolerate_encodings() -> None:
    """Write what a terminal's encoding lacks as escapes, where Python would raise."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
