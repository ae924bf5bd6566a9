"""`zoo cache`: what is listed, what goes, and what is refused."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from zoo.cli import command_compare, command_fit
from zoo.disk_cache import DiskCache, open_cache

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

    Zoo = Callable[..., Result]

MIB = 2**20


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> DiskCache:
    """Three entries: pixels of today, features of 10 days ago with an awkward name, pixels of 40 days ago."""
    monkeypatch.setenv("ZOO_CACHE_LIMIT", "2G")
    cache = open_cache()
    entries: tuple[tuple[Any, int, int, dict[str, Any]], ...] = (
        ("pixels", 3, 0, {"data": "photos", "part": "train", "size": 224, "channels": 3, "pictures": 1234}),
        (
            "features",
            2,
            10,
            {"data": "[red]a\x1b[31m", "backbone": "tiny", "boundary": 3, "part": "train", "views": 2, "x": "on top"},
        ),
        ("pixels", 1, 40, {"data": "old", "part": "validation", "size": 16, "channels": 5, "pictures": 1}),
    )
    for number, (kind, size, days, about) in enumerate(entries):
        with cache.create(str(number), kind=kind, shapes=[(size * MIB,)], dtypes=["u1"], about=about) as draft:
            assert draft is not None
        when = datetime.now(UTC).timestamp() - days * 86_400
        os.utime(cache._place(str(number)) / "entry.json", (when, when))
    return cache


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_the_list_says_what_there_is(zoo: Zoo, kept: DiskCache, columns: int) -> None:
    """Kind, contents, size and time of each, the last used first; then the total, the limit and the folder."""
    result = zoo("cache", columns=columns)
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= columns
    text = " ".join(result.stdout.split())
    order = [text.index(size) for size in ("3.0 MiB", "2.0 MiB", "1.0 MiB")]
    assert order == sorted(order)
    assert "3 entries, 6.0 MiB of at most 2.0 GiB, in" in text
    assert "\x1b" not in result.stdout
    if columns == 120:
        assert "photos · train · 224 px · RGB · 1,234 pictures" in text
        assert "[red]a\\x1b[31m · tiny · boundary 3 · train · views 2 · on top" in text
        assert "old · validation · 16 px · 5 channels · 1 picture" in text
        assert re.search("just now .* 10 d ago .* 40 d ago", text)


def test_an_empty_cache_is_said(zoo: Zoo) -> None:
    """No table, no folder made, exit code 0."""
    result = zoo("cache")
    assert (result.exit_code, result.stdout.startswith("0 entries, 0.0 MiB of at most ")) == (0, True)
    assert not open_cache().folder.exists()


def test_the_list_as_json(zoo: Zoo, kept: DiskCache) -> None:
    """One document with the folder, the limit, the total and each entry with all that is known of it."""
    found = json.loads(zoo("cache", "--json").stdout)
    assert (found["format"], found["folder"], found["limit"], found["bytes"]) == (1, str(kept.folder), 2**31, 6 * MIB)
    assert [entry["kind"] for entry in found["entries"]] == ["pixels", "features", "pixels"]
    assert found["entries"][0]["about"]["pictures"] == 1234
    assert datetime.fromisoformat(found["entries"][0]["last_used"]).tzinfo is not None


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["--all"], []),
        (["--kind", "pixels"], ["1"]),
        (["--older-than", "30d"], ["0", "1"]),
        (["--older-than", "1w", "--kind", "features"], ["0", "2"]),
        (["--to", "5M"], ["0", "1"]),
        (["--to", "3M", "--kind", "pixels"], ["0", "1"]),
        (["--to", "1G"], ["0", "1", "2"]),
    ],
)
def test_prune_removes_what_is_said(zoo: Zoo, kept: DiskCache, words: list[str], left: list[str]) -> None:
    """What went is listed with its size, and what is left is counted."""
    result = zoo("cache", "prune", *words, columns=120)
    assert result.exit_code == 0
    assert [entry.key for entry in kept.entries()] == left
    gone = sum(size for size, key in ((3, "0"), (2, "1"), (1, "2")) if key not in left)
    number = 3 - len(left)
    noun = "entry" if number == 1 else "entries"
    said = f"Removed {number} {noun}, {gone}.0 MiB." if number else "Nothing to remove."
    assert f"{said} Left: {len(left)} " in " ".join(result.stdout.split())


def test_prune_as_json(zoo: Zoo, kept: DiskCache) -> None:
    """What was freed, what was removed and what is left."""
    found = json.loads(zoo("cache", "prune", "--kind", "features", "--json").stdout)
    assert (found["freed"], found["bytes"]) == (2 * MIB, 4 * MIB)
    assert [entry["key"] for entry in found["removed"]] == ["1"]
    assert [entry["key"] for entry in found["entries"]] == ["0", "2"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "It is not said what shall go."),
        (["--all", "--kind", "pixels"], "--all leaves nothing to choose."),
        (["--to", "much"], "--to cannot be 'much'."),
        (["--older-than", "soon"], "--older-than cannot be 'soon'."),
        (["--older-than", "-3d"], "--older-than cannot be '-3d'."),
    ],
)
def test_prune_refuses_what_it_does_not_understand(zoo: Zoo, kept: DiskCache, words: list[str], message: str) -> None:
    """Two lines on stderr, exit code 2, and nothing is removed."""
    result = zoo("cache", "prune", *words)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {message}\nhint: ")
    assert len(kept.entries()) == 3


def test_json_stands_behind_prune(zoo: Zoo, kept: DiskCache) -> None:
    """Before it, it would be ignored: that is an error."""
    result = zoo("cache", "--json", "prune", "--all")
    assert result.exit_code == 2
    assert len(kept.entries()) == 3


def test_the_commands_need_no_keras(kept: DiskCache) -> None:
    """Listing and pruning import neither Keras nor a backend."""
    code = (
        "import sys\nfrom zoo.cli.app import app\n"
        "try: app(sys.argv[1:], prog_name='zoo')\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "assert not {'keras', 'tensorflow', 'torch', 'jax'} & set(sys.modules)"
    )
    for words in (["cache"], ["cache", "prune", "--all"]):
        subprocess.run([sys.executable, "-c", code, *words], check=True, capture_output=True, timeout=120)
    assert kept.entries() == ()


@pytest.mark.parametrize("command", ["compare", "fit"])
@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ([], {"cache": True, "cache_limit": None}),
        (["--no-cache"], {"cache": False, "cache_limit": None}),
        (["--cache-limit", "20G"], {"cache": True, "cache_limit": "20G"}),
    ],
)
def test_options_reach_the_call(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch, command: str, words: list[str], wanted: dict[str, Any]
) -> None:
    """`--no-cache` and `--cache-limit` are passed on as they are."""
    seen: list[dict[str, Any]] = []
    module = command_compare if command == "compare" else command_fit

    def called(*words: Any, **options: Any) -> None:
        given = [one for one in (*words, *options.values()) if isinstance(one, dict)]
        seen.append({name: one[name] for one in given for name in wanted if name in one})

    monkeypatch.setattr(module, "_run", called)
    assert zoo(command, "demo", "-b", "scratch-cnn", *words).exit_code == 0
    assert seen == [wanted]
