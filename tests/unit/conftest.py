"""What tests of the benchmarks share."""

from __future__ import annotations

from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The modules of the benchmarks can be imported, as they can by their programs."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
