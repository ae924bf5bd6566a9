"""A page without rich is what rich would write, and rich is there where it takes rich."""

from __future__ import annotations

import io
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from zoo.cli import screen
from zoo.cli.drawn_pages import DrawnPage
from zoo.cli.narrowing import Narrowed
from zoo.cli.pages import Column, PlainPage, Sheet, TooNarrow
from zoo.cli.render_list import show_list
from zoo.cli.render_plugins import show_plugins
from zoo.plugins import load_catalog

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

    from zoo.cli.pages import Page
    from zoo.registry import Catalog, Kind

    Zoo = Callable[..., Result]

KINDS: dict[str, Kind] = {
    "backbones": "backbone",
    "heads": "head",
    "policies": "policy",
    "augmentations": "augmentation",
    "sources": "source",
}
AWKWARD = Sheet(
    (Column("name"), Column("größe", right=True), Column("漢字", wrap=True)),
    [
        ("[red]a[/red]", "1", "wide 漢字 and ü"),
        ("b", [("22", "bold")], [("two", ""), ("lines\x1b[2J", "dim")]),
        ("", "333", ""),
    ],
)


def listed(catalog: Catalog) -> Callable[[Page], None]:
    """Draws `zoo list`."""
    lists = {plural: (kind, Narrowed(catalog.items(kind), len(catalog.items(kind)))) for plural, kind in KINDS.items()}
    return partial(show_list, catalog=catalog, lists=lists)


def drawn(draw: Callable[[Page], None], width: int) -> str:
    """What rich writes to something that is no terminal."""
    stream = io.StringIO()
    console = Console(file=stream, markup=False, emoji=False, highlight=False, width=width)
    draw(DrawnPage(console))
    return stream.getvalue()


def plain(draw: Callable[[Page], None], width: int) -> str:
    """What is written without it."""
    page = PlainPage(width)
    draw(page)
    return page.text


@pytest.mark.parametrize("width", [200, 400, 1000])
def test_lists_and_plugins_look_the_same(width: int, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that is built in, and a catalog with awkward names, wide and in several lines."""
    monkeypatch.setattr(screen, "_PIPED", width)
    monkeypatch.delenv("COLUMNS", raising=False)
    for one in (load_catalog(only=[]), catalog):
        assert plain(listed(one), width) == drawn(listed(one), width)
        show = partial(show_plugins, records=one.plugins, debug=True)
        assert plain(show, width) == drawn(show, width)


@pytest.mark.parametrize("headed", [True, False])
@pytest.mark.parametrize("gap", [1, 2, 3])
@pytest.mark.parametrize("rows", [AWKWARD.rows, AWKWARD.rows[:1], ()])
def test_awkward_sheets_look_the_same(headed: bool, gap: int, rows: tuple[tuple[str, ...], ...]) -> None:  # noqa: FBT001
    """Markup, wide letters, several lines, styles, control characters, empty cells, and no rows at all."""
    if not rows and not headed:
        return
    columns = [column._replace(right=column.right and headed) for column in AWKWARD.columns]
    sheet = Sheet(columns, rows, gap=gap, headed=headed)

    def draw(page: Page) -> None:
        page.heading("Überschrift")
        page.sheet([lambda: sheet])
        page.line("a line\x1b", style="dim")
        page.line()

    assert plain(draw, 200) == drawn(draw, 200)


def test_the_first_layout_that_fits_is_taken() -> None:
    """One that is a column too wide is left out; where neither fits, somebody else has to wrap."""
    wide, narrow = Sheet([Column("h")], [["x" * 30]]), Sheet([Column("h")], [["x" * 20]])
    assert "x" * 30 in plain(lambda page: page.sheet([lambda: wide, lambda: narrow]), 30)
    assert "x" * 21 not in plain(lambda page: page.sheet([lambda: wide, lambda: narrow]), 29)
    with pytest.raises(TooNarrow):
        plain(lambda page: page.sheet([lambda: wide, lambda: narrow]), 19)
    with pytest.raises(TooNarrow):
        plain(lambda page: page.heading("x" * 20), 19)


def test_what_has_no_room_is_wrapped(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no layout fits a pipe, rich draws the page, once and from its beginning."""
    monkeypatch.setattr(screen, "_PIPED", 60)
    lines = zoo("list", "sources", columns=None).stdout.splitlines()
    assert [line for line in lines if line.startswith("sources")] == ["sources (4)"]
    assert max(map(len, lines[:-1])) <= 60


@pytest.mark.parametrize(
    ("encoding", "variables", "is_plain"),
    [
        ("utf-8", {}, True),
        ("utf-8", {"FORCE_COLOR": "1"}, False),
        ("utf-8", {"TTY_COMPATIBLE": "1"}, False),
        ("utf-8", {"COLUMNS": "90"}, False),
        ("cp1252", {}, False),
    ],
)
def test_rich_draws_where_it_makes_a_difference(
    encoding: str,
    variables: dict[str, str],
    is_plain: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Colours or a width that were asked for, and an encoding without lines."""
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="backslashreplace")
    monkeypatch.setattr(sys, "stdout", stream)
    pages: list[Page] = []
    screen.show(pages.append)
    assert isinstance(pages[0], PlainPage) is is_plain
