"""What was measured, as plots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evidence.drawing import COLOURS, DASHES, INK, Canvas, Frame
from evidence.tables import label_of, title_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Document = dict[str, Any]

STEP = 0.1
"""Between lines of the grid."""


def _mean_course(courses: Sequence[Sequence[float]]) -> list[float]:
    length = min(len(course) for course in courses)
    return [float(np.mean([course[i] for course in courses])) for i in range(length)]


def _floor(rows: Sequence[Document]) -> float:
    """Where the axis of accuracy begins: at the line below all courses."""
    least = min(value for row in rows for key in ("training", "inference") for course in row[key] for value in course)
    return max(0.0, round(STEP * float(np.floor(least / STEP - 1e-9)), 6))


def _levels(low: float, high: float = 1.0) -> list[float]:
    return [round(float(value), 6) for value in np.arange(low, high + 1e-9, STEP)]


def _ticks(last: int) -> list[float]:
    step = 20 if last > 40 else 2  # noqa: PLR2004 - few numbers below the axis
    return [float(value) for value in range(0, last + 1, step)]


def scaling(found: Document) -> dict[str, str]:
    """Courses of accuracy: short rows on wrong and right inputs, and the long row, in training and inference mode."""
    plots = {}
    long = max(row["epochs"] for row in found["rows"])
    short = [row for row in found["rows"] if row["epochs"] < long]
    for inputs in dict.fromkeys(row["inputs"] for row in short):
        mine = [row for row in short if row["inputs"] == inputs and not row["patience"]]
        name = "wrong-inputs" if inputs.startswith("divided") else "right-inputs"
        plots[name] = _courses(mine, found["about"], f"Inputs {inputs}")
    late = [row for row in found["rows"] if row["epochs"] == long]
    if late and long > max((row["epochs"] for row in short), default=0):
        plots["late-statistics"] = _late(late[0], found["about"])
    return plots


def _courses(rows: Sequence[Document], about: Document, title: str) -> str:
    canvas = Canvas(760, 340 + 18 * ((len(rows) + 1) // 2))
    last, low = max(row["epochs"] for row in rows), _floor(rows)
    for number, (key, words) in enumerate(
        (("training", "training mode, training pictures"), ("inference", "inference mode, validation pictures"))
    ):
        frame = Frame(canvas, 50 + 370 * number, 60, 310, 220, (0, last), (low, 1))
        frame.grid(_ticks(last), _levels(low), title=words, below="epoch")
        frame.canvas.line([frame.at(0, about["majority"]), frame.at(last, about["majority"])], colour=INK, dash="2 4")
        for index, row in enumerate(rows):
            course = _mean_course(row[key])
            points = [frame.at(epoch + 1, value) for epoch, value in enumerate(course)]
            canvas.line(points, colour=COLOURS[index % len(COLOURS)], width=2, dash=DASHES[index % len(DASHES)])
    canvas.text(50, 26, f"{title}: accuracy by epoch (mean of seeds; dotted: majority class)", size=14)
    for index, row in enumerate(rows):
        x, y = 50 + 370 * (index % 2), 340 + 18 * (index // 2)
        canvas.line(
            [(x, y - 4), (x + 28, y - 4)],
            colour=COLOURS[index % len(COLOURS)],
            width=2,
            dash=DASHES[index % len(DASHES)],
        )
        canvas.text(x + 36, y, label_of(row))
    return canvas.svg(f"{title}: accuracy by epoch for each policy, in training mode and in inference mode")


def _late(row: Document, about: Document) -> str:
    canvas = Canvas(760, 340)
    last, low = row["epochs"], _floor([row])
    frame = Frame(canvas, 50, 60, 680, 220, (0, last), (low, 1))
    frame.grid(_ticks(last), _levels(low), below=f"epoch of {about['steps_per_epoch']} steps")
    canvas.line([frame.at(0, about["majority"]), frame.at(last, about["majority"])], colour=INK, dash="2 4")
    for index, (key, words) in enumerate((("training", "training mode"), ("inference", "inference mode"))):
        for course in row[key]:
            points = [frame.at(epoch + 1, value) for epoch, value in enumerate(course)]
            canvas.line(points, colour=COLOURS[index], width=1.5)
        canvas.text(480 + 120 * index, 46, words, colour=COLOURS[index])
    canvas.text(50, 26, f"{row['policy']} on inputs {row['inputs']}: each seed (dotted: majority class)", size=14)
    return canvas.svg(f"{row['policy']} on inputs {row['inputs']}: accuracy by epoch in training and inference mode")


def shifts(found: Document) -> dict[str, str]:
    """Each cell's policies on a line, for each data set."""
    plots = {}
    for data in dict.fromkeys(cell["data"] for cell in found["cells"]):
        mine = [cell for cell in found["cells"] if cell["data"] == data]
        plots[f"shifts-{data}"] = _cells(mine, found["about"]["policies"], str(data))
    return plots


def _cells(cells: Sequence[Document], policies: Sequence[str], data: str) -> str:
    step = 26
    height = step * len(cells)
    canvas = Canvas(760, height + 150)
    scores = [row["holdout"] for cell in cells for row in cell["policies"].values()]
    low, high = float(np.floor(20 * min(scores)) / 20), float(np.ceil(20 * max(scores)) / 20)
    frame = Frame(canvas, 110, 90, 620, height, (low, high), (0, len(cells)))
    frame.grid(_levels(low, high), [], below="hold-out accuracy")
    canvas.text(20, 26, f"{data}: policies under each shift", size=14)
    for number, policy in enumerate(policies):
        x, y = 20.0 + 185 * (number % 4), 48 + 18 * (number // 4)
        canvas.dot(x + 4, y - 4, colour=COLOURS[number], hollow=bool(number % 2))
        canvas.text(x + 14, y, policy)
    for number, cell in enumerate(cells):
        middle = len(cells) - number - 0.5
        canvas.line([frame.at(low, middle), frame.at(high, middle)])
        left, level = frame.at(low, middle)
        canvas.text(left - 8, level + 4, title_of(cell), anchor="end")
        for index, policy in enumerate(policies):
            canvas.dot(
                *frame.at(cell["policies"][policy]["holdout"], middle), colour=COLOURS[index], hollow=bool(index % 2)
            )
    return canvas.svg(f"{data}: hold-out accuracy of each policy under each shift")


PLOTS: dict[str, Callable[[Document], dict[str, str]]] = {"scaling": scaling, "shifts": shifts}
"""The plots of a part by the names of their files, for parts that have some."""
