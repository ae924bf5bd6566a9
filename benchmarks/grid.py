"""Ours beside what others would write, in one run, in turn, on the same pictures.

    python benchmarks/grid.py --scenario frozen-12 --data PICTURES [--epochs 10] [--repeats 3] [--json FILE]

Everybody trains the same rows with the same weights, sizes, epochs, rates and seeds, each in a fresh process, several
times; every second time in the opposite order. Ratios are medians over the repeats of the ratio within a repeat.
`README.md` beside this file says what each scenario is and who takes part.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from side_by_side import adding, equality, faults, growth, parts, processes, scenarios, starting, table
from side_by_side.comparing import LIMITS, differences, ratios
from side_by_side.contest import Arena, Settings, contenders_of, contest, opened
from side_by_side.machine import machine
from side_by_side.work import read_work

CHILDREN = {
    "prepare": ("pictures", "prepare"),
    "ours": ("ours", "run"),
    "peer": ("peer", "run"),
    "tuner": ("tuner", "run"),
    "limit": ("limit", "run"),
    "limit-folded": ("limit", "run_folded"),
    "importing": ("importing", "run"),
    "growth": ("growth", "run"),
}
"""Module and function that do the work of a kind of process."""

WHO = ["ours", "peer", "tuner", *LIMITS]
ALONE = {"faults": scenarios.GOOD, "equality": scenarios.CHECKED, "rows-30": scenarios.SMALL}
NAMES = [*(one.name for one in scenarios.GRIDS), *scenarios.OTHERS]


def child(kind: str, request: Path) -> None:
    """Does the work that a file asks for, and writes what became of it beside it."""
    work = read_work(request)
    module, function = CHILDREN[kind]
    answer = getattr(importlib.import_module(f"side_by_side.{module}"), function)(work)
    answer["own_peak"] = processes.own_peak()
    Path(work.folder, "answer.json").write_text(json.dumps(answer), encoding="utf-8")


def scenario_of(name: str) -> scenarios.Scenario:
    """A scenario by its name."""
    if name == "add-a-head":
        name = "frozen-12"
    return ALONE.get(name) or next(one for one in scenarios.GRIDS if one.name == name)


def measure(name: str, settings: Settings, folder: Path) -> tuple[dict[str, Any], str]:
    """Runs a scenario; its document and its table."""
    if name == "start":
        found = starting.measure()
        return found, starting.table(found)
    scenario = scenario_of(name)
    if name == "rows-30":
        settings = dataclasses.replace(settings, repeats=1)
    arena = opened(folder, scenario, settings)
    document: dict[str, Any] = {"pictures": arena.pictures, "as_png": arena.as_png}
    if name == "rows-30":
        run = arena.run("growth", arena.work)
        return {**document, "run": dataclasses.asdict(run)}, growth.table(run.answer)
    programs = {"add-a-head": adding, "equality": equality, "faults": faults}
    if name in programs:
        found = programs[name].measure(arena)
        return {**document, **found}, programs[name].table(found)
    return against_others(scenario, arena, document)


def against_others(scenario: scenarios.Scenario, arena: Arena, document: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Runs a grid by all who take part."""
    runs, failed = contest(arena, contenders_of(scenario, arena.settings))
    found, apart = ratios(runs, scenario.goals), differences(runs, arena.pictures["validation"])
    document["runs"] = [dataclasses.asdict(run) for run in runs]
    document["failed"] = failed
    document["ratios"] = [{**dataclasses.asdict(one), "median": one.median, "reached": one.reached} for one in found]
    document["accuracies"] = [{**dataclasses.asdict(one), "not_below": one.equal_or_better} for one in apart]
    tables = [table.table_of_runs(runs)] if runs else []
    tables += [table.table_of_ratios(found)] if found else []
    tables += [table.table_of_accuracies(apart)] if apart else []
    tables += [parts.table(runs)] if runs else []
    tables += ["\n".join([*table.troubles(runs), *(f"{name}: failed, left out" for name in failed)])]
    return document, "\n\n".join(filter(None, tables))


def heading(name: str, settings: Settings, document: dict[str, Any]) -> str:
    """What was measured, in one or two lines."""
    title = scenarios.OTHERS.get(name) or scenario_of(name).title
    if "pictures" not in document:
        return f"{name}: {title}"
    sides = document["pictures"]
    counts = f"{sides['train']} training and {sides['validation']} validation pictures"
    return f"{name}: {title}\n{counts}, {settings.epochs} epochs, repeats: {settings.repeats}"


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--scenario", action="append", choices=NAMES, required=True, help="can be repeated")
    add("--data", default="demo", help="folder with one sub-folder per class, or demo")
    add("--images", type=int, metavar="N", help="a random part of the pictures, for quick tries")
    add("--backbone", action="append", default=[], help="instead of the scenario's; can be repeated")
    add("--size", type=int, metavar="PIXELS", help="instead of the backbones' own")
    add("--epochs", type=int, default=10)
    add("--batch-size", type=int, default=32)
    add("--patience", type=int, help="end rows early, ours and the others' (default: never, so that all do the same)")
    add("--repeats", type=int, default=3)
    add("--only", action="append", default=[], choices=WHO, help="can be repeated")
    add("--peer-onednn", action="store_true", help="the peer once more, with oneDNN's kernels on as ours has them")
    add("--tuner", action="store_true", help="KerasTuner too (pip install keras-tuner)")
    add("--row-timeout", type=float, default=60.0, metavar="SECONDS", help="of the rows of `faults`")
    add("--parts", action="store_true", help="what the time of ours goes into, part by part (needs psutil)")
    add("--json", type=Path, metavar="FILE", help="write everything that was measured")
    return parser.parse_args()


def main() -> None:
    """Runs the scenarios that are asked for, prints their tables and writes them down."""
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], Path(sys.argv[3]))
        return
    wanted = arguments()
    settings = Settings(
        data=wanted.data,
        images=wanted.images,
        backbones=tuple(wanted.backbone),
        size=wanted.size,
        epochs=wanted.epochs,
        batch=wanted.batch_size,
        patience=wanted.patience,
        repeats=wanted.repeats,
        only=tuple(wanted.only),
        peer_onednn=wanted.peer_onednn,
        tuner=wanted.tuner,
        row_timeout=wanted.row_timeout,
        parts=wanted.parts,
        say=lambda text: print(text, file=sys.stderr, flush=True),  # noqa: T201 - so that a long run shows life
    )
    documents: dict[str, Any] = {"machine": machine(), "arguments": sys.argv[1:], "scenarios": {}}
    for name in wanted.scenario:
        with tempfile.TemporaryDirectory(prefix="zoo-benchmark-", ignore_cleanup_errors=True) as folder:
            try:
                document, text = measure(name, settings, Path(folder))
            except processes.ProcessFailedError as error:
                sys.exit(f"{name}: {error}")
        documents["scenarios"][name] = document
        print(f"{heading(name, settings, document)}\n\n{text}\n", flush=True)  # noqa: T201 - the result
        if wanted.json:
            wanted.json.write_text(json.dumps(documents, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
