"""The tables of `zoo list`."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from rich.table import Table
from rich.text import Text

from zoo import figures
from zoo.cli import screen, tables
from zoo.contracts import BACKENDS
from zoo.options import write_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from zoo.cli.narrowing import Narrowed
    from zoo.contracts import Backbone, Item, Weights
    from zoo.registry import Catalog, Kind

_BUILTIN = "(zoo.builtin."
_FEW = 12  # backbones that are shown with several lines each, where there is no room for all in one


def show_list(console: Console, catalog: Catalog, lists: Mapping[str, tuple[Kind, Narrowed]]) -> None:
    """A table for each kind; `lists` maps the heading to the kind and what is left of it."""
    for heading, (kind, found) in lists.items():
        items, total = found.items, found.total
        number = f"{len(items)} of {total}" if len(items) < total else f"{total}"
        console.print(Text(f"{heading} ({number})", style="bold underline"))
        if items:
            screen.draw(console, _table(console, catalog, kind, items))
        else:
            screen.say(console, "none")
        if kind == "backbone" and items:
            screen.say(console, "Each also takes size=PIXELS and weights=ID, none or FILE.")
        console.print()
    screen.say(console, "zoo show NAME tells everything about one of them.")


def _table(console: Console, catalog: Catalog, kind: Kind, items: Sequence[Item]) -> Table:
    """Everything in one line for each item where there is room; a few in several lines, many backbones with less."""
    layouts = [lambda: _wide(catalog, kind, items)]
    if kind == "backbone" and len(items) > _FEW:
        backbones = cast("Sequence[Backbone]", items)
        layouts += [
            lambda: _brief(backbones, licences=True, titles=True),
            lambda: _brief(backbones, licences=True, titles=False),
            lambda: _brief(backbones, licences=False, titles=False),
        ]
    else:
        layouts.append(lambda: _stacked(catalog, kind, items))
    return tables.first_fitting(console, layouts)


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


def _weights_of(backbone: Backbone) -> str:
    """Its weights with what has to be known before one chooses them."""
    return "; ".join(weights_words(one) for one in backbone.weights) or "none: starts from random weights"


def _closed_backends(backbone: Backbone) -> str:
    """The Keras backends that cannot build it: a shorter list than that of those that can."""
    return ", ".join(name for name in BACKENDS if name not in (backbone.backends or BACKENDS))


def _weights_in_brief(backbone: Backbone) -> str:
    """Its weights with how they are got: `imagenet (bundled)`, `imagenet (19 MB)`."""
    return "; ".join(
        f"{one.id} ({'bundled' if one.bundled else f'{one.megabytes:.0f} MB' if one.megabytes else 'download'})"
        for one in backbone.weights
    )


def _backbone_columns(drawn: Table) -> None:
    tables.column(drawn, "name")
    for header in ("params", "size", "min"):
        tables.column(drawn, header, justify="right")


def _backbone_cells(backbone: Backbone) -> list[str]:
    return [backbone.name, figures.count(backbone.parameters), f"{backbone.image_size}", f"{backbone.min_size}"]


def _wide(catalog: Catalog, kind: Kind, items: Sequence[Item]) -> Table:
    drawn = tables.table()
    if kind == "backbone":
        _backbone_columns(drawn)
        tables.column(drawn, "blocks", justify="right")
        for header in ("not on", "weights"):
            tables.column(drawn, header)
    else:
        tables.column(drawn, "name")
    for header in ("title", "options and defaults", "origin"):
        tables.column(drawn, header)
    for item in items:
        cells = [item.name]
        if kind == "backbone":
            backbone = cast("Backbone", item)
            cells = [*_backbone_cells(backbone), str(len(backbone.blocks_for({}))), _closed_backends(backbone)]
            cells.append(_weights_of(backbone))
        cells += [item.title, options_words(item) or figures.MISSING, origin_words(catalog.origin(kind, item.name))]
        drawn.add_row(*(tables.name_of(cell) for cell in cells))
    return drawn


def _brief(backbones: Sequence[Backbone], *, licences: bool, titles: bool) -> Table:
    """One line for each backbone: what one chooses by. Where there is least room the weights are wrapped."""
    drawn = tables.table()
    _backbone_columns(drawn)
    picky = any(backbone.backends for backbone in backbones)
    if picky:
        tables.column(drawn, "not on")
    tables.column(drawn, "weights", wrap=not licences)
    if titles:
        tables.column(drawn, "title")
    for backbone in backbones:
        weights = _weights_of(backbone) if licences else _weights_in_brief(backbone)
        cells = [*_backbone_cells(backbone), *([_closed_backends(backbone)] if picky else ())]
        cells += [weights or figures.MISSING, *([backbone.title] if titles else ())]
        drawn.add_row(*(tables.name_of(cell) for cell in cells))
    return drawn


def _stacked(catalog: Catalog, kind: Kind, items: Sequence[Item]) -> Table:
    """Name on the left, everything else in lines beside it, wrapped between words."""
    drawn = Table.grid(padding=(0, 2, 0, 0))
    drawn.add_column(no_wrap=True)
    drawn.add_column(overflow="fold")
    for item in items:
        lines = [tables.name_of(item.title)]
        if kind == "backbone":
            lines += _backbone_lines(cast("Backbone", item))
        options = options_words(item)
        if options:
            lines.append(tables.name_of(f"options: {options}", style="dim"))
        origin = origin_words(catalog.origin(kind, item.name))
        if origin != "built in":
            lines.append(tables.name_of(f"from {origin}", style="dim"))
        drawn.add_row(tables.name_of(item.name, style="bold"), Text("\n").join(lines))
    return drawn


def _backbone_lines(backbone: Backbone) -> list[Text]:
    size = f"{backbone.image_size} px, at least {backbone.min_size} px"
    parts = [f"{figures.count(backbone.parameters)} parameters"] if backbone.parameters else []
    parts += [f"{len(backbone.blocks_for({}))} blocks", size]
    lines = [", ".join(parts), f"weights: {_weights_of(backbone)}"]
    if backbone.backends:
        lines.append(f"on {', '.join(backbone.backends)} only")
    return [tables.name_of(line) for line in lines]
