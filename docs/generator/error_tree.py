"""The page of errors: their tree with exit codes, and what each means."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, cast

from generator.markdown import page, table, text_block
from zoo import errors
from zoo.errors import ZooError

if TYPE_CHECKING:
    from collections.abc import Iterator

_INTRO = (
    "All errors that the library raises on purpose derive from `zoo.ZooError`. `message` states the fact, `hint` says "
    "what to do next. The command line prints both on stderr, without a traceback unless `zoo --debug` asks for it, "
    "and exits with the code of the branch."
)
_CODES = (
    (0, "Done."),
    (1, "A bug: an error that is none of ours. Also when the reader of a pipe went away."),
    (2, "The call is wrong: an unknown option, name or value."),
    (3, "A plugin is at fault: it broke its contract, or it failed to load under `--strict-plugins`."),
    (4, "The data are at fault. Also `zoo predict` when some picture could not be read."),
    (5, "Training failed. Also `zoo compare` when some row failed; the others are on the board."),
    (6, "The store is at fault."),
    (130, "Stopped with Ctrl-C. Finished rows are kept."),
)


def write() -> str:
    """The page."""
    rows = ((f"`{kind.__name__}`", kind.exit_code, _meaning(kind)) for kind in _family(ZooError))
    parts = (
        _INTRO,
        text_block(_tree(ZooError)),
        table(("error", "exit code", "meaning"), rows),
        "## Exit codes",
        table(("code", "meaning"), _CODES),
    )
    return page("Errors and exit codes", parts)


def _family(kind: type[ZooError]) -> Iterator[type[ZooError]]:
    yield kind
    for child in _children(kind):
        yield from _family(child)


def _tree(kind: type[ZooError], lead: str = "", joint: str = "") -> Iterator[str]:
    yield f"{lead + joint + kind.__name__:<32}exit code {kind.exit_code}"
    below = lead + {"": "", "├─ ": "│  ", "└─ ": "   "}[joint]
    children = _children(kind)
    for child in children:
        yield from _tree(child, below, "└─ " if child is children[-1] else "├─ ")


def _children(kind: type[ZooError]) -> list[type[ZooError]]:
    return [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]


def _meaning(kind: type[ZooError]) -> str:
    return " ".join(cast("str", inspect.getdoc(kind)).split("\n\n")[0].split())
