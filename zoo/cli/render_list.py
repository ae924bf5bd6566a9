"""The tables of `zoo list`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from zoo import figures
from zoo.cli.pages import Cell, Column, Line, Sheet
from zoo.contracts import BACKENDS
from zoo.options import write_value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from zoo.cli.narrowing import Narrowed
    from zoo.cli.pages import Page
    from zoo.contracts import Backbone, Item, Weights
    from zoo.registry import Catalog, Kind

_BUILTIN = "(zoo.builtin."
_FEW = 12  # backbones that are shown with several lines each, where there is no room for all in one


def show_list(page: Page, catalog: Catalog, lists: Mapping[str, tuple[Kind, Narrowed]]) -> None:
    """A table for each kind; `lists` maps the heading to the kind and what is left of it."""
    for heading, (kind, found) in lists.items():
        items, total = found.items, found.total
        number = f"{len(items)} of {total}" if len(items) < total else f"{total}"
        page.heading(f"{heading} ({number})")
        if items:
            page.sheet(_layouts(catalog, kind, items))
        else:
            page.say("none")
        if kind == "backbone" and items:
            page.say("Each also takes size=PIXELS and weights=ID, none or FILE.")
        page.line()
    page.say("zoo show NAME tells everything about one of them.")


def _layouts(catalog: Catalog, kind: Kind, items: Sequence[Item]) -> list[Callable[[], Sheet]]:
    """Everything in one line for each item where there is room; a few in several lines, many backbones with less."""
    layouts = [partial(_wide, catalog, kind, items)]
    if kind == "backbone" and len(items) > _FEW:
        backbones = cast("Sequence[Backbone]", items)
        return [
            *layouts,
            partial(_brief, backbones, licences=True, titles=True),
            partial(_brief, backbones, licences=True, titles=False),
            partial(_brief, backbones, licences=False, titles=False),
        ]
    return [*layouts, partial(_stacked, catalog, kind, items)]


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


def _backbone_columns() -> list[Column]:
    return [Column("name"), *(Column(header, right=True) for header in ("params", "size", "min"))]


def _backbone_cells(backbone: Backbone) -> list[str]:
    return [backbone.name, figures.count(backbone.parameters), f"{backbone.image_size}", f"{backbone.min_size}"]


def _wide(catalog: Catalog, kind: Kind, items: Sequence[Item]) -> Sheet:
    columns = [Column("name")]
    if kind == "backbone":
        columns = [*_backbone_columns(), Column("blocks", right=True), Column("not on"), Column("weights")]
    columns += [Column(header) for header in ("title", "options and defaults", "origin")]
    rows = []
    for item in items:
        cells = [item.name]
        if kind == "backbone":
            backbone = cast("Backbone", item)
            cells = [*_backbone_cells(backbone), str(len(backbone.blocks_for({}))), _closed_backends(backbone)]
            cells.append(_weights_of(backbone))
        cells += [item.title, options_words(item) or figures.MISSING, origin_words(catalog.origin(kind, item.name))]
        rows.append(cells)
    return Sheet(columns, rows)


def _brief(backbones: Sequence[Backbone], *, licences: bool, titles: bool) -> Sheet:
    """One line for each backbone: what one chooses by. Where there is least room the weights are wrapped."""
    columns = _backbone_columns()
    picky = any(backbone.backends for backbone in backbones)
    if picky:
        columns.append(Column("not on"))
    columns.append(Column("weights", wrap=not licences))
    if titles:
        columns.append(Column("title"))
    rows = []
    for backbone in backbones:
        weights = _weights_of(backbone) if licences else _weights_in_brief(backbone)
        cells = [*_backbone_cells(backbone), *([_closed_backends(backbone)] if picky else ())]
        rows.append([*cells, weights or figures.MISSING, *([backbone.title] if titles else ())])
    return Sheet(columns, rows)


def _stacked(catalog: Catalog, kind: Kind, items: Sequence[Item]) -> Sheet:
    """Name on the left, everything else in lines beside it, wrapped between words."""
    rows: list[tuple[Cell, Cell]] = []
    for item in items:
        lines: list[Line] = [(item.title, "")]
        if kind == "backbone":
            lines += _backbone_lines(cast("Backbone", item))
        options = options_words(item)
        if options:
            lines.append((f"options: {options}", "dim"))
        origin = origin_words(catalog.origin(kind, item.name))
        if origin != "built in":
            lines.append((f"from {origin}", "dim"))
        rows.append(([(item.name, "bold")], lines))
    return Sheet([Column(), Column(wrap=True)], rows, headed=False)


def _backbone_lines(backbone: Backbone) -> list[Line]:
    size = f"{backbone.image_size} px, at least {backbone.min_size} px"
    parts = [f"{figures.count(backbone.parameters)} parameters"] if backbone.parameters else []
    parts += [f"{len(backbone.blocks_for({}))} blocks", size]
    lines = [", ".join(parts), f"weights: {_weights_of(backbone)}"]
    if backbone.backends:
        lines.append(f"on {', '.join(backbone.backends)} only")
    return [(line, "") for line in lines]
