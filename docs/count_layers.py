"""Counts what only a built network tells, for the page of backbones: `python docs/count_layers.py`.

Each backbone is built in a process of its own, without weights, at its least size. Counts are written after each of
them, so that a run that is stopped goes on where it was. Without names, those are counted that are not yet; with names,
these; with `--all`, all. With `--check` nothing is written, and the exit code is 1 if a count is not what is kept.
"""  # noqa: INP001 - a program, not a package

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generator import layer_counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.contracts import Backbone

_SECONDS = 900
"""A backbone that takes longer is given up."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Counts, and writes or checks; returns the exit code."""
    parser = argparse.ArgumentParser(description="Count layers of backbones for the reference page.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="count these again")
    parser.add_argument("--all", action="store_true", help="count all again")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a count is another")
    parser.add_argument("--one", action="store_true", help="count one in this process, as JSON (what the others call)")
    wanted = parser.parse_args(arguments)
    records = layer_counts.backbones()
    unknown = sorted(set(wanted.names) - set(records))
    if unknown:
        parser.error(f"no such backbone: {', '.join(unknown)}")
    if wanted.one:
        sys.stdout.write(json.dumps(layer_counts.count(records[wanted.names[0]])) + "\n")
        return 0
    known = layer_counts.read()
    chosen = wanted.names or [name for name in records if wanted.all or wanted.check or name not in known]
    if not wanted.check:
        _forget({name for name in known if name not in records})
    results = [_settle(records[name], write=not wanted.check) for name in chosen]
    return 0 if all(results) else 1


def _forget(gone: set[str]) -> None:
    """Takes out what is no backbone any more."""
    if gone:
        layer_counts.write({name: counts for name, counts in layer_counts.read().items() if name not in gone})


def _settle(record: Backbone, *, write: bool) -> bool:
    """Counts a backbone and keeps or compares what was found; whether that went well."""
    try:
        found = _counted(record)
    except (subprocess.SubprocessError, ValueError, IndexError) as error:
        sys.stderr.write(f"{record.name}: not counted: {_why(error)}\n")
        return False
    sys.stderr.write(f"{record.name}: {found}\n")
    counts = layer_counts.read()
    if write:
        layer_counts.write({**counts, record.name: found})
        return True
    if counts.get(record.name) == found:
        return True
    kept, again = counts.get(record.name), f"{layer_counts.COMMAND} {record.name}"
    sys.stderr.write(f"{record.name}: kept are {kept}. Run: {again}\n")
    return False


def _counted(record: Backbone) -> dict[str, Any]:
    """The counts of a backbone, from a process of its own on a backend that can build it."""
    able = not record.backends or "tensorflow" in record.backends
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow" if able else record.backends[0]}
    command = [sys.executable, str(Path(__file__).resolve()), "--one", record.name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=_SECONDS)
    counts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return counts


def _why(error: Exception) -> str:
    lines = str(getattr(error, "stderr", "") or "").strip().splitlines()
    return lines[-1] if lines else f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    sys.exit(main())
