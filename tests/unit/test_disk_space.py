"""Room on the disk: amounts, limits, the folder of the cache, and space that is taken before it is written to."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from zoo import disk_space
from zoo.disk_cache import DiskCache, cache_limit, open_cache
from zoo.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

MIB = 2**20


@pytest.mark.parametrize(("total", "spare"), [(10 * 2**30, 2**29), (2**40, 2**30)])
def test_the_spare_is_a_gibibyte_or_a_twentieth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, total: int, spare: int
) -> None:
    """Of a folder that is not there yet, the disk of the nearest one above is asked."""
    usage = type("Usage", (), {"total": total, "free": 5 * 2**30})
    monkeypatch.setattr(disk_space.shutil, "disk_usage", lambda folder: usage if folder == tmp_path else 1 / 0)
    assert disk_space.free(tmp_path / "a" / "b") == 5 * 2**30 - spare


@pytest.mark.parametrize(
    ("text", "amount"),
    [("20G", 20 * 2**30), ("1.5 GiB", 3 * 2**29), ("500mb", 500 * MIB), ("0", 0), (7, 7), ("2t", 2**41)],
)
def test_amounts_are_read(text: str | int, amount: int) -> None:
    """Units of 1024, in any spelling."""
    assert disk_space.read_amount(text, what="x") == amount


@pytest.mark.parametrize("text", ["", "much", "-1", "1e9", "10 X", -5, True, "nan"])
def test_what_is_no_amount_is_named(text: Any) -> None:
    """The message has the value and where it was given."""
    with pytest.raises(UsageError, match=r"The limit of the cache cannot be"):
        cache_limit(text, None)  # type: ignore[arg-type]


def test_the_limit_by_default_is_a_share_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of what the disk could give, the cache's own entries among it, and 10 GiB at most."""
    monkeypatch.delenv("ZOO_CACHE_LIMIT", raising=False)
    cache = DiskCache(tmp_path, limit=MIB)
    with cache.create("key", kind="pixels", shapes=[(1000,)], dtypes=["u1"], about={}) as draft:
        assert draft is not None
    monkeypatch.setattr(disk_space, "free", lambda _folder: 9000)
    assert cache_limit(None, tmp_path) == 1000
    monkeypatch.setattr(disk_space, "free", lambda _folder: 2**40)
    assert cache_limit(None, tmp_path) == 10 * 2**30
    monkeypatch.setenv("ZOO_CACHE_LIMIT", "1G")
    assert cache_limit(None, tmp_path) == 2**30
    assert cache_limit("2M", tmp_path) == 2 * MIB


def test_the_folder_is_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`work` in what ZOO_CACHE names, else in the platform's folder for caches."""
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path))
    assert open_cache(5).folder == tmp_path / "work"
    monkeypatch.delenv("ZOO_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    assert open_cache(5).folder == tmp_path / "keras-zoo" / "work"


def test_space_is_reserved_where_the_system_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without posix_fallocate, or where the file system refuses it, zeros are written, so that the blocks are taken."""

    def refuse(*_args: object) -> None:
        raise OSError(errno.EINVAL, "not here")

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    for name in ("refused", "absent"):
        with (tmp_path / name).open("wb", buffering=0) as file:
            disk_space.reserve(file, 2 * MIB + 5, folder=tmp_path)
        assert (tmp_path / name).stat().st_size == 2 * MIB + 5
        assert getattr((tmp_path / name).stat(), "st_blocks", 2**20) * 512 >= 2 * MIB
        monkeypatch.delattr(os, "posix_fallocate", raising=False)


def test_space_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """More than the disk has free is an OSError, whatever the platform can reserve."""
    with (tmp_path / "file").open("wb") as file, pytest.raises(OSError, match="are free there"):
        disk_space.reserve(file, 2**62, folder=tmp_path)
