"""The rules of the architecture that a tool can keep."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted([*(ROOT / "zoo").rglob("*.py"), *(ROOT / "plugins").glob("*/zoo_*/**/*.py")])
TESTS = sorted([*(ROOT / "tests").rglob("*.py"), *(ROOT / "plugins").glob("*/tests/**/*.py")])
MOST_LINES, MOST_TEST_LINES, MOST_FUNCTION_LINES = 360, 400, 45


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's code, without signature and docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body and body[-1].end_lineno else 0


def name(path: Path) -> str:
    """Readable test id."""
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_files_and_functions_are_short(path: Path) -> None:
    """No file and no function grows beyond what can be read at once."""
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    functions = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert [f.name for f in functions if body_lines(f) > MOST_FUNCTION_LINES] == []


@pytest.mark.parametrize("path", TESTS, ids=name)
def test_test_files_are_short(path: Path) -> None:
    """Test files stay readable too."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_TEST_LINES


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_no_module_state(path: Path) -> None:
    """No function changes a global."""
    assert not any(isinstance(node, ast.Global) for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def test_public_names_are_what_can_be_imported() -> None:
    """`zoo.__all__` is sorted without regard to case, and each name is there."""
    import zoo

    assert list(zoo.__all__) == sorted(zoo.__all__, key=str.lower)
    assert [name for name in zoo.__all__ if getattr(zoo, name, None) is None] == []
    assert set(zoo.__all__) <= set(dir(zoo))


@pytest.mark.parametrize(
    "code",
    ["import zoo", "import zoo; zoo.backbones(); zoo.policies()", "import zoo; zoo.hookimpl; zoo.Backbone"],
)
def test_pitfall_98_importing_and_listing_load_no_keras(code: str) -> None:
    """Neither Keras nor a backend is loaded before it is needed."""
    check = f"{code}\nimport sys\nprint(sorted({{'keras','tensorflow','jax','torch','keras_cv'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
