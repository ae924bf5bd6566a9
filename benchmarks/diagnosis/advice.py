"""Fits the rule that recommends a policy, and measures how often it is right on cells that it was not fitted on.

    python benchmarks/measure.py shifts --data PICTURES OTHERS --json shifts.json
    python benchmarks/diagnosis/advice.py --cells shifts.json --data PICTURES OTHERS [--json FILE] [--write]

A cell is a data set under a shift, with the hold-out accuracy of each policy; `measure.py` trains them. Here facts are
measured for each cell on its training pictures: the shift of the statistics as a diagnosis measures it, and accuracies
of a probe with stored statistics and with each batch's own, of all training pictures, where a diagnosis scores fewer
with statistics of others. A choice is a hit where it is best or within a point of the best.

Rules are trees of at most two questions, grown one question at a time: the question about one fact, and the two
policies below it, with the most hits (of equal ones the least mean loss), each leaf holding at least `--leaf` cells.
Each depth is tried twice on what it was not fitted on: leaving out one cell, and leaving out one data set at a time.
Cells of one data set are alike, so the second is the honest figure for new data, if a coarse one with few sets. The
deepest rule that has more hits than the best constant in both is written, else the constant. `ceiling` is what noise
allows: how often the policy that is best in the first seed is a hit in the second.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.advice import WORDS, Facts, chosen, facts_of
from zoo.diagnosis import Effect, Scores
from zoo.forward import BATCH
from zoo.shift import shift_of
from zoo.transferability import log_me, neighbour_hits, probe

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Rule = dict[str, Any]
    Array = np.ndarray[Any, Any]

HOME = Path(__file__).resolve().parents[2] / "zoo" / "advice_measured.json"
WITHIN = 0.01
DEPTHS = (0, 1, 2)
_FIXED = ("classes", "batch_size", "steps", "pictures", "pictures_per_class")
"""Facts that differ between data sets and not between cells of one: a rule would only tell the sets apart."""


@dataclasses.dataclass(frozen=True)
class Cell:
    """A data set under a shift.

    Attributes:
        data: Name of the data set.
        shift: Name and grade.
        facts: Measured on its training pictures.
        scores: Mean hold-out accuracy by policy.
        seeds: Hold-out accuracies of the seeds by policy.
    """

    data: str
    shift: str
    facts: Facts
    scores: Mapping[str, float]
    seeds: Mapping[str, Sequence[float]]

    def loss(self, policy: str) -> float:
        """Points of accuracy below the best, as a share."""
        return max(self.scores.values()) - self.scores[policy]

    def is_hit(self, policy: str) -> bool:
        """Whether it is best or within a point of the best."""
        return self.loss(policy) <= WITHIN + 1e-9


# ---------------------------------------------------------------- rules


def fitted(cells: Sequence[Cell], depth: int, leaf: int) -> Rule:
    """The tree of at most so many questions deep that is right most often; of equal ones with the least loss."""
    best = _constant(cells)
    if not depth:
        return best
    hits, loss = value(best, cells)
    for fact in (name for name in WORDS if name not in _FIXED):
        levels = np.unique([getattr(cell.facts, fact) for cell in cells])
        for level in (levels[1:] + levels[:-1]) / 2:
            sides = [[cell for cell in cells if (getattr(cell.facts, fact) >= level) == side] for side in (True, False)]
            if min(map(len, sides)) < leaf:
                continue
            then, otherwise = (_constant(side) for side in sides)
            rule = {"fact": fact, "at_least": float(f"{level:.4g}"), "then": then, "otherwise": otherwise}
            found = value(rule, cells)
            if (found[0], -found[1]) > (hits, -loss):
                best, (hits, loss) = rule, found
    if "fact" in best:
        above = [cell for cell in cells if getattr(cell.facts, best["fact"]) >= best["at_least"]]
        below = [cell for cell in cells if getattr(cell.facts, best["fact"]) < best["at_least"]]
        best = {**best, "then": fitted(above, depth - 1, leaf), "otherwise": fitted(below, depth - 1, leaf)}
        if best["then"] == best["otherwise"]:
            return dict(best["then"])
    return best


def _constant(cells: Sequence[Cell]) -> Rule:
    policies = sorted(set.intersection(*(set(cell.scores) for cell in cells)))
    return {
        "policy": max(
            policies, key=lambda name: (value({"policy": name}, cells)[0], -value({"policy": name}, cells)[1])
        )
    }


def value(rule: Rule, cells: Sequence[Cell]) -> tuple[float, float]:
    """Share of hits, and mean loss."""
    named = [chosen(rule, cell.facts) for cell in cells]
    hits = [cell.is_hit(policy) for cell, policy in zip(cells, named, strict=True)]
    losses = [cell.loss(policy) for cell, policy in zip(cells, named, strict=True)]
    return float(np.mean(hits)), float(np.mean(losses))


def left_out(
    cells: Sequence[Cell], groups: Iterable[str], fit: Callable[[Sequence[Cell]], Rule]
) -> tuple[float, float]:
    """Hits and mean loss where each group of cells is judged by a rule that was fitted without it."""
    names = list(groups)
    if len(set(names)) < 2:  # noqa: PLR2004 - nothing would be left to fit on
        return math.nan, math.nan
    hits, losses = [], []
    for group in dict.fromkeys(names):
        known = [cell for cell, name in zip(cells, names, strict=True) if name != group]
        asked = [cell for cell, name in zip(cells, names, strict=True) if name == group]
        rule = fit(known)
        hits += [cell.is_hit(chosen(rule, cell.facts)) for cell in asked]
        losses += [cell.loss(chosen(rule, cell.facts)) for cell in asked]
    return float(np.mean(hits)), float(np.mean(losses))


def ceiling(cells: Sequence[Cell]) -> float | None:
    """How often the best policy of one seed (of those with two) is a hit in another: what noise leaves to any rule."""
    found = []
    for cell in cells:
        table = {name: seeds for name, seeds in cell.seeds.items() if len(seeds) > 1}
        for one, other in ((0, 1), (1, 0)) if table else ():
            named = max(table, key=lambda policy: table[policy][one])
            found.append(max(seeds[other] for seeds in table.values()) - table[named][other] <= WITHIN + 1e-9)
    return float(np.mean(found)) if found else None


# ---------------------------------------------------------------- facts


def facts_for(
    document: dict[str, Any], data: Sequence[str], known: dict[str, Any], tell: Callable[[str], None]
) -> None:
    """Measures the facts of all cells that are not known yet, into `known`, by data set and shift.

    The pictures of all cells pass in one go, whole batches of one cell after the other.
    """
    asked = [cell for cell in document["cells"] if title(cell) not in known]
    if not asked:
        return
    from evidence.graded import Plan, photos_of
    from evidence.photos import changed
    from evidence.shifts import shift_named

    about = document["about"]
    names = {field.name for field in dataclasses.fields(Plan)} - {"data", "policies", "seeds", "shifts"}
    plan = Plan(data=tuple(data), **{name: about[name] for name in names if name in about})
    sets = {photos.name: photos for photos in photos_of(plan)}
    parts, labels = [], []
    for cell in asked:
        grade = f"{cell['shift']} {cell['grade']}" if cell["grade"] else cell["shift"]
        photos = changed(sets[cell["data"]], shift_named(grade).change)
        order = np.random.default_rng(0).permutation(len(photos.labels["train"]))
        order = order[: len(order) // BATCH * BATCH]
        parts.append(photos.pixels["train"][order])
        labels.append(photos.labels["train"][order])
    stored, own = passed(plan.backbone, plan.size, np.concatenate(parts), tell)
    ends = np.cumsum([len(part) for part in parts])
    for cell, truth, end in zip(asked, labels, ends, strict=True):
        rows = np.arange(end - len(truth), end)
        shift = shift_of(stored.layers, rows)
        facts = facts_of(
            effect=Effect(len(truth), scores(stored.features[rows], truth), scores(own[rows], truth), math.nan),
            mean_shift=shift.mean_shift,
            log_ratio=shift.log_ratio,
            divergence=shift.divergence,
            depths=[layer.typical_divergence for layer in shift.layers],
            classes=len(np.unique(truth)),
            pictures=plan.train,
            batch_size=plan.batch_size,
            steps=plan.epochs * (plan.train // plan.batch_size),
        )
        known[title(cell)] = dataclasses.asdict(facts)


def passed(backbone: str, size: int, pixels: Array, tell: Callable[[str], None]) -> tuple[Any, Array]:
    """Moments and features with stored statistics, and features where each batch has its own."""
    from zoo.backend import clean_state
    from zoo.moments import batch_features, measure
    from zoo.plugins import load_catalog

    with clean_state(0):
        item = load_catalog().backbone(backbone)
        model = item.build(size=size, weights=item.weights[0])
        tell(f"{len(pixels)} pictures pass twice")
        return measure(model, pixels, batch_size=BATCH), batch_features(model, pixels, batch_size=BATCH)


def scores(features: Array, labels: Array) -> Scores:
    """As a diagnosis scores features."""
    probed, near = probe(features, labels).hits, neighbour_hits(features, labels)
    return Scores(float(probed.mean()), float(near.mean()), log_me(features, labels))


def title(cell: Mapping[str, Any]) -> str:
    """Data set, shift and grade of a cell of the document."""
    return f"{cell['data']} · {cell['shift']} {cell['grade']}"


def cells_of(document: dict[str, Any], known: Mapping[str, Any]) -> list[Cell]:
    """Cells with scores and facts."""
    return [
        Cell(
            cell["data"],
            f"{cell['shift']} {cell['grade']}",
            Facts(**known[title(cell)]),
            {name: float(np.mean(one["holdout_seeds"])) for name, one in cell["policies"].items()},
            {name: one["holdout_seeds"] for name, one in cell["policies"].items()},
        )
        for cell in document["cells"]
    ]


# ---------------------------------------------------------------- telling


def judged(cells: Sequence[Cell], leaf: int) -> dict[str, Any]:
    """The rule that is to be used, with hit rates of all that were tried."""
    table: dict[int, dict[str, Any]] = {}
    for depth in DEPTHS:
        rule = fitted(cells, depth, leaf)

        def fit(some: Sequence[Cell], depth: int = depth) -> Rule:
            return fitted(some, depth, leaf)

        by_cell = left_out(cells, [f"{cell.data} {cell.shift}" for cell in cells], fit)
        by_set = left_out(cells, [cell.data for cell in cells], fit)
        table[depth] = {"rule": rule, "fitted": value(rule, cells), "leave_one_cell": by_cell, "leave_one_set": by_set}
    policies = sorted(set.intersection(*(set(cell.scores) for cell in cells)))
    constants = {name: value({"policy": name}, cells) for name in policies}
    order = sorted(policies, key=lambda name: (-constants[name][0], constants[name][1]))
    bar = constants[order[0]][0]
    better = [depth for depth in DEPTHS[1:] if min(table[depth][kind][0] for kind in _KINDS) > bar]
    return {"table": table, "constants": constants, "order": order, "chosen": better[-1] if better else 0}


_KINDS = ("leave_one_cell", "leave_one_set")


def show(cells: Sequence[Cell], found: dict[str, Any]) -> None:
    """Writes Markdown tables."""
    policies = found["order"]
    _say(f"| cell | probe | re-estimated | divergence | {' | '.join(policies)} |")
    _say(f"| --- |{' ---: |' * (3 + len(policies))}")
    for cell in cells:
        marks = [f"{'**' * cell.is_hit(name)}{cell.scores[name]:.3f}{'**' * cell.is_hit(name)}" for name in policies]
        facts = f"{cell.facts.stored:.3f} | {cell.facts.re_estimated:.3f} | {cell.facts.divergence:.2f}"
        _say(f"| {cell.data}, {cell.shift} | {facts} | {' | '.join(marks)} |")
    _say("\n| choice | hits | mean loss | hits, cell left out | hits, data set left out |")
    _say("| --- | ---: | ---: | ---: | ---: |")
    for name in policies:
        hits, loss = found["constants"][name]
        _say(f"| always {name} | {hits:.0%} | {100 * loss:.1f} | | |")
    for one in found["table"].values():
        shares = [f"{one[kind][0]:.0%}" for kind in _KINDS]
        _say(f"| {words(one['rule'])} | {one['fitted'][0]:.0%} | {100 * one['fitted'][1]:.1f} | {' | '.join(shares)} |")
    _say(f"\nused: {words(found['table'][found['chosen']]['rule'])}")
    top = ceiling(cells)
    if top is not None:
        _say(f"ceiling: the best policy of one seed is a hit in the other seed in {top:.0%} of cells")


def words(rule: Rule) -> str:
    """A rule in words."""
    if "policy" in rule:
        return str(rule["policy"])
    return f"{rule['fact']} ≥ {rule['at_least']:g} ? {words(rule['then'])} : {words(rule['otherwise'])}"


def summary(cells: Sequence[Cell], found: dict[str, Any], backbone: str, given: Sequence[str]) -> dict[str, Any]:
    """What the library reads."""
    used = found["table"][found["chosen"]]
    names = [field.name for field in dataclasses.fields(Facts)]
    columns = {name: [getattr(cell.facts, name) for cell in cells] for name in names}
    return {
        "command": f"python benchmarks/diagnosis/advice.py {shlex.join(given)}",
        "date": datetime.now(UTC).date().isoformat(),
        "backbone": backbone,
        "cells": len(cells),
        "sets": list(dict.fromkeys(cell.data for cell in cells)),
        "within": WITHIN,
        "rule": used["rule"],
        "hits": {kind: round(used[kind][0], 4) for kind in ("fitted", *_KINDS)},
        "loss": {kind: round(used[kind][1], 4) for kind in ("fitted", *_KINDS)},
        "ceiling": ceiling(cells),
        "best_constant": found["order"][0],
        "constants": {
            name: {"hits": round(hits, 4), "loss": round(loss, 4)} for name, (hits, loss) in found["constants"].items()
        },
        "order": found["order"],
        "ranges": {name: [min(column), max(column)] for name, column in columns.items()},
    }


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")


def main(given: Sequence[str] | None = None) -> int:
    """Measures, fits and writes; returns the exit code."""
    parser = argparse.ArgumentParser(description="Fit and judge the rule that recommends a policy.")
    parser.add_argument("--cells", type=Path, required=True, help="what measure.py shifts wrote")
    parser.add_argument("--data", nargs="+", required=True, help="the folders that it was measured on")
    parser.add_argument("--facts", type=Path, help="remember measured facts there, and take them from there")
    parser.add_argument("--leaf", type=int, default=5, help="least cells of a leaf")
    parser.add_argument("--json", type=Path, help="write everything there")
    parser.add_argument("--write", action="store_true", help=f"write {HOME.name}, which the library reads")
    options = parser.parse_args(given)
    document = json.loads(options.cells.read_text(encoding="utf-8"))
    known = json.loads(options.facts.read_text("utf-8")) if options.facts and options.facts.is_file() else {}
    facts_for(document, options.data, known, _tell)
    if options.facts:
        options.facts.write_text(json.dumps(known, indent=1), "utf-8")
    cells = cells_of(document, known)
    found = judged(cells, options.leaf)
    show(cells, found)
    words_given = [Path(word).name if "/" in word else word for word in (sys.argv[1:] if given is None else given)]
    backbone = f"{document['about']['backbone']}:size={document['about']['size']}"
    told = summary(cells, found, backbone, words_given)
    if options.json:
        options.json.write_text(json.dumps({**told, "table": found["table"], "facts": known}, indent=1), "utf-8")
    if options.write:
        HOME.write_text(json.dumps(told, indent=1) + "\n", "utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
