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
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cases

from zoo.comparison import dataset_of
from zoo.events import ignore
from zoo.experiment import make_bench, run
from zoo.lineup import combinations, lines_of, recipe_of
from zoo.reuse import Networks
from zoo.store import Store

if TYPE_CHECKING:
    from zoo.prefix import FeatureCache
    from zoo.registry import Catalog

LITE, SCRATCH, PLAIN = "efficientnet-lite0:size=64", "scratch-cnn:size=32", "scratch-cnn:size=32,batch_norm=false"
NOTHING = "nothing"

CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "good row, head": (NOTHING, "plain", {"backbone": LITE, "policy": "freeze-all"}),
    "good row, solved": (NOTHING, "plain", {"backbone": LITE, "policy": "freeze-all", "head": "probe"}),
    "good row, shapes": (NOTHING, "shapes", {"backbone": PLAIN, "policy": "from-scratch", "learning_rate": 3e-3}),
    "rate 10, mlp": (
        "learning rate too high",
        "plain",
        {"backbone": LITE, "policy": "freeze-all", "head": "mlp", "learning_rate": 10.0},
    ),
    "rate 10, all open": (
        "learning rate too high",
        "shapes",
        {"backbone": PLAIN, "policy": "from-scratch", "learning_rate": 10.0},
    ),
    "rate 1e-6, head": (
        "learning rate too low",
        "plain",
        {"backbone": LITE, "policy": "freeze-all", "learning_rate": 1e-6},
    ),
    "rate 1e-6, all open": (
        "learning rate too low",
        "shapes",
        {"backbone": PLAIN, "policy": "from-scratch", "learning_rate": 1e-6},
    ),
    "labels by lot, head": (
        "labels",
        "shuffled",
        {"backbone": LITE, "policy": "freeze-all", "epochs": 25, "patience": None},
    ),
    "labels by lot, solved": ("labels", "shuffled", {"backbone": LITE, "policy": "freeze-all", "head": "probe"}),
    "patience 1": (
        "patience too short",
        "plain",
        {"backbone": LITE, "policy": "freeze-all", "learning_rate": 2e-4, "epochs": 60, "patience": 1},
    ),
    "1 epoch": ("too few epochs", "plain", {"backbone": LITE, "policy": "freeze-all", "epochs": 1}),
    "momentum 0.999": (
        "moving statistics lag",
        "tinted",
        {"backbone": "tiny-slow:size=32", "policy": "bn-trainable:stats=moving", "learning_rate": 0.02},
    ),
    "divided by 255": (
        "wrong input",
        "plain",
        {"backbone": "efficientnet-lite0-divided:size=64", "policy": "freeze-all"},
    ),
    "random features": (
        "features do not separate",
        "plain",
        {"backbone": SCRATCH, "policy": "freeze-all", "epochs": 25, "patience": None},
    ),
    "40 pictures": (
        "overfitting",
        "plain",
        {"backbone": PLAIN, "policy": "from-scratch", "learning_rate": 3e-3, "epochs": 60, "patience": None},
    ),
}
PICTURES = {"40 pictures": 60}


@dataclass
class Kept:
    """What the runs of all cases share."""

    networks: Networks = field(default_factory=Networks)
    cache: FeatureCache | None = None


def first_causes(case: str, seed: int, *, catalog: Catalog, kept: Kept, store: Store) -> list[str]:
    """The names of the causes that a run of a case is given, the likeliest first; `nothing` for none."""
    _, kind, given = CASES[case]
    settings = {"head": "gap", "epochs": 12, **given}
    rows = combinations(catalog, [settings.pop("backbone")], [settings.pop("head")], [settings.pop("policy")], ["none"])
    source = f"case:kind={kind},seed={seed},images={PICTURES.get(case, 400)}"
    dataset = dataset_of("case", catalog, store, source=source, specs=rows, disk=None, observe=ignore)
    own = make_bench(catalog, dataset, store, ignore)
    # Network and features are kept from run to run, which saves building and passes, and changes no number.
    own = replace(own, networks=kept.networks, cache=kept.cache or own.cache)
    kept.cache = own.cache
    record = run(recipe_of(dataset, rows[0], seed, lines_of(settings)[0]), own)
    if record.status == "failed":
        raise SystemExit(f"{case}: {record.reason}")
    found = record.explanation
    return [NOTHING] if found is None or found.matter != "not learning" else [cause.name for cause in found.causes]


def say(line: str) -> None:
    """Prints a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Runs the cases and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--case", action="append", choices=list(CASES))
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    found: dict[str, list[list[str]]] = {}
    with tempfile.TemporaryDirectory() as folder, Store(folder) as store:
        catalog, kept = cases.catalog(), Kept()
        for case in asked.case or CASES:
            seeds = range(asked.seeds)
            found[case] = [first_causes(case, seed, catalog=catalog, kept=kept, store=store) for seed in seeds]
            print_row(case, found[case])
    spoilt = [(CASES[case][0], names) for case in found if CASES[case][0] != NOTHING for names in found[case]]
    stuck = [(wanted, names) for wanted, names in spoilt if names != [NOTHING]]
    right = sum(names[0] == wanted for wanted, names in stuck)
    named = sum(wanted in names for wanted, names in stuck)
    good = [names for case in found if CASES[case][0] == NOTHING for names in found[case]]
    say(f"spoilt runs: {len(spoilt)}, of which {len(spoilt) - len(stuck)} learned all the same")
    say(f"of those at chance: first cause right {right}/{len(stuck)}, named {named}/{len(stuck)}")
    say(f"good rows that were explained: {sum(names != [NOTHING] for names in good)}/{len(good)}")
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


def print_row(case: str, found: list[list[str]]) -> None:
    """One line of the table."""
    wanted = CASES[case][0]
    first = Counter(names[0] for names in found)
    said = ", ".join(f"{name} {times}" for name, times in first.most_common())
    named = sum(wanted in names for names in found)
    say(f"{case:22} {wanted:26} named {named}/{len(found)}   first: {said}")


if __name__ == "__main__":
    main()
