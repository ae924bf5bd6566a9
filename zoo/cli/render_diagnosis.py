"""What `zoo diagnose` shows: verdicts with reasons and remedies, the shift by depth, and a table of the layers."""

from __future__ import annotations

import math
import shlex
from typing import TYPE_CHECKING

from rich.text import Text

from zoo import figures
from zoo.cli import screen, tables
from zoo.diagnosis_page import basis
from zoo.verdicts import gains

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rich.console import Console
    from rich.table import Table

    from zoo.diagnosis import Diagnosis, LayerDiagnosis

ROWS = 16
"""Rows of the table: with more layers than that, neighbouring ones share a row."""

_BAR = 24
_LEAST, _MOST = 1e-3, 1e3  # of divergences, ends of the logarithmic bars


def show_diagnosis(
    console: Console, found: Diagnosis, *, data: str, apart: bool = False, page: Path | None = None
) -> None:
    """Verdicts first, since they are what was asked for; then what they rest on."""
    if apart:
        console.print()
    screen.draw(console, Text(figures.literal(found.backbone), style="bold"))
    for verdict in found.verdicts:
        console.print()
        style = "bold green" if verdict.good else "bold yellow"
        screen.draw(console, Text(("✓ " if verdict.good else "! ") + figures.sentence(verdict.title), style=style))
        screen.say(console, verdict.reason, label="why")
        if verdict.remedy:
            screen.say(console, verdict.remedy, label="do")
    if found.layers:
        console.print()
        layouts = [lambda width=width: _drawn(found.layers, width=width) for width in range(3)]
        screen.draw(console, tables.first_fitting(console, layouts))
    console.print()
    for label, text in _lines(found, data, page):
        screen.say(console, text, label=label)


_NOTHING_TO_COMPARE = frozenset({"wrong-inputs", "untrained", "no-batch-norm"})


def _lines(found: Diagnosis, data: str, page: Path | None) -> Iterator[tuple[str, str]]:
    yield "basis", basis(found)
    if found.layers:
        yield "bars", "divergence of a typical channel in nats, logarithmic, from 0.001 to 1,000"
    if found.advice is not None:
        yield "advice", f"{found.advice.policy}: {found.advice.reason}"
        yield "trust", found.advice.reliability
        for outside in found.advice.outside:
            yield "note", f"outside of what the advice was measured on: {outside}"
    if page is not None:
        yield "page", str(page)
    policies = _next_policies(found)
    if len(policies) > 1:
        chosen = " ".join(f"-p {policy}" for policy in policies)
        yield "next", f"zoo compare {shlex.quote(data)} -b {shlex.quote(found.backbone)} {chosen}"


def _next_policies(found: Diagnosis) -> list[str]:
    """What to compare: the cheapest, what is advised, and what does best; new statistics only where features gain."""
    if _NOTHING_TO_COMPARE & {verdict.name for verdict in found.verdicts}:
        return []
    advised = [found.advice.policy] if found.advice is not None else []
    new_statistics = ["bn-stats", "bn-affine", "bn-trainable"]
    rest = new_statistics if gains(found.effect) else ["unfreeze-top-k:k=2"]
    return list(dict.fromkeys(["freeze-all", *advised, *rest]))


def _drawn(layers: Sequence[LayerDiagnosis], *, width: int) -> Table:
    """The table in one of three layouts: 0 is the widest."""
    drawn = tables.table(gap=2 if width == 0 else 1)
    tables.column(drawn, "depth", justify="right")
    tables.column(drawn, "BatchNorm layer", wrap=True)
    tables.column(drawn, "divergence" if width == 0 else "diver-\ngence")
    tables.column(drawn, "", justify="right")
    tables.column(drawn, "mean\nshift", justify="right")
    tables.column(drawn, "log\nratio", justify="right")
    if width < 2:  # noqa: PLR2004 - the narrowest
        tables.column(drawn, "steps\nneeded", justify="right")
        tables.column(drawn, "dead", justify="right")
        tables.column(drawn, "satu-\nrated", justify="right")
    for first, group in _groups(layers):
        worst = max(group, key=lambda one: one.divergence)
        rest = [str(max(one.steps for one in group)), _most(one.dead for one in group)]
        last = first + len(group) - 1
        drawn.add_row(
            Text(str(first) if last == first else f"{first}-{last}"),
            tables.name_of(_shortened(worst.name, 40 if width == 0 else 18)),
            Text(_bar(worst.divergence, _BAR if width == 0 else _BAR // 2), style="cyan"),
            Text(f"{worst.divergence:.2g}"),
            Text(f"{worst.mean_shift:.2f}"),
            Text(f"{worst.log_ratio:+.2f}"),
            *map(Text, [*rest, _most(one.saturated for one in group)] if width < 2 else []),  # noqa: PLR2004 - as above
        )
    return drawn


def _groups(layers: Sequence[LayerDiagnosis]) -> Iterator[tuple[int, Sequence[LayerDiagnosis]]]:
    """Layers in at most so many rows, each with the number of its first, from 1."""
    size = math.ceil(len(layers) / ROWS)
    for start in range(0, len(layers), size):
        yield start + 1, layers[start : start + size]


def _shortened(name: str, most: int) -> str:
    return name if len(name) <= most else f"…{name[1 - most :]}"


def _most(shares: Iterator[float | None]) -> str:
    known = [share for share in shares if share is not None]
    return f"{max(known):.0%}" if known else figures.MISSING


def _bar(value: float, width: int) -> str:
    place = (math.log10(min(max(value, _LEAST), _MOST)) - math.log10(_LEAST)) / math.log10(_MOST / _LEAST)
    eighths = max(1, round(place * width * 8))
    return "█" * (eighths // 8) + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[eighths % 8]
