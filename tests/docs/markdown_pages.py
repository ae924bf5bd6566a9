"""The pages of the documentation, and the fenced blocks in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = tuple(sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")]))

_FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        language: `python`, `bash`, `text`, …
        title: Name of the file that it is, or nothing.
        text: What stands in it.
        line: Line of the page on which it begins, 1-based.
        output: The text block that follows directly, or None.
    """

    language: str
    title: str
    text: str
    line: int
    output: str | None


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    matches = list(_FENCE.finditer(text))
    found = []
    for match, after in zip(matches, [*matches[1:], None][: len(matches)], strict=True):
        language, title, body = match.groups()
        follows = after is not None and after[1] == "text" and not text[match.end() : after.start()].strip()
        output = after[3] if after is not None and follows else None
        found.append(Block(language, title or "", body, text.count("\n", 0, match.start(3)) + 1, output))
    return found


def shown(page: Path) -> str:
    """A page's name, for test ids."""
    return page.relative_to(ROOT).as_posix()


def words() -> str:
    """All pages as one text."""
    return "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
