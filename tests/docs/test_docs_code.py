"""The Python code of the documentation runs, and prints what the page says."""

from __future__ import annotations

import ast
import contextlib
import inspect
import io
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING

import pytest
from markdown_pages import DOCS, ROOT, Block, blocks, shown

import zoo
from zoo.plugins import load_catalog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUN = [page for page in sorted(DOCS.rglob("*.md")) if any(block.language == "python" for block in blocks(page))]
"""Pages with code. That of the README trains real networks on pictures of the reader's; it is looked at, not run."""


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to work in, from which modules can be imported; they are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def write_files(page: Path, folder: Path) -> list[str]:
    """Puts the blocks that are files into a folder; returns their names."""
    files = [block for block in blocks(page) if block.title]
    for block in files:
        (folder / block.title).write_text(block.text, encoding="utf-8")
    return [block.title for block in files]


def run(block: Block, page: Path, names: dict[str, object]) -> str:
    """Runs a block with the names that earlier ones left; returns what it prints."""
    code = compile("\n" * (block.line - 1) + block.text, str(page), "exec")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, names)  # noqa: S102 - our own documentation
    return printed.getvalue()


@pytest.mark.parametrize("page", RUN, ids=shown)
def test_code_runs_and_prints_what_the_page_says(page: Path, workplace: Path) -> None:
    """Blocks run in order in one namespace; a text block right after one is its output."""
    write_files(page, workplace)
    names: dict[str, object] = {"__name__": page.stem}
    for block in blocks(page):
        if block.language == "python" and not block.title:
            printed = run(block, page, names)
            assert block.output is None or printed == block.output, f"{shown(page)}, line {block.line}"


def test_a_wrong_output_would_be_noticed(tmp_path: Path) -> None:
    """The collector pairs a block with the text after it, and with that only."""
    page = tmp_path / "page.md"
    page.write_text("```python\nprint(1)\n```\n\n```text\n2\n```\n\n```python\n3\n```\n\nwords\n\n```text\n4\n```\n")
    first, _, third, _ = blocks(page)
    assert (first.output, third.output) == ("2\n", None)
    assert run(first, page, {}) == "1\n"


def test_the_tutorial_s_tests_pass(workplace: Path) -> None:
    """The test file of the policy tutorial is green."""
    assert "test_zoo_head_first.py" in write_files(DOCS / "tutorial" / "first-policy.md", workplace)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        "test_zoo_head_first.py",
    ]
    done = subprocess.run(command, cwd=workplace, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_the_tutorial_s_plugin_is_a_plugin(workplace: Path) -> None:
    """What its pyproject names in the group `zoo` can be imported and contributes the policy."""
    write_files(DOCS / "tutorial" / "first-policy.md", workplace)
    project = tomllib.loads((workplace / "pyproject.toml").read_text(encoding="utf-8"))
    (point,) = project["project"]["entry-points"]["zoo"].items()
    plugin = EntryPoint(*point, "zoo").load()
    catalog = load_catalog(only=[], extra=[plugin], strict=True)
    assert catalog.policy("head-first").plan is plugin.plan
    assert f"{point[1]}.py" in project["tool"]["hatch"]["build"]["targets"]["wheel"]["include"]


def test_calls_in_the_readme_exist() -> None:
    """Every `zoo.name` in the README is public, and its keywords are parameters."""
    (code,) = (block.text for block in blocks(ROOT / "README.md") if block.language == "python")
    calls = [
        node
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "zoo"
    ]
    assert {call.func.attr for call in calls} == {"compare", "fit"}
    for call in calls:
        assert call.func.attr in zoo.__all__
        parameters = inspect.signature(getattr(zoo, call.func.attr)).parameters
        assert {keyword.arg for keyword in call.keywords} <= set(parameters)
    for attribute in ("scores", "receipt", "predict", "model"):
        assert f"run.{attribute}" in (ROOT / "README.md").read_text(encoding="utf-8")
        assert hasattr(zoo.Run, attribute)
