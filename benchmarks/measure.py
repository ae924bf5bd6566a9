"""Measured answers about BatchNorm, shifted pictures, batches, heads and scores.

    python benchmarks/measure.py shifts --data PICTURES PICTURES [--ledger FILE] [--json FILE]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from evidence import graded
from evidence.rig import Ledger


def main() -> None:
    """Measures a part, prints its table and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("part", choices=["shifts"])
    add("--data", nargs="+", default=["demo"])
    add("--shifts", nargs="+")
    add("--seeds", type=int, default=2)
    add("--ledger", type=Path)
    add("--json", type=Path)
    add("--write", type=Path)
    add("--as-far", action="store_true")
    wanted = parser.parse_args()
    plan = graded.Plan(data=tuple(wanted.data), seeds=wanted.seeds)
    if wanted.shifts:
        plan = dataclasses.replace(plan, shifts=tuple(wanted.shifts))
    ledger = Ledger(wanted.ledger)
    if wanted.write:
        graded.write_copies(plan, wanted.write)
        return
    if not wanted.as_far:
        graded.train(plan, ledger, lambda text: print(text, file=sys.stderr, flush=True))
    document = graded.collect(plan, ledger)
    if wanted.json:
        wanted.json.write_text(json.dumps(document, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
