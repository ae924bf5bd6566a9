"""Files of what was measured: JSON with a line for each row, so that it is small and can be read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LONGEST = 400
"""Characters of an object or list that stays on one line."""


def write(found: dict[str, Any], path: Path) -> None:
    """Writes a document."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_text(found, "") + "\n", encoding="utf-8", newline="\n")


def _text(value: Any, indent: str) -> str:  # noqa: ANN401 - any JSON
    short = json.dumps(value, ensure_ascii=False)
    if len(short) <= LONGEST or not isinstance(value, dict | list):
        return short
    deeper = indent + " "
    if isinstance(value, list):
        return "[\n" + ",\n".join(deeper + _text(one, deeper) for one in value) + f"\n{indent}]"
    lines = (f"{deeper}{json.dumps(name)}: {_text(one, deeper)}" for name, one in value.items())
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"


def read(paths: Sequence[Path]) -> dict[str, Any]:
    """Documents of one part as one: the settings of the first, and all cells or rows."""
    found: dict[str, Any]
    found, *others = (json.loads(path.read_text(encoding="utf-8")) for path in paths)
    for other in others:
        for name in ("cells", "rows"):
            if name in found:
                found[name] += other[name]
    return found


def place(table: str, page: Path, name: str) -> None:
    """Puts a table between `<!-- results:NAME -->` and its end on a page.

    Raises:
        ValueError: The page has no such place.
    """
    text = page.read_text(encoding="utf-8")
    before, opened, rest = text.partition(f"<!-- results:{name} -->\n")
    _, closed, after = rest.partition(f"<!-- /results:{name} -->\n")
    if not closed:
        raise ValueError(f"{page} has no place for results:{name}.")
    page.write_text(f"{before}{opened}```text\n{table}\n```\n{closed}{after}", encoding="utf-8", newline="\n")
