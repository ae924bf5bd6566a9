"""Why a run did not learn, or why its score is too good: causes with measurements, and the worst pairs of pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.cli import screen, tables
from zoo.cli.render_item import heading
from zoo.nearness import NEAR

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from zoo.explanations import Explanation, NearPair

_SHOWN = 10
"""Pairs in the table; JSON has all that are kept."""

_CAPTION = (
    "Validation pictures and the training pictures that they are most like (as near-copies count cosines "
    f"from {NEAR['features']:.2f} by features and from {NEAR['thumbnails']:.2f} by thumbnails on):"
)

_HEADINGS = {"not learning": "why it does not learn", "too good": "why the score is so good"}


def show_explanation(console: Console, explanation: Explanation) -> None:
    """The section of a run: what is explained, each cause with its measurement and remedy, then pairs."""
    heading(console, _HEADINGS[explanation.matter])
    screen.say(console, f"{explanation.score}.")
    for place, cause in enumerate(explanation.causes):
        console.print()
        lead = "most likely" if place == 0 else "not excluded"
        screen.say(console, cause.name if cause.weight > 0.1 else "—", label=lead)  # noqa: PLR2004 - of no cause
        screen.say(console, f"{cause.measurement}.", label="measured")
        screen.say(console, cause.remedy, label="try")
    if explanation.pairs:
        console.print()
        screen.say(console, _CAPTION)
        screen.draw(console, _pairs(explanation.pairs[:_SHOWN]))


def _pairs(pairs: tuple[NearPair, ...]) -> Table:
    drawn = tables.table()
    tables.column(drawn, "validation", wrap=True)
    tables.column(drawn, "training", wrap=True)
    tables.column(drawn, "cosine", justify="right")
    tables.column(drawn, "by")
    for pair in pairs:
        drawn.add_row(tables.name_of(pair.validation), tables.name_of(pair.training), f"{pair.likeness:.3f}", pair.by)
    return drawn
