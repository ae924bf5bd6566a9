"""`zoo.fit` and `zoo.compare` with the cache on disk: same results, less work, and nothing where it is not wanted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import zoo
from zoo import decoding
from zoo.disk_cache import open_cache
from zoo.errors import UsageError
from zoo.events import Event, Note

if TYPE_CHECKING:
    from zoo.registry import Catalog
    from zoo.values import Picture

QUICK: dict[str, Any] = {"epochs": 1, "batch_size": 16, "learning_rate": 0.05}


def folder() -> Path:
    """Where the cache of the present test lies."""
    return Path(os.environ["ZOO_CACHE"]) / "work"


def compare(photos: Path, store: Path, catalog: Catalog, **options: Any) -> Any:
    """Two rows on the tiny backbone."""
    grid: dict[str, Any] = {"backbones": ["tiny"], "policies": ["freeze-all", "bn-affine"], "observe": lambda _: None}
    return zoo.compare(photos, store=store, catalog=catalog, **{**grid, **QUICK, **options})


def test_results_are_the_same_with_and_without(photos: Path, tmp_path: Path, catalog: Catalog) -> None:
    """A first call, one that finds everything and one with `cache=False` give equal numbers to the last bit."""
    boards = [
        compare(photos, tmp_path / f"{number}", catalog, cache=cache)
        for number, cache in enumerate((True, True, False))
    ]
    scores = [[(row.policy, row.score, row.accuracy, row.test) for row in board.rows] for board in boards]
    assert scores[0] == scores[1] == scores[2]
    kinds = {entry.about["part"] for entry in open_cache().entries() if entry.kind == "pixels"}
    assert kinds == {"train", "validation"}  # never the test part


def test_a_second_call_opens_no_picture_of_training(
    photos: Path, tmp_path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same store the files are neither checked nor decoded again, whatever the new rows are."""
    compare(photos, tmp_path, catalog)
    seen: list[str] = []
    real = decoding.attempt

    def spy(picture: Picture, channels: int | None = 3) -> object:
        seen.append(picture.id)
        return real(picture, channels)

    monkeypatch.setattr(decoding, "attempt", spy)
    compare(photos, tmp_path, catalog, policies=["freeze-all"], epochs=2)
    assert 0 < len(seen) < 48 / 4  # the test part of the chosen row
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("call", ["fit", "compare"])
def test_without_the_cache_nothing_is_written_there(photos: Path, tmp_path: Path, catalog: Catalog, call: str) -> None:
    """`cache=False` does not even make the folder."""
    options: dict[str, Any] = {
        "store": tmp_path,
        "catalog": catalog,
        "cache": False,
        "observe": lambda _: None,
        **QUICK,
    }
    if call == "fit":
        zoo.fit(photos, backbone="tiny", policy="freeze-all", **options)
    else:
        zoo.compare(photos, backbones=["tiny"], policies=["freeze-all"], **options)
    assert not folder().parent.exists()


def test_the_cache_is_no_part_of_a_run(photos: Path, tmp_path: Path, catalog: Catalog) -> None:
    """A run that was made without it is found again with it."""
    options: dict[str, Any] = {"backbone": "tiny", "store": tmp_path, "catalog": catalog, **QUICK}
    first = zoo.fit(photos, cache=False, observe=lambda _: None, **options)
    again = zoo.fit(photos, cache_limit="1G", observe=lambda _: None, **options)
    assert first.record.id == again.record.id


def test_a_limit_that_is_too_low_or_a_folder_in_the_way_cost_a_note(
    photos: Path, tmp_path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows finish, and the person hears once why nothing is kept."""

    def notes(**options: Any) -> list[str]:
        seen: list[Event] = []
        board = compare(photos, tmp_path / str(len(list(tmp_path.iterdir()))), catalog, observe=seen.append, **options)
        assert {row.status for row in board.rows} == {"finished"}
        return [event.text for event in seen if isinstance(event, Note) and "kept for later calls" in event.text]

    (told,) = [text for text in notes(cache_limit=1000) if text.startswith("The pixels take")]
    assert "more than the 0.0 MiB that the cache on disk may hold" in told
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "file"))
    assert len(notes()) == 1


def test_a_limit_that_is_no_amount_is_refused_before_anything_is_read(tmp_path: Path, catalog: Catalog) -> None:
    """The message has the value."""
    with pytest.raises(UsageError, match="cannot be 'lots'"):
        compare(tmp_path / "nowhere", tmp_path, catalog, cache_limit="lots")
