"""How often the first cause that a row at chance is given is the right one: runs that are spoilt in one known way.

    python benchmarks/diagnosis/not_learning.py [--seeds 5] [--case NAME …] [--json FILE]

Every case is the demo's made-up panels and a recipe that is wrong in one way; the seed draws both the pictures and the
run. Rows of the table are what was done, columns what was named first. `named` also counts the causes that were said
not to be excluded. Runs that learned all the same, or were good rows, are in the column `nothing`. The pretrained cases
need efficientnet-lite0 with its weights. Minutes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import cases

import zoo

LITE, SCRATCH = "efficientnet-lite0:size=64", "scratch-cnn:size=32"
NOTHING = "nothing"

CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "good row, head": (NOTHING, "plain", {"backbone": LITE, "policy": "freeze-all"}),
    "good row, solved head": (NOTHING, "plain", {"backbone": LITE, "policy": "freeze-all", "head": "probe"}),
    "good row, shapes": (NOTHING, "shapes", {"backbone": SCRATCH, "policy": "from-scratch", "learning_rate": 3e-3}),
    "rate 100, head": ("learning rate too high", "plain", {"backbone": LITE, "policy": "freeze-all", "learning_rate": 100.0}),
    "rate 10, all open": (
        "learning rate too high",
        "shapes",
        {"backbone": SCRATCH, "policy": "from-scratch", "learning_rate": 10.0},
    ),
    "rate 1e-6, head": ("learning rate too low", "plain", {"backbone": LITE, "policy": "freeze-all", "learning_rate": 1e-6}),
    "rate 1e-6, all open": (
        "learning rate too low",
        "shapes",
        {"backbone": SCRATCH, "policy": "from-scratch", "learning_rate": 1e-6},
    ),
    "labels by lot, head": ("labels", "shuffled", {"backbone": LITE, "policy": "freeze-all", "epochs": 25, "patience": None}),
    "labels by lot, solved": ("labels", "shuffled", {"backbone": LITE, "policy": "freeze-all", "head": "probe"}),
    "patience 1": (
        "patience too short",
        "plain",
        {"backbone": LITE, "policy": "freeze-all", "learning_rate": 2e-4, "epochs": 60, "patience": 1},
    ),
    "2 epochs": (
        "too few epochs",
        "plain",
        {"backbone": LITE, "policy": "freeze-all", "learning_rate": 2e-4, "epochs": 3, "patience": None},
    ),
    "momentum 0.999": (
        "moving statistics lag",
        "tinted",
        {"backbone": "tiny-slow:size=32", "policy": "bn-trainable", "learning_rate": 0.02},
    ),
    "divided by 255": ("wrong input", "plain", {"backbone": "efficientnet-lite0-divided:size=64", "policy": "freeze-all"}),
    "random features": ("features do not separate", "plain", {"backbone": SCRATCH, "policy": "freeze-all"}),
    "40 pictures": (
        "overfitting",
        "plain",
        {"backbone": SCRATCH, "policy": "from-scratch", "learning_rate": 3e-3, "epochs": 60, "patience": None},
    ),
}
PICTURES = {"40 pictures": 60}


def first_causes(case: str, seed: int, *, catalog: Any, store: Path) -> list[str]:  # noqa: ANN401 - a catalog
    """The names of the causes that a run of a case is given, the likeliest first; `nothing` for none."""
    _, kind, settings = CASES[case]
    run = zoo.fit(
        "case",
        source=f"case:kind={kind},seed={seed},images={PICTURES.get(case, 360)}",
        seed=seed,
        store=store,
        cache=False,
        observe=lambda _: None,
        catalog=catalog,
        **{"epochs": 12, **settings},
    )
    found = run.explanation
    return [NOTHING] if found is None or found.matter != "not learning" else [cause.name for cause in found.causes]


def main() -> None:
    """Runs the cases and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--case", action="append", choices=list(CASES))
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    catalog, found, store = cases.catalog(), {}, Path(tempfile.mkdtemp())
    for case in asked.case or CASES:
        found[case] = []
        for seed in range(asked.seeds):
            try:
                names = first_causes(case, seed, catalog=catalog, store=store)
            except zoo.TrainingError as error:  # a run that diverged; its record has the cause
                with zoo.store.Store(store) as opened:
                    told = opened.runs()[-1].explanation
                names = [cause.name for cause in told.causes] if told is not None else [type(error).__name__]
            found[case].append(names)
        print_row(case, found[case])
    shutil.rmtree(store)
    spoilt = [case for case in found if CASES[case][0] != NOTHING]
    right = sum(names[0] == CASES[case][0] for case in spoilt for names in found[case])
    named = sum(CASES[case][0] in names for case in spoilt for names in found[case])
    total = sum(len(found[case]) for case in spoilt)
    alarms = [names for case in found if case not in spoilt for names in found[case]]
    print(f"spoilt runs: first cause right {right}/{total}, named {named}/{total}")
    print(f"good rows: explained although nothing is wrong {sum(names != [NOTHING] for names in alarms)}/{len(alarms)}")
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


def print_row(case: str, found: list[list[str]]) -> None:
    """One line of the table."""
    wanted = CASES[case][0]
    first = Counter(names[0] for names in found)
    said = ", ".join(f"{name} {times}" for name, times in first.most_common())
    named = sum(wanted in names for names in found)
    print(f"{case:22} {wanted:26} named {named}/{len(found)}   first: {said}", flush=True)


if __name__ == "__main__":
    main()
