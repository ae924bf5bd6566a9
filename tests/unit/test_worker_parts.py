"""The parts of worker processes that need none: messages, words, shares, and what can run elsewhere."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from zoo.contracts import Head
from zoo.endings import OUT_OF_MEMORY, in_one_line, memory_words, ran_out_of_memory, reason, words
from zoo.errors import UsageError
from zoo.events import Note, Stage
from zoo.isolation import hindrance, marks_of, selection, strange
from zoo.plugins import load_catalog
from zoo.protocol import GREETING, IsolationError, Sender, Told, receive, skip_to_greeting
from zoo.recipe import complete_augmentation, complete_backbone, complete_head, complete_policy
from zoo.registry import Catalog, Entry
from zoo.sharing import GPUS, Labour, RowQueue, check_labour, variables, visible_gpus
from zoo.values import Recipe, RunRecord, Spec
from zoo.worker import Interrupts

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def interrupts() -> Iterator[Interrupts]:
    """As in a worker; the handler of this process is put back."""
    before = signal.getsignal(signal.SIGINT)
    yield Interrupts()
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
def test_only_the_call_interrupts_a_row_and_only_once(interrupts: Interrupts) -> None:
    """Ctrl-C alone does nothing; what the call wants is raised, but neither in half a message nor in cleaning up."""
    steps = []

    def row() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        steps.append("not stopped by the terminal")
        threading.Timer(0.1, interrupts.want).start()
        try:
            with interrupts.held():
                time.sleep(0.4)
                steps.append("message written")
            steps.append("never reached")
        finally:
            interrupts.want()
            time.sleep(0.01)
            steps.append("cleaned up")

    with pytest.raises(KeyboardInterrupt), interrupts.allowed():
        row()
    interrupts.want()
    assert steps == ["not stopped by the terminal", "message written", "cleaned up"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
def test_an_interrupt_wakes_a_row_that_waits(interrupts: Interrupts) -> None:
    """A row that waits for something is stopped before that comes."""
    came = threading.Event()
    timers = [threading.Timer(0.1, interrupts.want), threading.Timer(20, came.set)]
    for timer in timers:
        timer.start()
    with pytest.raises(KeyboardInterrupt), interrupts.allowed():
        came.wait()
    assert not came.is_set()
    timers[1].cancel()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Reading and writing end."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def recipe(backbone: str = "a") -> Recipe:
    """A recipe on a backbone."""
    names = {"head": Spec("gap"), "policy": Spec("p"), "augmentation": Spec("none")}
    return Recipe(backbone=Spec(backbone), **names, data="d", split="s", classes=("x", "y"))


def test_messages_follow_the_greeting_whatever_was_printed_before(pipe: tuple[int, int]) -> None:
    """What others print while Python starts does not disturb; messages come whole and in order."""
    os.write(pipe[1], b"hello from sitecustomize\n\0zoo" + GREETING)
    sender = Sender(pipe[1])
    for event in (Stage("one", run=3), Note("two")):
        sender.send(Told(event))
    skip_to_greeting(pipe[0])
    assert [receive(pipe[0]).event for _ in range(2)] == [Stage("one", run=3), Note("two")]


def test_the_end_of_a_pipe_is_an_end() -> None:
    """Half a message is no message."""
    source, sink = os.pipe()
    os.write(sink, b"\x10\0\0\0\0\0\0\0half")
    os.close(sink)
    with pytest.raises(EOFError):
        receive(source)
    os.close(source)


def test_what_cannot_be_sent_says_so(pipe: tuple[int, int]) -> None:
    """The cause is in the sentence, and nothing has been written."""
    with pytest.raises(IsolationError, match=r"the data cannot be sent to another process \(.*lambda"):
        Sender(pipe[1]).send(lambda: None)
    Sender(pipe[1]).send("next")
    assert receive(pipe[0]) == "next"


@pytest.mark.skipif(sys.platform == "win32", reason="codes differ")
@pytest.mark.parametrize(
    ("code", "text"),
    [
        (3, "The worker process exited with code 3 while running this row."),
        (-11, "The worker process ended with signal 11 (segmentation fault) while running this row."),
        (-6, "The worker process ended with signal 6 (aborted) while running this row."),
        (-99, "The worker process ended with signal 99 while running this row."),
    ],
)
def test_ends_in_words(code: int, text: str) -> None:
    """Numbers of codes and signals come with what they mean."""
    assert reason(code) == text
    assert words(code) in text


TENSORFLOW = """Graph execution error:

Detected at node sequential/conv/Conv2D defined at (most recent call last):
  File "<string>", line 1, in <module>
OOM when allocating tensor with shape[512,512,512,64] and type float on /job:localhost by allocator cpu
\t [[{{node sequential/conv/Conv2D}}]]
Hint: If you want to see a list of allocated tensors when OOM happens, add report_tensor_allocations_upon_oom.
"""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            RuntimeError(f"ResourceExhaustedError: {TENSORFLOW}"),
            "OOM when allocating tensor with shape[512,512,512,64] and type float on /job:localhost by allocator cpu",
        ),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes."), "RESOURCE_EXHAUSTED: Out of memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 9 bytes."), "[enforce"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."), "CUDA out of memory. Tried to allocate"),
        (MemoryError(), ""),
        (MemoryError("Unable to allocate 9. GiB for an array"), "Unable to allocate 9. GiB for an array"),
    ],
)
def test_memory_that_ran_out_is_said_in_one_line(error: BaseException, line: str) -> None:
    """What backends say of it is found in their pages, and is no longer than a line."""
    told = memory_words(error)
    assert told is not None
    assert told.startswith(line)
    assert "\n" not in told
    assert len(told) <= 200
    assert not told.endswith(".")


def test_other_errors_are_not_taken_for_memory() -> None:
    """Whatever is named in them."""
    assert memory_words(ValueError("cannot allocate a seat")) is None


def test_a_reason_is_one_line_of_sentences() -> None:
    """The message ends before the next step begins."""
    assert in_one_line("There are\n2 classes", "The traceback is there.") == (
        "There are 2 classes. The traceback is there."
    )
    assert in_one_line("Did it?", "") == "Did it?"


@pytest.mark.skipif(sys.platform == "win32", reason="codes differ")
def test_a_kill_is_taken_for_memory() -> None:
    """Signal 9 is how the kernel ends who holds too much; a run that failed so is known by its reason."""
    record = RunRecord(id="x", recipe=recipe(), digest="", status="failed", reason=reason(-9))
    assert record.reason.startswith(f"{OUT_OF_MEMORY}, it seems: the worker process ended with signal 9 (killed)")
    assert ran_out_of_memory(record)
    assert not ran_out_of_memory(RunRecord(id="x", recipe=recipe(), digest="", status="failed", reason=reason(-11)))


def test_a_worker_alone_has_what_the_call_has() -> None:
    """One worker gets no variables of its own, whatever there is."""
    assert variables(0, 1, cores=8, gpus=("0", "1"), environment={}) == {}


def test_several_workers_share_cores_and_have_a_gpu_each() -> None:
    """Threads are divided, at least one each; what the person set stays; GPUs go round."""
    own = [variables(i, 3, cores=8, gpus=("5", "7"), environment={"OMP_NUM_THREADS": "1"}) for i in range(3)]
    threads = {"TF_NUM_INTRAOP_THREADS": "2", "TF_NUM_INTEROP_THREADS": "2"}
    assert own == [{**threads, GPUS: name} for name in ("5", "7", "5")]
    assert variables(1, 4, cores=2, gpus=(), environment={})["OMP_NUM_THREADS"] == "1"


@pytest.mark.parametrize(
    ("installed", "named", "seen"),
    [
        (2, None, ("0", "1")),
        (0, None, ()),
        (4, "2,3", ("2", "3")),
        (4, "", ()),
        (4, "1,-1,2", ("1",)),
        (2, " GPU-abc , GPU-def ", ("GPU-abc", "GPU-def")),
        (0, "0", ()),
    ],
)
def test_gpus_are_those_that_the_person_left_visible(installed: int, named: str | None, seen: tuple[str, ...]) -> None:
    """As CUDA reads its variable: none means all, and what stands after -1 does not count."""
    assert visible_gpus(installed, {} if named is None else {GPUS: named}) == seen


def test_rows_of_a_backbone_stay_with_one_worker_as_long_as_there_are_others() -> None:
    """Two workers take a backbone each, then the free one helps from the far end."""
    rows = RowQueue({i: recipe("a" if i <= 5 else "b") for i in range(1, 8)})
    taken = [rows.next(0), rows.next(1), rows.next(0), rows.next(1), rows.next(1), rows.next(0), rows.next(1)]
    assert taken == [1, 6, 2, 7, 5, 3, 4]
    assert (len(rows), rows.next(0)) == (0, None)


def test_a_worker_with_a_whole_backbone_left_takes_it_before_it_helps() -> None:
    """Three backbones, two workers: the third goes to who is free first."""
    rows = RowQueue({i: recipe(name) for i, name in enumerate("aabbcc", start=1)})
    assert [rows.next(0), rows.next(1), rows.next(1), rows.next(1), rows.next(0), rows.next(1)] == [1, 3, 4, 5, 2, 6]


@pytest.mark.parametrize(
    ("labour", "text"),
    [
        (Labour(-1), "jobs must be a whole number of at least 0, not -1"),
        (Labour(True), "jobs must be a whole number of at least 0, not True"),
        (Labour(1, row_timeout=0), "row_timeout must be a number of seconds greater than 0, not 0"),
        (Labour(1, memory_limit=float("nan")), "memory_limit must be a number of GiB greater than 0, not nan"),
        (Labour(0, row_timeout=5), "row_timeout=5 needs a worker process, and jobs=0 has none"),
    ],
)
def test_labour_that_cannot_be_is_refused(labour: Labour, text: str) -> None:
    """The message names the value; the hint says what to do."""
    with pytest.raises(UsageError, match=text) as caught:
        check_labour(labour)
    assert caught.value.hint


def rows_of(items: Catalog, head: str = "gap") -> list[Any]:
    """One row of built-in items."""
    return [
        (
            complete_backbone(items, "scratch-cnn"),
            complete_head(items, head),
            complete_policy(items, "freeze-all"),
            complete_augmentation(items, "none"),
        )
    ]


def test_a_catalog_made_anew_has_the_same_items() -> None:
    """What `selection` says loads an equal catalog, without what was blocked; and nothing in it is strange."""
    items = load_catalog(blocked=["head_mlp"], only=[])
    blocked, only = selection(items)
    again = load_catalog(blocked=blocked, only=only)
    assert again.names("head") == items.names("head")
    assert "mlp" not in again.names("head")
    marks = marks_of(items, rows_of(items))
    assert [mark.name for mark in marks] == ["scratch-cnn", "gap", "freeze-all", "none"]
    assert hindrance(items, marks) == ""
    assert strange(again, marks) == ()


def test_an_item_that_was_changed_is_strange() -> None:
    """Another function under the same name and origin is not the same item, and neither is another default."""
    items = load_catalog(only=[])
    marks = marks_of(items, rows_of(items))
    gap = items.head("gap")
    for build in (print, partial(gap.build, dropout=0.5)):
        changed = Head(name="gap", title=gap.title, build=build, options=gap.options)
        others = tuple(entry for entry in items.entries if entry.item is not gap)
        odd = Catalog(entries=(*others, Entry(changed, items.origin("head", "gap"))), plugins=items.plugins)
        assert strange(odd, marks) == ("head 'gap'",)


def test_items_given_in_this_process_stay_in_it(catalog: Catalog) -> None:
    """A catalog with plugin objects can be used elsewhere for the rows that name none of them."""
    assert hindrance(catalog, marks_of(catalog, rows_of(catalog))) == ""
    given = [(complete_backbone(catalog, "tiny"), *rows_of(catalog)[0][1:])]
    assert hindrance(catalog, marks_of(catalog, given)) == "backbone 'tiny' was given in this process"
    bare = Catalog(entries=catalog.entries)
    assert "was given" not in hindrance(bare, marks_of(bare, rows_of(bare)))
    assert hindrance(bare, marks_of(bare, rows_of(bare))).endswith("were given in this process")
