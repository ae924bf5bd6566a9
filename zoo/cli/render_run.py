"""One run: how it ended, its scores, its history, and the receipt of what moved."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from rich.text import Text

from zoo import figures
from zoo.cli import screen, tables
from zoo.cli.board_table import STATUS_STYLES
from zoo.cli.options import STORE
from zoo.cli.render_item import facts, heading
from zoo.cli.run_json import weights_card
from zoo.rate_curve import FILE, read_curve
from zoo.settings import OPTIONS, SETTINGS

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console
    from rich.table import Table

    from zoo.rate_curve import RangeTest
    from zoo.values import EpochRecord, Receipt, RunRecord

_VERDICTS = {"PASS": "green", "WARN": "yellow", "FAIL": "red"}
_SETTINGS = ("epochs", "batch_size", "learning_rate", "label_smoothing", "patience", "metric", "seed")
"""Always shown; `zoo.settings.OPTIONS` where they are not at their defaults."""


def show_fit(console: Console, record: RunRecord, folder: Path, *, store: Path) -> None:
    """The outcome of `zoo fit`: scores, verdict, where the model lies, what to do next."""
    _show_head(console, record)
    facts(console, [*_scores(record), *_cost(record)])
    receipt = record.receipt
    if receipt is not None:
        console.print()
        _show_verdict(console, receipt)
    for note in record.notes:
        screen.say(console, note, label="note")
    if record.explanation is not None:
        screen.say(console, record.explanation.line, label="why")
    console.print()
    facts(console, [("model", str(folder / "model.keras"))])
    show_next(console, record.id, store=store)


def show_run(console: Console, record: RunRecord, folder: Path) -> None:
    """Everything about a run."""
    _show_head(console, record)
    facts(console, [*_recipe(record), ("started", record.started), ("folder", str(folder))])
    if record.validation is not None:
        heading(console, "scores")
        facts(console, [*_scores(record), *_cost(record)])
        console.print()
        screen.draw(console, _recalls(record))
    if record.explanation is not None:
        from zoo.cli.render_explanation import show_explanation

        show_explanation(console, record.explanation)
    weights = weights_card(folder)
    if weights and weights.get("id") == "none":
        heading(console, "weights it started from")
        screen.say(console, "Random ones.")
    elif weights:
        heading(console, "weights it started from")
        told = {key.replace("_", " "): value for key, value in weights.items() if value not in (None, "")}
        facts(console, [(key, str(value)) for key, value in told.items()])
    tested = read_curve(folder)
    if tested is not None:
        heading(console, "learning-rate range test")
        facts(console, _range_test(tested, folder))
    if record.history:
        heading(console, "history")
        screen.draw(
            console, tables.first_fitting(console, (lambda: _history(record, gap=2), lambda: _history(record, gap=1)))
        )
    if record.receipt is not None:
        heading(console, "receipt: what moved between the start and the saved model")
        screen.draw(console, _receipt(record.receipt, wide=console.width >= 100))  # noqa: PLR2004 - all columns fit from there
        console.print()
        _show_verdict(console, record.receipt)
    if record.notes:
        heading(console, "notes")
        for note in record.notes:
            screen.say(console, note, label="note")


def show_next(console: Console, run: str, *, store: Path) -> None:
    """The commands that make sense after a run, ready to be copied: never wrapped."""
    words = "" if store == STORE else f" --store {shlex.quote(str(store))}"
    console.print(tables.name_of(f"next   zoo show {run}{words}"), soft_wrap=True)
    console.print(tables.name_of(f"       zoo predict {run}{words} PATHS…"), soft_wrap=True)


def _show_head(console: Console, record: RunRecord) -> None:
    style = STATUS_STYLES.get(record.status, "red")
    console.print(Text.assemble((record.id, "bold"), "  ", (record.status, style)))
    console.print(tables.name_of(record.recipe.title), soft_wrap=False)
    if record.reason:
        screen.say(console, record.reason, label="reason")
    console.print()


def _recipe(record: RunRecord) -> list[tuple[str, str]]:
    recipe = record.recipe
    chosen = [name for name in OPTIONS if getattr(recipe, name) != SETTINGS[name].default]
    names = (*_SETTINGS[:3], *chosen, *_SETTINGS[3:])
    known = {name.replace("_", " "): value for name in names if (value := getattr(recipe, name)) is not None}
    return [
        ("settings", ", ".join(f"{name} {value}" for name, value in known.items())),
        ("classes", ", ".join(recipe.classes)),
        ("data", f"{recipe.data[:12]}, split {recipe.split[:12]}"),
        ("backend", f"{record.environment.get('backend', '')}"),
    ]


def _range_test(test: RangeTest, folder: Path) -> list[tuple[str, str]]:
    none = "none: the loss never falls, so the policy's own rates were used"
    least = min(test.smoothed, default=0.0)
    return [
        ("chosen", none if test.chosen is None else f"{test.chosen:.3g}, the middle of the longest fall of the loss"),
        ("tried", f"{len(test.rates)} steps in phase {test.phase!r}, up to a rate of {max(test.rates, default=0):.3g}"),
        ("smoothed loss", f"{test.smoothed[0]:.3f} at first, {least:.3f} at the least" if test.smoothed else ""),
        ("curve", str(folder / FILE)),
    ]


def _scores(record: RunRecord) -> list[tuple[str, str]]:
    scores = record.validation
    if scores is None:
        return []
    kept = f"epoch {record.best_epoch} of {len(record.history)} kept"
    return [
        ("validation accuracy", f"{figures.share(scores.accuracy)} of {scores.n:,} pictures ({kept})"),
        ("balanced accuracy", figures.share(scores.balanced_accuracy)),
        ("cross-entropy", f"{scores.loss:.3f}"),
        ("training accuracy", f"{figures.share(record.train_accuracy)} in the last epoch, training mode"),
        ("  in inference mode", figures.share(record.inference_accuracy) if record.inference_accuracy else ""),
    ]


def _cost(record: RunRecord) -> list[tuple[str, str]]:
    return [
        ("weights", f"{figures.count(record.trainable_weights)} trained of {figures.count(record.total_weights)}"),
        ("time", figures.duration(record.seconds)),
        ("inference", f"{figures.milliseconds(record.milliseconds_per_image)} ms for a picture"),
    ]


def _recalls(record: RunRecord) -> Table:
    drawn = tables.table()
    tables.column(drawn, "class", wrap=True)
    tables.column(drawn, "recall", justify="right")
    recalls = record.validation.recalls if record.validation else ()
    for name, recall in zip(record.recipe.classes, recalls, strict=False):
        drawn.add_row(tables.name_of(name), figures.share(recall))
    return drawn


def _history(record: RunRecord, *, gap: int) -> Table:
    drawn = tables.table(gap=gap)
    tables.column(drawn, "", justify="right")
    tables.column(drawn, "phase", wrap=True)
    for header in ("loss", "accuracy", "val loss", "val acc", "balanced", "rate", "time"):
        tables.column(drawn, header, justify="right")
    for epoch in record.history:
        kept = epoch.epoch == record.best_epoch
        drawn.add_row(*_epoch(epoch, kept=kept), style="bold" if kept else "")
    return drawn


def _epoch(epoch: EpochRecord, *, kept: bool) -> tuple[Text | str, ...]:
    return (
        f"{'*' if kept else ''}{epoch.epoch}",
        tables.name_of(epoch.phase),
        f"{epoch.loss:.3f}",
        figures.share(epoch.accuracy),
        f"{epoch.val_loss:.3f}",
        figures.share(epoch.val_accuracy),
        figures.share(epoch.val_balanced_accuracy),
        f"{epoch.learning_rate:.1e}",
        figures.duration(epoch.seconds),
    )


def _receipt(receipt: Receipt, *, wide: bool) -> Table:
    drawn = tables.table(gap=2 if wide else 1)
    tables.column(drawn, "block", wrap=True)
    tables.column(drawn, "declared")
    for header in ("weights", "opened", "moved", "change"):
        tables.column(drawn, header, justify="right")
    for header in ("γβ", "stats", "verdict") if not wide else ("gamma/beta", "statistics", "verdict"):
        tables.column(drawn, header)
    for row in receipt.rows:
        drawn.add_row(
            tables.name_of(row.block),
            row.declared,
            figures.count(row.weights),
            figures.count(row.opened),
            figures.count(row.moved),
            f"{row.relative_change:.2g}",
            _moved(row.affine_moved),
            _moved(row.statistics_moved),
            Text(row.verdict, style=_VERDICTS[row.verdict]),
        )
    return drawn


def _moved(moved: bool | None) -> str:
    return figures.MISSING if moved is None else "moved" if moved else "still"


def _show_verdict(console: Console, receipt: Receipt) -> None:
    numbers = {verdict: sum(row.verdict == verdict for row in receipt.rows) for verdict in _VERDICTS}
    said = ", ".join(f"{number} {verdict}" for verdict, number in numbers.items() if number)
    console.print(Text.assemble(("receipt ", "bold"), (receipt.verdict, _VERDICTS[receipt.verdict]), f" ({said})"))
    for row in receipt.rows:
        if row.reason:
            screen.say(console, f"{row.block}: {row.reason}", label=row.verdict)
    if receipt.unbuilt:
        screen.say(console, f"Layers without built weights: {', '.join(receipt.unbuilt)}", label="note")
