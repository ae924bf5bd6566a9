"""The few pieces of Markdown that generated pages are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NOTICE = "<!-- Written by docs/generate.py from the code. Change the code, then run it again. -->"


def page(title: str, parts: Iterable[str]) -> str:
    """A whole page; empty parts are left out."""
    return "\n\n".join((f"# {title}", NOTICE, *filter(None, parts))) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; `|` in cells is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def text_block(lines: Iterable[str]) -> str:
    """Lines as they are, in a fence."""
    return "\n".join(("```text", *lines, "```"))


def sentence(text: str) -> str:
    """With a capital letter and a full stop."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _cell(cell: object) -> str:
    return str(cell).replace("|", r"\|")
