"""A diagnosis as HTML: verdicts, a drawing by depth and a table. One file, light and dark, nothing from elsewhere."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from zoo import figures

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zoo.diagnosis import Diagnosis, LayerDiagnosis

WIDTH, HEIGHT = 720, 128
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 8, 22, 16

_STYLE = """
.zoo-diagnosis { --ink: #1c2024; --dim: #60646c; --line: #d9dbe0; --back: #ffffff; --mark: #0b68cb; --bad: #b3261e;
  --good: #1b7f3b; color: var(--ink); background: var(--back); font: 15px/1.5 system-ui, sans-serif;
  max-width: 760px; padding: 16px 20px; }
@media (prefers-color-scheme: dark) { .zoo-diagnosis { --ink: #e6e8eb; --dim: #9ba1a6; --line: #3a3f42;
  --back: #16181a; --mark: #6cb2ff; --bad: #ff8f84; --good: #6bd48b; } }
.zoo-diagnosis h2 { font-size: 20px; margin: 0 0 4px; }
.zoo-diagnosis h3 { font-size: 16px; margin: 0; }
.zoo-diagnosis p { margin: 2px 0 8px; }
.zoo-diagnosis .dim { color: var(--dim); font-size: 13px; }
.zoo-diagnosis .verdict { border-left: 4px solid var(--bad); padding: 2px 0 2px 12px; margin: 14px 0; }
.zoo-diagnosis .good { border-color: var(--good); }
.zoo-diagnosis svg { width: 100%; height: auto; display: block; margin: 6px 0; }
.zoo-diagnosis .scroll { overflow-x: auto; }
.zoo-diagnosis table { border-collapse: collapse; font-size: 13px; color: var(--ink); }
.zoo-diagnosis th, .zoo-diagnosis td { text-align: right; padding: 2px 10px 2px 0; border-bottom: 1px solid var(--line);
  white-space: nowrap; font-variant-numeric: tabular-nums; }
.zoo-diagnosis th:first-child, .zoo-diagnosis td:first-child { text-align: left; }
"""

_PAGE_STYLE = """body { margin: 0; background: #ffffff; }
@media (prefers-color-scheme: dark) { body { background: #16181a; } }
.zoo-diagnosis { margin: 0 auto; }"""


def page(found: Sequence[Diagnosis]) -> str:
    """A whole document with one or several diagnoses."""
    title = escape("Diagnosis of " + ", ".join(one.backbone for one in found))
    body = "\n".join(_section(one) for one in found)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}{_PAGE_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def fragment(found: Diagnosis) -> str:
    """A part of a document, with its own style: what a notebook shows."""
    return f"<style>{_STYLE}</style>{_section(found)}"


def _section(found: Diagnosis) -> str:
    parts = [
        f"<h2>{escape(figures.literal(found.backbone))} on {escape(figures.literal(found.location))}</h2>",
        f'<p class="dim">{escape(basis(found))}</p>',
    ]
    for verdict in found.verdicts:
        kind = "verdict good" if verdict.good else "verdict"
        remedy = f"<p><b>What to do:</b> {escape(verdict.remedy)}</p>" if verdict.remedy else ""
        parts.append(
            f'<div class="{kind}"><h3>{escape(verdict.title)}</h3><p>{escape(verdict.reason)}</p>{remedy}</div>'
        )
    if found.advice is not None:
        parts.append(
            f"<p><b>Try first: {escape(found.advice.policy)}.</b> {escape(found.advice.reason)} "
            f'<span class="dim">{escape(found.advice.reliability)}</span></p>'
        )
    if found.layers:
        parts += [_drawing(found.layers), _table(found.layers)]
    return '<section class="zoo-diagnosis">' + "\n".join(parts) + "</section>"


def basis(found: Diagnosis) -> str:
    """What a diagnosis rests on, as a sentence."""
    number = found.train + found.validation
    words = (
        f"{found.train:,} of {found.training:,} training pictures and "
        f"{figures.counted(found.validation, 'validation picture')}; test pictures were not looked at; "
        f"for {figures.counted(found.epochs, 'epoch')} in batches of {found.batch_size}, "
        f"{figures.counted(found.steps, 'step')}"
    )
    if found.passes and number:
        words += f"; {found.passes / number:.2f} passes of each picture, {figures.duration(found.seconds)}"
    return words


def _drawing(layers: Sequence[LayerDiagnosis]) -> str:
    """Three panels over depth, each layer a mark with its name and number as a tooltip."""
    panels = [
        ("divergence, nats (logarithmic)", [math.log10(max(one.divergence, 1e-3)) for one in layers], _power, -3.0),
        ("log variance ratio: above 0 the pictures vary more", [one.log_ratio for one in layers], _plain, 0.0),
        ("mean shift, stored standard deviations", [one.mean_shift for one in layers], _plain, 0.0),
    ]
    drawn = [_panel(index, *panel, layers=layers) for index, panel in enumerate(panels)]
    height = HEIGHT * len(panels) + _BOTTOM
    note = f'<text x="{_LEFT}" y="{height - 4}" font-size="12" fill="var(--dim)">input</text>'
    note += (
        f'<text x="{WIDTH - _RIGHT}" y="{height - 4}" font-size="12" text-anchor="end" fill="var(--dim)">'
        f"layer {len(layers)}</text>"
    )
    label = "Shift of the statistics by depth"
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">{"".join(drawn)}{note}</svg>'


def _panel(
    index: int,
    title: str,
    values: Sequence[float],
    words: Callable[[float], str],
    base: float,
    *,
    layers: Sequence[LayerDiagnosis],
) -> str:
    top, bottom = index * HEIGHT + _TOP, (index + 1) * HEIGHT - 8
    low, high = min([*values, base]), max([*values, base])
    span = (high - low) or 1.0

    def height(value: float) -> float:
        return bottom - (value - low) / span * (bottom - top)

    step = (WIDTH - _LEFT - _RIGHT) / len(values)
    wide = max(1.0, min(10.0, 0.7 * step))
    parts = [f'<text x="{_LEFT}" y="{top - 8}" font-size="13" fill="var(--ink)">{escape(title)}</text>']
    parts += [
        f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{height(value):.1f}" y2="{height(value):.1f}" '
        f'stroke="var(--line)"/><text x="{_LEFT - 6}" y="{height(value) + 4:.1f}" font-size="12" '
        f'text-anchor="end" fill="var(--dim)">{words(value)}</text>'
        for value in sorted({low, base, high})
    ]
    for number, (value, layer) in enumerate(zip(values, layers, strict=True)):
        top_edge, foot = sorted((height(value), height(base)))
        parts.append(
            f'<rect x="{_LEFT + (number + 0.5) * step - wide / 2:.1f}" y="{top_edge:.1f}" width="{wide:.1f}" '
            f'height="{max(1.0, foot - top_edge):.1f}" fill="var(--mark)"><title>{number + 1}. '
            f"{escape(figures.literal(layer.name))}: {words(value)}</title></rect>"
        )
    return "".join(parts)


def _power(value: float) -> str:
    return f"{10**value:.2g}"


def _plain(value: float) -> str:
    return f"{value:.2f}"


def _table(layers: Sequence[LayerDiagnosis]) -> str:
    heads = ("layer", "channels", "mean shift", "log ratio", "divergence", "sure", "steps", "dead", "saturated")
    rows = [
        (
            escape(figures.literal(one.name)),
            str(one.channels),
            f"{one.mean_shift:.2f}",
            f"{one.log_ratio:+.2f}",
            f"{one.divergence:.3g}",
            f"{one.sure:.0%}",
            f"{one.steps:,}",
            figures.MISSING if one.dead is None else f"{one.dead:.0%}",
            figures.MISSING if one.saturated is None else f"{one.saturated:.1%}",
        )
        for one in layers
    ]
    head = "".join(f"<th>{name}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
