"""Measured answers about BatchNorm, shifted pictures, batches, heads and scores. See README.md beside this file.

python benchmarks/measure.py shifts --data PICTURES PICTURES --ledger found.jsonl --json found.json
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

from evidence import augmented, batches, documents, graded, heads, policies, policy_table, scaling
from evidence.plots import PLOTS
from evidence.rig import Ledger
from evidence.tables import TABLES

PARTS: dict[str, Any] = {
    "scaling": scaling,
    "shifts": graded,
    "batches": batches,
    "heads": heads,
    "validation": augmented,
    "policies": policies,
}
"""What can be measured."""

PARTS_TABLES: dict[str, Any] = {**TABLES, "policies": policy_table.policies}
"""The table of each part."""

SEVERAL = ("shifts", "policies")
"""Parts that take several data sets."""


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("part", choices=PARTS)
    add("--data", nargs="+", default=["demo"], help="folders with one sub-folder for each class, or demo")
    add("--shifts", nargs="+", metavar="SHIFT", help="some of the shifts, as 'blur 2'")
    add("--policies", nargs="+", metavar="POLICY", help="instead of the part's own")
    add("--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings of the part, as size=64 heads=gap,mlp")
    add("--ledger", type=Path, metavar="FILE", help="remember finished runs there, and take them from there")
    add("--as-far", action="store_true", help="train nothing: what the ledger has")
    add("--write", type=Path, metavar="FOLDER", help="write the shifted copies there, and nothing else")
    add("--show", nargs="+", type=Path, metavar="FILE", help="measure nothing: what such files hold, together")
    add("--json", type=Path, metavar="FILE", help="write everything that was measured")
    add("--plots", type=Path, metavar="FOLDER", help="draw the part's plots there, as SVG")
    add("--page", type=Path, metavar="FILE", help="put the table into its place on that page")
    add("--place", metavar="NAME", help="of that place, if not that of the part")
    return parser.parse_args()


def plan_of(wanted: argparse.Namespace) -> Any:  # noqa: ANN401 - each part has its own
    """The part's plan with what was asked for."""
    part = PARTS[wanted.part]
    several = wanted.part in SEVERAL
    plan = part.Plan(data=tuple(wanted.data) if several else wanted.data[0])
    pairs = (one.partition("=") for one in wanted.set)
    changes: dict[str, Any] = {name: int(value) if value.isdecimal() else value for name, _, value in pairs}
    if wanted.shifts:
        changes["shifts"] = tuple(wanted.shifts)
    changes |= {name: tuple(changes[name].split(",")) for name in ("backbones", "heads") if name in changes}
    if wanted.policies:
        changes["policies"] = tuple(wanted.policies)
    return dataclasses.replace(plan, **changes)


def measured(wanted: argparse.Namespace) -> dict[str, Any]:
    """Trains what is missing, or reads what was measured."""
    if wanted.show:
        return documents.read(wanted.show)
    part, plan, ledger = PARTS[wanted.part], plan_of(wanted), Ledger(wanted.ledger)
    if not wanted.as_far:
        part.train(plan, ledger, lambda text: print(text, file=sys.stderr, flush=True))  # noqa: T201 - shows life
    found: dict[str, Any] = part.collect(plan, ledger)
    return found


def main() -> None:
    """Measures a part, prints its table, draws its plots and writes JSON."""
    wanted = arguments()
    if wanted.write:
        graded.write_copies(plan_of(wanted), wanted.write)
        return
    found = measured(wanted)
    if wanted.json:
        documents.write(found, wanted.json)
    if wanted.plots:
        wanted.plots.mkdir(parents=True, exist_ok=True)
        draw = PLOTS.get(wanted.part)
        for name, text in draw(found).items() if draw else ():
            (wanted.plots / f"{name}.svg").write_text(text, encoding="utf-8", newline="\n")
    table = PARTS_TABLES[wanted.part](found)
    if wanted.page:
        documents.place(table, wanted.page, wanted.place or wanted.part)
    print(table)  # noqa: T201 - the result


if __name__ == "__main__":
    main()
