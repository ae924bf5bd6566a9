"""The map of the code: its layers, as the import contract has them, with what each module says of itself."""

from __future__ import annotations

import ast
import configparser
import re
from pathlib import Path

from generator.markdown import page, table

_ROOT = Path(__file__).resolve().parents[2]
_INTRO = (
    "From the contract in `.importlinter`, top to bottom: imports only point down, and `lint-imports` keeps it so. Why "
    "the code is cut like this: [architecture](../explanation/architecture.md)."
)


def write() -> str:
    """The page."""
    contract = configparser.ConfigParser()
    contract.read(_ROOT / ".importlinter", encoding="utf-8")
    layers = contract["importlinter:contract:layers"]["layers"].split("\n")
    names = [re.findall(r"\w+", layer.partition("#")[0]) for layer in layers]
    rows = [
        (height if name == layer[0] else "", f"`zoo.{name}`", _words(name))
        for height, layer in zip(range(len(names), 0, -1), names, strict=True)
        for name in layer
    ]
    return page("Modules", (_INTRO, table(("layer", "module", "what it holds"), rows)))


def _words(name: str) -> str:
    """The first paragraph of a module's or package's docstring."""
    path = _ROOT / "zoo" / name
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())
