"""Whether a process lives."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

import pytest

from zoo.process import Process, this_process


@pytest.fixture
def child() -> Process:
    """A process that has ended; its number may be used again."""
    ended = subprocess.run(
        [sys.executable, "-c", "from zoo.process import this_process as me; p = me(); print(p.pid, p.born, sep='|')"],
        capture_output=True,
        text=True,
        check=True,
    )
    pid, born = ended.stdout.strip().split("|")
    return Process(int(pid), this_process().host, born)


def test_this_process_lives() -> None:
    """The process that asks knows its number and that it is alive."""
    me = this_process()
    assert me.pid == os.getpid()
    assert me.alive() is True


def test_an_ended_process_does_not_live(child: Process) -> None:
    """A process that has ended is known to be dead."""
    assert child.alive() is False


def test_a_number_that_is_used_again_is_another_process(child: Process) -> None:
    """The number of a living process with another birth belongs to somebody else."""
    assert child.born != this_process().born
    assert dataclasses.replace(child, pid=os.getpid()).alive() is False


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="This system has no zombies, or no way to wait for one.")
def test_a_process_that_was_killed_and_not_yet_collected_is_dead() -> None:
    """A zombie has a number and a birth, but does nothing any more."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as sleeper:
        born = Process(sleeper.pid, this_process().host, "").alive()
        sleeper.kill()
        os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
        assert (born, Process(sleeper.pid, this_process().host, "").alive()) == (True, False)


def test_nothing_is_known_of_other_machines() -> None:
    """A process on another machine may live or not."""
    assert dataclasses.replace(this_process(), host="elsewhere").alive() is None


@pytest.mark.parametrize("pid", [2**31 - 1, 2**70])
def test_numbers_that_no_process_can_have(pid: int) -> None:
    """A number beyond the largest is nobody's."""
    assert Process(pid, this_process().host, "x").alive() is False
