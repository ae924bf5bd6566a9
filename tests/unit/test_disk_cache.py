"""The cache on disk: what comes back, who leaves first, and what goes wrong without an error."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import pytest

from zoo import disk_entries, disk_space
from zoo.disk_cache import DiskCache
from zoo.events import Event, Note

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MIB = 2**20


def put(cache: DiskCache, key: str, *arrays: np.ndarray, kind: Any = "pixels") -> bool:
    """Writes arrays under a key; whether there was a draft."""
    about = {"data": "photos"}
    shapes, dtypes = [one.shape for one in arrays], [one.dtype for one in arrays]
    with cache.create(key, kind=kind, shapes=shapes, dtypes=dtypes, about=about) as draft:
        if draft is not None:
            for target, source in zip(draft.arrays, arrays, strict=True):
                target[...] = source
    return draft is not None


def used(cache: DiskCache, key: str, *, seconds_ago: float) -> None:
    """Sets when an entry was last used."""
    when = datetime.now(UTC).timestamp() - seconds_ago
    os.utime(cache._place(key) / "entry.json", (when, when))


@pytest.fixture
def notes() -> list[str]:
    """What the cache told."""
    return []


@pytest.fixture
def cache(tmp_path: Path, notes: list[str]) -> DiskCache:
    """An empty cache of 10 MiB."""

    def observe(event: Event) -> None:
        assert isinstance(event, Note)
        notes.append(event.text)

    return DiskCache(tmp_path / "work", limit=10 * MIB, observe=observe)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float16, ml_dtypes.bfloat16, ">i4"])
def test_what_was_kept_comes_back_to_the_bit(cache: DiskCache, dtype: Any) -> None:
    """All types of numbers, several arrays, none of them empty or some: shapes, types and bits are those written."""
    draw = np.random.default_rng(0)
    first, second = draw.integers(0, 100, (5, 3, 2)).astype(dtype), np.empty((0, 4), dtype)
    assert cache.find("key") is None
    assert put(cache, "key", first, second, np.array(7, dtype))
    for fresh in (cache, DiskCache(cache.folder, limit=0)):
        found = fresh.find("key")
        assert found is not None
        assert [one.dtype for one in found] == [np.dtype(dtype)] * 3
        assert [one.shape for one in found] == [(5, 3, 2), (0, 4), ()]
        assert found[0].tobytes() == first.tobytes()
        assert found[2] == 7


def test_the_arrays_are_read_only_maps(cache: DiskCache) -> None:
    """Nobody can write into the cache by accident, nor is it read into memory."""
    put(cache, "key", np.ones((4, 4), np.uint8), np.empty((0, 2), np.uint8))
    found = cache.find("key") or ()
    assert isinstance(found[0], np.memmap)
    assert not any(one.flags.writeable for one in found)
    with pytest.raises(ValueError, match="read-only"):
        found[0][0] = 2


def test_an_exception_in_the_block_leaves_nothing(cache: DiskCache) -> None:
    """The draft goes with the exception, which is passed on, KeyboardInterrupt too."""
    for error in (ValueError, KeyboardInterrupt, OSError(errno.EIO, "broken")):
        with (
            pytest.raises(error if isinstance(error, type) else OSError),
            cache.create("key", kind="pixels", shapes=[(3,)], dtypes=[np.uint8], about={}),
        ):
            raise error
        assert list(cache.folder.iterdir()) == []
        assert cache.find("key") is None


def test_a_disk_that_fills_up_costs_the_entry_only(cache: DiskCache, notes: list[str]) -> None:
    """ENOSPC inside the block is told once and not raised; the entry is not there."""
    for key in ("a", "b"):
        with cache.create(key, kind="features", shapes=[(3,)], dtypes=[np.uint8], about={}) as draft:
            assert draft is not None
            raise OSError(errno.ENOSPC, "No space left on device")
        assert cache.find(key) is None
    assert list(cache.folder.iterdir()) == []
    said = f"The cache in {cache.folder} cannot be written (No space left on device)"
    assert notes == [f"{said}: the features are not kept for later calls."]


def test_a_full_disk_without_a_draft_is_the_callers_error(cache: DiskCache) -> None:
    """Where the cache writes nothing, an ENOSPC is from something else, and passes."""
    big = [(11 * MIB,)]
    with (
        pytest.raises(OSError, match="full"),
        cache.create("a", kind="pixels", shapes=big, dtypes=["u1"], about={}) as no,
    ):
        raise OSError(errno.ENOSPC, "full")
    assert no is None


def test_no_room_to_reserve_is_told(cache: DiskCache, notes: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Space that cannot be reserved, or a description that cannot be written, gives no entry and one note."""

    def full(*_args: object, **_keys: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for name in ("reserve", "publish"):
        with monkeypatch.context() as patch:
            patch.setattr(disk_entries, name, full)
            assert put(cache, "key", np.ones(3)) == (name == "publish")
        assert cache.find("key") is None
        assert list(cache.folder.iterdir()) == []
    assert len(notes) == 1
    assert put(cache, "key", np.ones(3))


def test_a_disk_is_not_filled_up(cache: DiskCache, notes: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that would take of the spare space is not begun, and what is there is not thrown out in vain."""
    put(cache, "old", np.ones(MIB, np.uint8))
    monkeypatch.setattr(disk_space, "free", lambda _folder: 2 * MIB)
    assert put(cache, "small", np.ones(MIB, np.uint8))
    assert not put(cache, "large", np.ones(5 * MIB, np.uint8))
    assert not put(cache, "large", np.ones(5 * MIB, np.uint8))
    assert [entry.key for entry in cache.entries()] == ["small", "old"]
    assert len(notes) == 1
    assert "take 5.0 MiB, for which there is no room in the cache" in notes[0]
    used(cache, "old", seconds_ago=60)
    assert put(cache, "fits", np.ones(3 * MIB, np.uint8))  # once the oldest is gone
    assert [entry.key for entry in cache.entries()] == ["fits", "small"]


def test_the_least_recently_used_leave_when_the_limit_would_be_passed(cache: DiskCache, notes: list[str]) -> None:
    """Finding an entry counts as use. An entry above the limit is not made, and is told once."""
    for number, key in enumerate("abc"):
        put(cache, key, np.full(3 * MIB, number, np.uint8))
        used(cache, key, seconds_ago=100 - number)
    kept = cache.find("a")
    assert put(cache, "d", np.ones(4 * MIB, np.uint8))
    assert {entry.key for entry in cache.entries()} == {"a", "c", "d"}
    assert put(cache, "e", np.ones(10 * MIB, np.uint8))
    assert [entry.key for entry in cache.entries()] == ["e"]
    assert kept is not None
    assert not kept[0].any()  # what is in use stays valid
    assert not notes
    assert not put(cache, "f", np.ones(10 * MIB + 1, np.uint8))
    assert not put(cache, "f", np.ones(10 * MIB + 1, np.uint8))
    assert len(notes) == 1
    assert notes[0].startswith(
        "The pixels take 10.0 MiB, more than the 10.0 MiB that the cache on disk may hold: they are"
    )
    assert [entry.key for entry in cache.entries()] == ["e"]


@pytest.mark.parametrize("damage", ["flip", "short", "no file", "no description", "no json", "no object", "no array"])
def test_a_damaged_entry_counts_as_absent(cache: DiskCache, damage: str) -> None:
    """Whatever is wrong with an entry, it is removed and can be made again."""
    put(cache, "key", np.arange(1000))
    place = cache._place("key")
    data = bytearray((place / "0.bin").read_bytes())
    described = json.loads((place / "entry.json").read_text())
    if damage == "flip":
        data[4321] ^= 1
    (place / "0.bin").write_bytes(data[:-1] if damage == "short" else data)
    if damage.startswith("no "):
        (place / ("0.bin" if damage == "no file" else "entry.json")).unlink()
    texts = {"no json": "{", "no object": "[]", "no array": json.dumps({**described, "arrays": [{"shape": None}]})}
    if damage in texts:
        (place / "entry.json").write_text(texts[damage])
    fresh = DiskCache(cache.folder, limit=MIB)
    assert fresh.find("key") is None
    assert not place.exists()
    assert put(fresh, "key", np.arange(1000))
    assert np.array_equal((fresh.find("key") or ())[0], np.arange(1000))


@pytest.mark.skipif(
    os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_folder_that_cannot_be_written_by_its_mode(cache: DiskCache, notes: list[str]) -> None:
    """What is in it is found; nothing is kept, and a note says so."""
    put(cache, "key", np.ones(3))
    cache.folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert cache.find("key") is not None
        assert not put(cache, "other", np.ones(3))
        assert len(notes) == 1
    finally:
        cache.folder.chmod(stat.S_IRWXU)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """Where a file is in the way there is no cache, no error, and one note for all that is not kept."""
    (tmp_path / "file").write_text("")
    seen: list[Event] = []
    cache = DiskCache(tmp_path / "file" / "work", limit=MIB, observe=seen.append)
    for key in "ab":
        assert cache.find(key) is None
        assert not put(cache, key, np.ones(3))
    assert (cache.entries(), cache.prune()) == ((), ())
    assert len(seen) == 1
    assert "cannot be written" in str(seen[0])


def test_entries_say_what_they_are(cache: DiskCache) -> None:
    """Key, kind, size, time of last use, and what was said about them; the most recently used first."""
    put(cache, "old", np.ones(3, np.float32), kind="features")
    used(cache, "old", seconds_ago=3600)
    put(cache, "new", np.ones(5, np.uint8))
    new, old = cache.entries()
    assert (new.key, new.kind, new.bytes, dict(new.about)) == ("new", "pixels", 5, {"data": "photos"})
    assert (old.key, old.kind, old.bytes) == ("old", "features", 12)
    assert datetime.fromisoformat(new.last_used) - datetime.fromisoformat(old.last_used) >= timedelta(seconds=3598)
    assert cache.find("old") is not None
    used(cache, "new", seconds_ago=60)
    assert [entry.key for entry in cache.entries()] == ["old", "new"]


def test_prune_removes_what_is_asked(cache: DiskCache) -> None:
    """By kind, by age and down to a size; without a choice all goes, and no file is left."""
    for number, (key, kind) in enumerate([("a", "pixels"), ("b", "features"), ("c", "pixels"), ("d", "features")]):
        put(cache, key, np.ones(MIB, np.uint8), kind=kind)
        used(cache, key, seconds_ago=1000 - 100 * number)
    assert [entry.key for entry in cache.prune(older_than=timedelta(seconds=950))] == ["a"]
    assert [entry.key for entry in cache.prune(kind="features", to_bytes=MIB)] == ["b"]
    assert cache.prune(to_bytes=2 * MIB) == ()
    assert [entry.key for entry in cache.prune(to_bytes=2 * MIB - 1)] == ["c"]
    put(cache, "empty", np.ones(0))
    assert len(cache.prune()) == 2
    assert list(cache.folder.iterdir()) == []


WRITER = """
import sys, time
import numpy as np
from pathlib import Path
from zoo.disk_cache import DiskCache
folder, mode, me = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
cache = DiskCache(folder, limit=2**24, observe=lambda event: sys.exit(f"told: {event}"))
if mode == "stuck":
    with cache.create("stuck", kind="pixels", shapes=[(1000,)], dtypes=["u1"], about={}) as draft:
        draft.arrays[0][:] = 1
        print("writing", flush=True)
        time.sleep(600)
for turn in range(60):
    key, value = f"key {turn % 7}", turn % 7
    found = cache.find(key)
    if found is None:
        with cache.create(key, kind="pixels", shapes=[(50_000,)], dtypes=["u1"], about={"by": me}) as draft:
            draft.arrays[0][:] = value
        found = cache.find(key)
    if found is not None:  # somebody may have pruned it
        assert (found[0] == value).all()
    if turn % 10 == me:
        cache.prune(to_bytes=100_000)
        assert found is None or (found[0] == value).all()
"""


def test_several_processes_share_a_folder(tmp_path: Path) -> None:
    """Four processes that make, find and prune the same entries see no half of one, no error and no note."""
    command = [sys.executable, "-c", WRITER, str(tmp_path / "work"), "share"]
    workers = [subprocess.Popen([*command, str(number)], stderr=subprocess.PIPE, text=True) for number in range(4)]
    assert [(worker.communicate(timeout=120)[1], worker.returncode) for worker in workers] == [("", 0)] * 4
    left = [one.name for one in (tmp_path / "work").iterdir()]
    assert not [name for name in left if name.startswith(("draft", "gone"))]


def test_the_second_to_finish_uses_what_the_first_has_made(cache: DiskCache, notes: list[str]) -> None:
    """Two drafts of one key: the first to be finished stays, the other leaves no trace and no note."""
    other = DiskCache(cache.folder, limit=MIB)
    with cache.create("key", kind="pixels", shapes=[(3,)], dtypes=["u1"], about={}) as draft:
        assert draft is not None
        draft.arrays[0][:] = 5
        assert put(other, "key", np.full(3, 5, np.uint8))
        first = other.entries()
    assert cache.entries() == first
    assert (cache.find("key") or ())[0].tolist() == [5, 5, 5]
    assert len(list(cache.folder.iterdir())) == 1
    assert not notes


def test_what_a_killed_process_has_begun_is_cleared_away(cache: DiskCache) -> None:
    """While the process lives its draft stays and counts; after kill -9 the next draft or prune removes it."""
    command = [sys.executable, "-c", WRITER, str(cache.folder), "stuck", "0"]
    small = DiskCache(cache.folder, limit=1500)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as victim:
        try:
            assert victim.stdout is not None
            assert victim.stdout.readline() == "writing\n"
            put(cache, "mine", np.ones(3))
            made = put(small, "too much beside the draft", np.ones(600, np.uint8))
        finally:
            victim.kill()
    assert not made
    assert cache.find("stuck") is None
    assert len(list(cache.folder.iterdir())) == 2
    assert put(small, "other", np.ones(600, np.uint8))
    assert sorted(entry.key for entry in cache.entries()) == ["mine", "other"]
    assert len(list(cache.folder.iterdir())) == 2


def test_a_draft_of_another_machine_is_given_up_after_a_week(cache: DiskCache) -> None:
    """Whether that process lives cannot be known, so its age decides; so it does for a draft without an owner."""
    for name, days, owned in (("young", 6, True), ("old", 8, True), ("nobody", 8, False)):
        draft = cache.folder / f"draft-{name}"
        draft.mkdir(parents=True)
        if owned:
            owner = {"pid": 1, "host": "elsewhere", "born": "", "bytes": 5}
            (draft / "owner.json").write_text(json.dumps(owner))
        when = datetime.now(UTC).timestamp() - days * 86_400
        os.utime(draft, (when, when))
    cache.prune()
    assert [one.name for one in cache.folder.iterdir()] == ["draft-young"]


def test_an_entry_that_was_made_and_removed_meanwhile_is_no_reason_for_a_note(
    cache: DiskCache, notes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process finishes the key first, a third prunes it: the draft goes, and the folder counts as sound."""
    publish = disk_entries.publish

    def beaten(draft: Path, place: Path, description: Mapping[str, Any]) -> None:
        try:
            publish(draft, place, description)
        finally:
            DiskCache(cache.folder, limit=MIB).prune()

    with cache.create("key", kind="pixels", shapes=[(3,)], dtypes=["u1"], about={}) as draft:
        assert draft is not None
        assert put(DiskCache(cache.folder, limit=MIB), "key", np.ones(3, np.uint8))
        monkeypatch.setattr(disk_entries, "publish", beaten)
    assert (notes, list(cache.folder.iterdir())) == ([], [])
