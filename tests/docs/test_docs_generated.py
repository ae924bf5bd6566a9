"""The pages that a program writes say what the code says."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from markdown_pages import DOCS

if TYPE_CHECKING:
    from pathlib import Path


def generate(*words: str) -> subprocess.CompletedProcess[str]:
    """Runs the generator."""
    command = [sys.executable, str(DOCS / "generate.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """A folder of freshly written pages."""
    folder = tmp_path / "reference"
    folder.mkdir()
    assert generate("--folder", str(folder)).returncode == 0
    return folder


def test_generated_pages_are_fresh() -> None:
    """`python docs/generate.py --check` finds nothing to do."""
    done = generate("--check")
    assert (done.returncode, done.stderr) == (0, "")


def test_stale_pages_are_named(pages: Path) -> None:
    """A page that was changed by hand and one that is missing fail the check, by name, and are left alone."""
    changed = pages / "cli.md"
    changed.write_text(changed.read_text(encoding="utf-8").replace("--seeds N", "--seed N"), encoding="utf-8")
    (pages / "errors.md").unlink()
    before = changed.read_bytes()
    done = generate("--check", "--folder", str(pages))
    assert done.returncode == 1
    assert done.stderr == "stale: cli.md, errors.md. Run: python docs/generate.py\n"
    assert changed.read_bytes() == before
    assert not (pages / "errors.md").exists()


def test_generating_mends_them(pages: Path) -> None:
    """A run without `--check` writes the same bytes again over a page that was changed."""
    before = {page.name: page.read_bytes() for page in pages.glob("*.md")}
    (pages / "catalog.md").write_text("old", encoding="utf-8")
    assert generate("--folder", str(pages)).returncode == 0
    assert {page.name: page.read_bytes() for page in pages.glob("*.md")} == before
    assert len(before) >= 5
