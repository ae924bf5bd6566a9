"""Writes the reference pages that the code itself can tell: `python docs/generate.py`.

With `--check` nothing is written, and the exit code is 1 if a page is not what the code says.
"""  # noqa: INP001 - a program, not a package

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from generator import backbones, catalog, command_line, error_tree, layer_counts, modules, recipes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PAGES: dict[str, Callable[[], str]] = {
    "backbones.md": backbones.write,
    "catalog.md": catalog.write,
    "cli.md": command_line.write,
    "errors.md": error_tree.write,
    "modules.md": modules.write,
    "recipe.md": recipes.write,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes or checks the pages; returns the exit code."""
    parser = argparse.ArgumentParser(description="Write the reference pages that the code itself can tell.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a page is stale")
    parser.add_argument(
        "--folder", type=Path, default=Path(__file__).resolve().parent / "reference", help="where the pages are"
    )
    wanted = parser.parse_args(arguments)
    try:
        texts = {wanted.folder / name: write() for name, write in PAGES.items()}
    except layer_counts.StaleCountsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if not wanted.check:
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8", newline="\n")
        return 0
    stale = [path.name for path, text in texts.items() if not path.is_file() or path.read_text("utf-8") != text]
    if stale:
        sys.stderr.write(f"stale: {', '.join(stale)}. Run: python docs/generate.py\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
