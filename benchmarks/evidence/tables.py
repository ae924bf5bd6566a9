"""What was measured, as text of at most 100 columns. Accuracies are in percent, with 95 % intervals in brackets."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    Document = dict[str, Any]

NEAR = 0.01
"""A policy within one point of the best is as good as the best."""

SHORT = {
    "unfreeze-top-k:k=2": "top-k:k=2",
    "bn-trainable": "bn-train.",
    "bn-trainable:stats=moving": "…moving",
}
"""Policies as the head of a column names them."""

ASKED = (
    ("bn-stats", "freeze-all", "stats−freeze"),
    ("bn-affine", "freeze-all", "affine−freeze"),
    ("bn-trainable", "bn-affine", "trainable−affine"),
    ("bn-trainable", "bn-trainable:stats=moving", "precise−moving"),
    ("fine-tune", "unfreeze-top-k:k=2", "fine-tune−top-k"),
)
"""Differences between policies that answer a question."""


def percent(value: float) -> str:
    """As `56.3`."""
    return f"{100 * value:.1f}"


def scored(row: Document) -> str:
    """Hold-out accuracy with its interval, as `56 [50–62]`."""
    return f"{100 * row['holdout']:.0f} [{100 * row['low']:.0f}–{100 * row['high']:.0f}]"


def columns(heads: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """A table; the first columns are aligned to the left, the others to the right."""
    widths = [max(len(line[i]) for line in (heads, *rows)) for i in range(len(heads))]
    lines = [
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in (heads, *rows)
    ]
    return "\n".join(line.rstrip() for line in [lines[0], "─" * len(lines[0]), *lines[1:]])


def title_of(cell: Document) -> str:
    """Shift and grade of a cell."""
    return f"{cell['shift']} {cell['grade']}" if cell["grade"] else str(cell["shift"])


def near_best(cell: Document) -> list[str]:
    """Policies within one point of the best of a cell."""
    best = max(row["holdout"] for row in cell["policies"].values())
    return [name for name, row in cell["policies"].items() if row["holdout"] >= best - NEAR - 1e-9]


def shifts(found: Document) -> str:
    """Every cell with every policy, and the policies over all cells."""
    about, cells = found["about"], found["cells"]
    names = about["policies"]
    settings = f"{about['epochs']} epochs, batches of {about['batch_size']}"
    head = f"{about['backbone']} at {about['size']} px, {settings}; hold-out accuracy in percent [95 % interval];"
    parts = [f"{head}\n* best, or within one point of the best"]
    for data in dict.fromkeys(cell["data"] for cell in cells):
        mine = [cell for cell in cells if cell["data"] == data]
        n, seeds = mine[0]["n"], [len(row["holdout_seeds"]) for cell in mine for row in cell["policies"].values()]
        lines = []
        for cell in mine:
            near = near_best(cell)
            marks = [scored(cell["policies"][name]) + ("*" if name in near else " ") for name in names]
            lines.append([title_of(cell), *marks])
        counted = str(min(seeds)) if min(seeds) == max(seeds) else f"{min(seeds)} to {max(seeds)}"
        sizes = f"{n['train']} training, {n['validation']} validation, {n['holdout']} hold-out pictures"
        facts = (
            f"{data}: {mine[0]['classes']} classes; {sizes}; seeds: {counted}; majority {percent(mine[0]['majority'])}"
        )
        parts.append(f"{facts}\n\n{columns(['shift', *(SHORT.get(name, name) + ' ' for name in names)], lines)}")
    return "\n\n".join([*parts, over_cells(found)])


def over_cells(found: Document) -> str:
    """Each policy over all cells: how often it is as good as the best, and what it costs where it is not."""
    cells = found["cells"]
    lines = []
    for name in found["about"]["policies"]:
        scores = np.array([cell["policies"][name]["holdout"] for cell in cells])
        best = np.array([max(row["holdout"] for row in cell["policies"].values()) for cell in cells])
        near = sum(name in near_best(cell) for cell in cells)
        lost = best - scores
        lines.append(
            [name, percent(scores.mean()), f"{near} of {len(cells)}", percent(lost.mean()), percent(lost.max())]
        )
    heads = ["policy", "mean", "best or within 1 point", "points behind, mean", "most"]
    return f"all {len(cells)} cells\n\n" + columns(heads, lines) + "\n\n" + pairs(found)


def pairs(found: Document) -> str:
    """Differences between policies by kind of shift."""
    asked = [pair for pair in ASKED if set(pair[:2]) <= set(found["about"]["policies"])]
    kinds: dict[str, list[Document]] = defaultdict(list)
    for cell in found["cells"]:
        kinds[cell["shift"]].append(cell)
    gains = {
        kind: [_gains(cells, one, other) for one, other, _ in asked]
        for kind, cells in [*kinds.items(), ("all", found["cells"])]
    }
    lines = [
        [kind, str(len(found_here[0])), *(f"{100 * np.mean(column):+.1f}" for column in found_here)]
        for kind, found_here in gains.items()
        if found_here
    ]
    lines.append(["ahead in", "", *(str(sum(gain > 0 for gain in column)) for column in gains["all"])])
    names = ["shift", "cells", *(words for _, _, words in asked)]
    return "mean difference of hold-out accuracy in points; cells in which the first is ahead\n\n" + columns(
        names, lines
    )


def _gains(cells: Sequence[Document], one: str, other: str) -> list[float]:
    """Hold-out accuracy of one policy less that of another, cell by cell."""
    return [cell["policies"][one]["holdout"] - cell["policies"][other]["holdout"] for cell in cells]


def label_of(row: Document) -> str:
    """Policy of a row, with momentum and patience where they are not the usual ones."""
    words = [row["policy"]]
    if row["momentum"]:
        words.append(f"momentum {row['momentum']:g}")
    if row["patience"]:
        words.append(f"patience {row['patience']}")
    return ", ".join(words)


def scaling(found: Document) -> str:
    """What each policy makes of wrong and of right inputs."""
    about = found["about"]
    lines = []
    for row in found["rows"]:
        ended = [len(course) for course in row["training"]]
        lines.append(
            [
                "wrong" if row["inputs"].startswith("divided") else "right",
                label_of(row),
                " ".join(map(str, ended)),
                percent(float(np.mean(row["training_seeds"]))),
                percent(row["validation"]),
                " ".join(map(str, row["best_epochs"])),
                scored(row),
            ]
        )
    n = about["n"]
    heads = ["inputs", "policy", "epochs", "training", "validation", "kept", "hold-out"]
    sizes = f"{n['train']} training, {n['val']} validation, {n['holdout']} hold-out pictures"
    steps = f"wrong: divided by 255; batches of {about['batch_size']}, {about['steps_per_epoch']} steps an epoch"
    head = f"{about['data']}: {sizes}; {about['backbone']} at {about['size']} px,\n{steps}; majority"
    more = "training accuracy of the last epoch in training mode, the rest in inference mode"
    seeds = "epochs and kept epochs of each seed"
    table = columns(heads, lines, left=2)
    return f"{head} {percent(about['majority'])}; {seeds};\n{more}\n\n{table}\n\n{_first_layer(found['first_layer'])}"


def _first_layer(found: Document) -> str:
    """The variances that the first BatchNorm layer sees."""
    lines = [[name, f"{found[name]['whole']:g}", f"{found[name]['inside']:g}"] for name in ("right", "divided by 255")]
    facts = f"{found['layer']}: variance stored {found['stored']:g}, epsilon {found['epsilon']:g}; of the pictures"
    return f"{facts} (medians over channels):\n\n{columns(['inputs', 'whole map', 'without its border'], lines)}"


_ACCURACIES = ("seeds", "training", "validation", "hold-out", "gap")


def _accuracies(row: Document) -> list[str]:
    """What a row reached, under the names of `_ACCURACIES`."""
    fitted = float(np.mean(row["fitted"]))
    gap = f"{100 * (fitted - row['holdout']):+.1f}"
    return [str(len(row["fitted"])), percent(fitted), percent(row["validation"]), scored(row), gap]


def batches(found: Document) -> str:
    """Batch size and learning rate against accuracy on training and on hold-out pictures."""
    about = found["about"]
    lines = []
    for row in found["rows"]:
        facts = [row["policy"], str(row["batch_size"]), f"{row['learning_rate']:g}", str(row["steps"])]
        lines.append([*facts, *_accuracies(row)])
    heads = ["policy", "batch", "rate", "steps", *_ACCURACIES]
    sizes = f"{about['n']['train']} training, {about['n']['holdout']} hold-out pictures"
    network = f"{about['backbone']} at {about['size']} px, {about['epochs']} epochs"
    head = f"{about['data']}: {sizes}; {network};\nall in inference mode; gap: training minus hold-out"
    return f"{head}\n\n{columns(heads, lines)}"


def heads(found: Document) -> str:
    """Pooling against flattening, shallow against deep."""
    about = found["about"]
    lines = []
    for row in found["rows"]:
        facts = [row["network"], row["head"], str(row["train"]), str(row["epochs"])]
        lines.append([*facts, *_accuracies(row)])
    lines.sort(key=lambda line: (line[0], int(line[2])))
    names = ["network", "head", "pictures", "epochs", *_ACCURACIES]
    sizes = f"batches of {about['batch_size']}, {about['n']['holdout']} hold-out pictures"
    head = f"{about['data']} at {about['size']} px, {sizes}, majority {percent(about['majority'])};"
    return f"{head}\nall in inference mode; gap: training minus hold-out\n\n{columns(names, lines, left=2)}"


def validation(found: Document) -> str:
    """The same models on pictures as they are and augmented."""
    about = found["about"]
    lines = []
    for row in found["rows"]:
        for name, seeds in row["augmented"].items():
            draws = np.array(seeds)
            spread = float(np.mean(draws.max(axis=1) - draws.min(axis=1)))
            change = float(draws.mean()) - row["plain"]
            facts = [row["trained"], name, percent(row["plain"]), percent(float(draws.mean())), f"{100 * change:+.1f}"]
            lines.append([*facts, f"{100 * spread:.1f}"])
    names = ["trained with", "scored on", "as they are", "augmented", "change", "spread of draws"]
    sizes = f"{about['n']['train']} training, {about['n']['holdout']} hold-out pictures"
    head = f"{about['data']}: {sizes}; {about['backbone']}, {about['policy']}, {about['epochs']} epochs;"
    more = f"{about['draws']} draws of augmented pictures; spread: best minus worst draw of one model, mean over seeds"
    return f"{head}\n{more}\n\n{columns(names, lines, left=2)}"


TABLES = {"scaling": scaling, "shifts": shifts, "batches": batches, "heads": heads, "validation": validation}
"""The table of each part."""
