"""The tables of `zoo list`."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from rich.table import Table
from rich.text import Text

from zoo import figures
from zoo.cli import screen, tables
from zoo.options import write_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from zoo.contracts import Backbone, Item, Weights
    from zoo.registry import Catalog, Kind

_BUILTIN = "(zoo.builtin."


def show_list(console: Console, catalog: Catalog, kinds: Mapping[str, Kind]) -> None:
    """A table for each kind; `kinds` maps the heading to the kind."""
    for heading, kind in kinds.items():
        items = catalog.items(kind)
        console.print(Text(f"{heading} ({len(items)})", style="bold underline"))
        if items:
            layouts = (lambda kind=kind: _wide(catalog, kind), lambda kind=kind: _stacked(catalog, kind))
            screen.draw(console, tables.first_fitting(console, layouts))
        else:
            screen.say(console, "none")
        if kind == "backbone" and items:
            screen.say(console, "Each also takes size=PIXELS and weights=ID, none or FILE.")
        console.print()
    screen.say(console, "zoo show NAME tells everything about one of them.")


def weights_words(weights: Weights) -> str:
    """What a person must know before choosing weights: `imagenet (Apache-2.0, comes with the package)`."""
    if weights.bundled:
        where = "bundled"
    else:
        where = f"download, {weights.megabytes:.0f} MB" if weights.megabytes else "download"
    return f"{weights.id} ({weights.licence}, {where})"


def options_words(item: Item) -> str:
    """An item's own options with their defaults as they would be written in a spec; nothing without options."""
    return ", ".join(f"{option.name}={write_value(option.default)}" for option in item.options)


def origin_words(origin: str) -> str:
    """Where an item comes from, short: `built in`, or distribution, version and entry point."""
    return "built in" if _BUILTIN in origin else origin


def _facts(item: Item) -> list[str]:
    """Size, blocks and weights of a backbone."""
    backbone = cast("Backbone", item)
    weights = "; ".join(weights_words(one) for one in backbone.weights) or "none: starts from random weights"
    return [f"{backbone.image_size} px", str(len(backbone.blocks_for({}))), weights]


def _wide(catalog: Catalog, kind: Kind) -> Table:
    drawn = tables.table()
    tables.column(drawn, "name")
    if kind == "backbone":
        tables.column(drawn, "size", justify="right")
        tables.column(drawn, "blocks", justify="right")
        tables.column(drawn, "weights")
    for header in ("title", "options and defaults", "origin"):
        tables.column(drawn, header)
    for item in catalog.items(kind):
        cells = [item.name, *(_facts(item) if kind == "backbone" else ()), item.title]
        cells += [
            options_words(item) or figures.MISSING,
            origin_words(catalog.origin(kind, item.name)),
        ]
        drawn.add_row(*(tables.name_of(cell) for cell in cells))
    return drawn


def _stacked(catalog: Catalog, kind: Kind) -> Table:
    """Name on the left, everything else in lines beside it, wrapped between words."""
    drawn = Table.grid(padding=(0, 2, 0, 0))
    drawn.add_column(no_wrap=True)
    drawn.add_column(overflow="fold")
    for item in catalog.items(kind):
        lines = [tables.name_of(item.title)]
        if kind == "backbone":
            size, blocks, weights = _facts(item)
            lines.append(tables.name_of(f"{size}, {blocks} blocks; weights: {weights}"))
        options = options_words(item)
        if options:
            lines.append(tables.name_of(f"options: {options}", style="dim"))
        origin = origin_words(catalog.origin(kind, item.name))
        if origin != "built in":
            lines.append(tables.name_of(f"from {origin}", style="dim"))
        drawn.add_row(tables.name_of(item.name, style="bold"), Text("\n").join(lines))
    return drawn
