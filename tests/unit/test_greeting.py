"""TensorFlow's greeting stays off the terminal, and nothing else does."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from zoo.greeting import without_greeting

GREETING = (
    b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
    b"I0000 00:00:1795584914.577762   15227 port.cc:153] oneDNN custom operations are on. You may see more.\n"
    b"I0000 00:00:1795584914.577762   15227 cpu_feature_guard.cc:227] This binary is optimized to use instructions.\n"
    b"To enable the following instructions: AVX2 FMA, in other operations, rebuild.\n"
)


def test_the_greeting_is_held_back_and_the_rest_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    """What a library writes meanwhile comes out in order, the lines of the greeting do not."""
    with without_greeting():
        os.write(2, b"before\n" + GREETING + b"after")
    assert capfd.readouterr().err == "before\nafter"


def test_an_error_passes_and_what_was_written_comes_out(capfd: pytest.CaptureFixture[str]) -> None:
    """An import that fails loses neither its exception nor its words."""

    def load() -> None:
        with without_greeting():
            os.write(2, b"cannot load libx.so\n")
            raise ImportError("no such library")

    with pytest.raises(ImportError, match="no such library"):
        load()
    os.write(2, b"again\n")
    assert capfd.readouterr().err == "cannot load libx.so\nagain\n"


def test_a_process_without_standard_error_starts_as_well() -> None:
    """Where descriptor 2 is closed there is nothing to hold back, and the block runs."""
    code = (
        "import os; os.close(2)\nfrom zoo.greeting import without_greeting\nwith without_greeting():\n    print('ran')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "ran"


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_lines_may_come_in_pieces(size: int, capfd: pytest.CaptureFixture[str]) -> None:
    """However a library and a display cut their output, the greeting goes and every other byte stays."""
    text = b"\x1b[2K\rdrawing I0000 port.cc: none\n" + GREETING + b"I0000 other.cc:1] told\nTo be continued"
    with without_greeting():
        for start in range(0, len(text), size):
            os.write(2, text[start : start + size])
    assert capfd.readouterr().err.encode() == text.replace(GREETING, b"")


def test_a_display_is_not_held_up(capfd: pytest.CaptureFixture[str]) -> None:
    """What is no greeting is passed on while the block still runs, without waiting for the end of its line."""
    with without_greeting():
        os.write(2, b"\rpreparing 3 s")
        seen = ""
        for _ in range(200):
            seen += capfd.readouterr().err
            if seen:
                break
            time.sleep(0.01)
    assert seen == "\rpreparing 3 s"
