"""The SQLite file under the store: damage, other versions, other file systems, full and locked disks."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from zoo import schema
from zoo.errors import RunFormatError, StoreError
from zoo.schema import Database, on_network
from zoo.store import Store


def run(path: Path, *statements: str) -> list[tuple[object, ...]]:
    """Changes the file behind the library's back; the rows of the last statement."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        return [database.execute(statement).fetchall() for statement in statements][-1]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a store that was used and closed."""
    with Store(tmp_path) as opened:
        opened.save_board_context("d", "s", {"kept": True})
    return tmp_path / "zoo.sqlite"


def test_a_folder_with_other_files_becomes_a_store(tmp_path: Path) -> None:
    """Other files are left alone, and folders on the way are made."""
    (tmp_path / "photo.jpg").write_bytes(b"x")
    with Store(tmp_path), Store(tmp_path / "new" / "deep"):
        pass
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["new", "photo.jpg", "runs", "zoo.sqlite"]


def test_wal_is_used_where_it_can(path: Path) -> None:
    """On a local disk readers do not wait for a writer."""
    if on_network(path.parent):
        pytest.skip("The temporary folder is on a network file system.")
    assert run(path, "PRAGMA journal_mode") == [("wal",)]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows names network folders by their path.")
@pytest.mark.parametrize("kind", ["nfs4", "fuse.sshfs"])
def test_network_folders_get_another_journal(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Where memory cannot be shared, a store that was in WAL mode changes over and loses nothing."""
    device = tmp_path.stat().st_dev
    mounts = tmp_path / "mounts"
    mounts.write_text(f"36 35 {os.major(device)}:{os.minor(device)} / / rw shared:1 - {kind} host:/x rw\n")
    monkeypatch.setattr(on_network, "__kwdefaults__", {"mounts": mounts})
    with Store(path.parent) as opened:
        assert opened.board_contexts() == ({"kept": True},)
    assert run(path, "PRAGMA journal_mode") == [("delete",)]


def test_a_file_system_without_shared_memory_gets_another_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where SQLite itself fails to start WAL, the store works all the same."""

    class Stubborn(sqlite3.Connection):
        def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
            if statement.endswith("= wal"):
                raise sqlite3.OperationalError("disk I/O error")
            return super().execute(statement, *values)

    real = sqlite3.connect
    monkeypatch.setattr("sqlite3.connect", lambda *place, **options: real(*place, factory=Stubborn, **options))
    with Store(tmp_path) as opened:
        opened.save_board_context("d", "s", {})
        assert opened.board_contexts() == ({},)


def test_mounts_that_do_not_name_the_device_are_local(tmp_path: Path) -> None:
    """Another device's network mount, damaged lines and a missing list say nothing about this folder."""
    (tmp_path / "mounts").write_text("36 35 0:999999 / / rw - nfs host:/x rw\n\nnonsense\n", encoding="utf-8")
    assert not on_network(tmp_path, mounts=tmp_path / "mounts")
    assert not on_network(tmp_path, mounts=tmp_path / "none")


def test_a_newer_store_is_refused_and_untouched(path: Path) -> None:
    """What a later version wrote is neither read by half nor changed by one byte."""
    run(path, "UPDATE zoo_schema SET value = '99' WHERE key = 'version'", "PRAGMA wal_checkpoint(TRUNCATE)")
    before = path.read_bytes()
    with pytest.raises(RunFormatError, match=r"has format 99; this version of keras-zoo reads up to \d+") as caught:
        Store(path.parent)
    assert "Update keras-zoo" in caught.value.hint
    assert path.read_bytes() == before


def test_an_older_store_is_migrated_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later version adds its steps, keeps what is there, and does not repeat them."""
    step = ("ALTER TABLE runs ADD COLUMN colour TEXT", "UPDATE board_contexts SET context = '{\"new\":1}'")
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, step))
    for _ in range(2):
        with Store(path.parent) as opened:
            assert opened.board_contexts() == ({"new": 1},)
    assert run(path, "SELECT value FROM zoo_schema") == [(str(len(schema.MIGRATIONS)),)]
    assert run(path, "SELECT colour FROM runs") == []


def test_a_migration_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps are taken in one transaction: the old version still reads the store after one of them failed."""
    step = ("DELETE FROM board_contexts", "nonsense")
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, step))
        with pytest.raises(StoreError, match='near "nonsense": syntax error'):
            Store(path.parent)
    with Store(path.parent) as opened:
        assert opened.board_contexts() == ({"kept": True},)


@pytest.mark.parametrize("damage", [b"not a database at all" * 100, b"SQLite format 3\0" + b"\xff" * 4000])
def test_a_damaged_file_is_named(path: Path, damage: bytes) -> None:
    """The message names the file, the hint says what to do, and the file stays as it is."""
    path.write_bytes(damage)
    with pytest.raises(StoreError, match=r"The store .*zoo\.sqlite failed: ") as caught:
        Store(path.parent)
    assert caught.value.hint.startswith("The file is damaged")
    assert path.read_bytes() == damage


def test_pages_that_are_damaged_are_found_in_use(path: Path) -> None:
    """A file that opens but has a torn middle fails with the same kind of message."""
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StoreError, match="malformed") as caught, Store(path.parent) as opened:
        opened.board_contexts()
    assert "restore a copy" in caught.value.hint


def test_another_program_s_database_is_left_alone(tmp_path: Path) -> None:
    """An SQLite file of somebody else is not filled with our tables."""
    run(tmp_path / "zoo.sqlite", "CREATE TABLE animals (name TEXT)")
    with pytest.raises(StoreError, match="is an SQLite file, but no store of runs"):
        Store(tmp_path)
    assert run(tmp_path / "zoo.sqlite", "SELECT name FROM sqlite_master") == [("animals",)]


def test_a_full_disk_is_told_and_nothing_is_half_written(path: Path) -> None:
    """When no page can be added, the write fails as a whole and says so."""
    with Store(path.parent) as opened:
        opened._database.read(f"PRAGMA max_page_count = {opened._database.read('PRAGMA page_count')[0][0]}")
        with pytest.raises(StoreError, match="database or disk is full") as caught:
            opened.save_board_context("d", "s", {"big": "x" * 100_000})
        assert caught.value.hint == "Free some space on that disk."
        assert opened.board_contexts() == ({"kept": True},)


def test_a_writer_that_hangs_is_told(path: Path) -> None:
    """After the time that was given, the message says that somebody else is writing."""
    with Database(path).transaction(), Store(path.parent, timeout=0.1) as waiting:
        assert waiting.board_contexts() == ({"kept": True},)
        with pytest.raises(StoreError, match="database is locked") as caught:
            waiting.save_board_context("d", "s", {})
    assert caught.value.hint.startswith("Another process is writing")


def test_a_closed_store_says_so(path: Path) -> None:
    """Use after closing is an error of ours, with a hint."""
    with Store(path.parent) as opened:
        pass
    with pytest.raises(StoreError, match="closed") as caught:
        opened.runs()
    assert caught.value.hint == "Open the store again."


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    """A store cannot be made inside a file."""
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(StoreError, match=r"The folder .*taken.*runs cannot be created") as caught:
        Store(tmp_path / "taken")
    assert caught.value.hint == "Choose a folder that can be written to."


READ_ONLY = """
import os, sys
from zoo.errors import StoreError
from zoo.store import Store
if os.geteuid() == 0:
    os.seteuid(65534)  # root may write everywhere
try:
    with Store(sys.argv[1], reading=True) as opened:
        print(opened.board_contexts())
        opened.save_board_context("d", "s", {})
except StoreError as error:
    print(error.message, error.hint)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows folders cannot be made read-only.")
@pytest.mark.parametrize("used", [False, True], ids=["empty", "store"])
def test_a_read_only_folder_is_told(used: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Without permission to write there is a message and no traceback; a store can be read all the same."""
    with tempfile.TemporaryDirectory() as name:
        if used:
            with Store(name) as opened:
                opened.save_board_context("d", "s", {"kept": True})
        for entry in [Path(name), *Path(name).rglob("*")]:
            entry.chmod(0o555 if entry.is_dir() else 0o444)
        child = subprocess.run(
            [sys.executable, "-c", READ_ONLY, name], capture_output=True, text=True, check=True, timeout=60
        )
        Path(name).chmod(0o755)
    expected = "attempt to write a readonly database" if used else "cannot be created: Permission denied"
    assert expected in child.stdout
    assert "older that can be written to" in child.stdout
    assert ("'kept': True" in child.stdout) == used


@pytest.fixture
def no_room(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk on which SQLite finds no room for the files that it needs beside its own."""

    def failing(self: Database, *_: object, **__: object) -> None:
        with self._explained():
            raise sqlite3.OperationalError("disk I/O error")  # what it says of a full disk in WAL mode

    monkeypatch.setattr(Database, "_set_journal", failing)


@pytest.mark.usefixtures("no_room")
def test_a_store_on_a_full_disk_can_be_read(path: Path) -> None:
    """Boards can be looked at; who writes is told why it cannot be, and what to do."""
    with pytest.raises(StoreError, match="disk I/O error"):
        Store(path.parent)
    with Store(path.parent, reading=True) as opened:
        assert opened.board_contexts()[0]["kept"]
        with pytest.raises(StoreError, match="readonly database") as caught:
            opened.save_board_context("d", "t", {"kept": False})
    assert caught.value.hint == "Free some space on that disk, or give a folder that can be written to with --store."
    assert run(path, "SELECT count(*) FROM board_contexts") == [(1,)]


@pytest.mark.usefixtures("no_room")
@pytest.mark.parametrize("how", ["log", "old", "new"])
def test_a_store_that_cannot_be_read_as_it_is(path: Path, how: str) -> None:
    """Nothing is left out in silence that another process has committed, nor is an old file taken for a present one."""
    if how == "log":
        path.with_name("zoo.sqlite-wal").write_bytes(b"committed by another process")
    elif how == "old":
        run(path, "UPDATE zoo_schema SET value = '0' WHERE key = 'version'")
    else:
        path.unlink()
    with pytest.raises(StoreError, match="disk I/O error"):
        Store(path.parent, reading=True)


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("mount"), reason="made with Linux' mount")
def test_a_store_on_a_small_disk_that_is_full(path: Path, tmp_path: Path) -> None:
    """As above, with a real disk."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run([shutil.which("mount"), "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("only some may mount a disk, as root does")
    try:
        (disk / "runs").mkdir()
        (disk / "zoo.sqlite").write_bytes(path.read_bytes())
        with contextlib.suppress(OSError), (disk / "fill").open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 1024)
        with Store(disk, reading=True) as opened:
            assert opened.board_contexts()[0]["kept"]
    finally:
        subprocess.run([shutil.which("umount"), str(disk)], check=True)
