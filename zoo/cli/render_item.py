"""One item of the catalog, with everything that its record says."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, cast

from rich.columns import Columns
from rich.table import Table
from rich.text import Text

from zoo import figures
from zoo.cli import screen, tables
from zoo.cli.render_list import origin_words
from zoo.options import write_limits, write_value
from zoo.recipe import item_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from zoo.cli.counts import BackboneCount
    from zoo.contracts import Augmentation, Backbone, Option, Phase, Policy, Weights
    from zoo.registry import Catalog, Kind
    from zoo.values import Spec

SAMPLE_BLOCKS, SAMPLE_EPOCHS = 18, 10
"""What a policy's phases are shown for: as many blocks as EfficientNet-B0 has."""


def heading(console: Console, text: str) -> None:
    """A line that starts a section."""
    console.print()
    console.print(tables.name_of(text, style="bold underline"))


def facts(console: Console, pairs: Iterable[tuple[str, str]]) -> None:
    """Labels with text beside them; pairs without text are left out."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for label, text in pairs:
        if text:
            grid.add_row(label, tables.name_of(text))
    screen.draw(console, grid)


def show_item(console: Console, catalog: Catalog, *, kind: Kind, spec: Spec) -> None:
    """All about an item but what needs Keras; the options of `spec` count for blocks and phases."""
    item = catalog.get(kind, spec.name)
    console.print(Text.assemble((figures.literal(item.name), "bold"), f"  {kind}"))
    pairs = [("title", item.title), ("origin", origin_words(catalog.origin(kind, item.name)))]
    if kind == "backbone":
        pairs += _backbone_facts(cast("Backbone", item))
    if kind == "augmentation":
        mixes = cast("Augmentation", item).mixes_labels
        pairs += [("labels", "mixed with the pictures" if mixes else "kept"), ("to look at", _sheet_command(spec))]
    facts(console, [*pairs, ("reference", getattr(item, "reference", ""))])
    options = item_options(catalog, kind=kind, name=spec.name)
    if options:
        heading(console, "options")
        screen.draw(console, _options(options))
    if kind == "backbone":
        _show_backbone(console, cast("Backbone", item), spec)
    if kind == "policy":
        _show_policy(console, cast("Policy", item), spec)


def show_counts(console: Console, counted: BackboneCount) -> None:
    """What each policy would open in a backbone."""
    heading(console, "what each policy opens in it")
    drawn = tables.table()
    tables.column(drawn, "policy", wrap=True)
    for header in ("blocks", "weights", "share", "statistics"):
        tables.column(drawn, header, justify="right")
    for row in counted.policies:
        share = f"{row.opened / counted.weights:.1%}" if counted.weights else figures.MISSING
        cells = [str(row.blocks), figures.count(row.opened), share, figures.count(row.adapting)]
        drawn.add_row(tables.name_of(row.policy), *(["—"] * 4 if row.fault else cells))
    screen.draw(console, drawn)
    console.print()
    total, fixed = figures.count(counted.weights), figures.count(counted.statistics)
    screen.say(
        console,
        f"Of {total} weights; {fixed} moving statistics and constants come on top. The head, always open, is not "
        "counted. `statistics`: moving statistics that change.",
    )
    for row in counted.policies:
        if row.fault:
            screen.say(console, f"{row.policy}: {row.fault}", label="warning")


def phases_table(phases: Sequence[Phase]) -> Table:
    """The phases of a policy, one in each row."""
    drawn = tables.table()
    tables.column(drawn, "phase", wrap=True)
    tables.column(drawn, "epochs", justify="right")
    tables.column(drawn, "rate", justify="right")
    tables.column(drawn, "open blocks", justify="right")
    for header in ("weights", "batch norm", "drop layers"):
        tables.column(drawn, header)
    for phase in phases:
        shut = phase.open_blocks == 0
        drawn.add_row(
            tables.name_of(phase.name),
            str(phase.epochs),
            f"{phase.learning_rate:g}",
            str(phase.open_blocks),
            figures.MISSING if shut else phase.open_weights,
            "fixed" if shut else phase.batch_norm,
            "on" if phase.drop_layers and not shut else "off",
        )
    return drawn


def _sheet_command(spec: Spec) -> str:
    return f"zoo show {shlex.quote(str(spec))} --preview DATA -o sheet.png"


def _backbone_facts(backbone: Backbone) -> list[tuple[str, str]]:
    return [
        ("family", backbone.family),
        ("parameters", f"{backbone.parameters:,}, statistics included" if backbone.parameters else ""),
        ("pictures", f"{backbone.image_size} px, at least {backbone.min_size} px"),
        ("backends", ", ".join(backbone.backends)),
        ("pixels", f"{backbone.pixels} (the network does it; raw RGB 0–255 goes in)"),
    ]


def _options(options: Sequence[Option]) -> Table:
    drawn = tables.table()
    tables.column(drawn, "option")
    tables.column(drawn, "default")
    tables.column(drawn, "meaning", wrap=True)
    for option in options:
        meaning = f"{option.help} {write_limits(option)}".strip()
        drawn.add_row(*map(tables.name_of, (option.name, write_value(option.default), meaning)))
    return drawn


def _show_backbone(console: Console, backbone: Backbone, spec: Spec) -> None:
    heading(console, "weights")
    if not backbone.weights:
        screen.say(console, "None declared: it starts from random weights.")
    for weights in backbone.weights:
        _show_weights(console, weights)
    blocks = backbone.blocks_for(spec.values())
    heading(console, f"blocks ({len(blocks)}, from input to output; policies count from the last)")
    wide = len(str(len(blocks)))
    cells = [tables.name_of(f"{number:>{wide}} {block.name}") for number, block in enumerate(blocks, start=1)]
    screen.draw(console, Columns(cells, padding=(0, 3), column_first=True, expand=False))


def _show_weights(console: Console, weights: Weights) -> None:
    size = f", {weights.megabytes:.1f} MB" if weights.megabytes else ""
    pairs = [
        (weights.id, "bundled: no download is needed" if weights.bundled else f"downloaded on first use{size}"),
        ("  licence", weights.licence),
        ("  trained on", weights.trained_on),
        ("  top-1", f"{weights.top1:.3f} on ImageNet, as published" if weights.top1 is not None else ""),
        ("  from", weights.origin),
        ("  sha256", weights.sha256 or ""),
    ]
    facts(console, pairs)


def _show_policy(console: Console, policy: Policy, spec: Spec) -> None:
    heading(console, f"phases of {spec} for {SAMPLE_BLOCKS} blocks and {SAMPLE_EPOCHS} epochs")
    screen.draw(console, phases_table(policy.plan(SAMPLE_BLOCKS, SAMPLE_EPOCHS, **spec.values())))
    console.print()
    screen.say(
        console, "Blocks are counted from the top (output); the head is always open. In blocks below, nothing moves."
    )
