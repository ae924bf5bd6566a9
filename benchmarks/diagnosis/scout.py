"""How far do rankings before training agree with scores after fine-tuning?

    python benchmarks/diagnosis/scout.py --data PICTURES --data OTHERS [--store DIR] [--json FILE] [--write]

Each backbone at each size is an entry. Entries are fine-tuned (`--policy`, all epochs, the best epoch on the hold-out
pictures counts) on a share of the pictures and scored on the rest (`--split`); then `zoo scout` looks at the same
training pictures. Within each data set, entries are ranked by each of scout's scores and by the accuracies after
training, and the ranks are compared: Spearman's and Kendall's rank correlation, the share of pairs of entries in the
same order, and what choosing the first entry costs (points of accuracy below the best one). Clear pairs are those that
differ by more than a standard error on the hold-out pictures. Accuracies under another policy are compared likewise:
so well does one training tell what another will give.

Finished runs are kept in `--store` and not repeated. `--write` puts the figures where `zoo scout` reads them.
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import kendalltau, spearmanr

import zoo
from zoo.grid import parse_split

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SCORES = ("log_me", "neighbours", "probe")
HOME = Path(__file__).resolve().parents[2] / "zoo" / "scout_measured.json"
LITE = ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")


# ---------------------------------------------------------------- pure figures


def agreement(scores: Sequence[float], trained: Sequence[float], pictures: int) -> dict[str, float]:
    """How far a ranking agrees with accuracies after training.

    Args:
        scores: Of the entries, before training; higher is better.
        trained: Their accuracies, in the same order.
        pictures: That the accuracies are of.

    Returns:
        `spearman`, `kendall` (tau-b); `pairs` in the same order and `clear_pairs` of those that differ by more than a
        standard error, shares, NaN without any; `cost`, points of accuracy of the first entry below the best.
    """
    before, after = np.asarray(scores, float), np.asarray(trained, float)
    pairs, clear = [], []
    for one in range(len(before)):
        for other in range(one):
            gap = after[one] - after[other]
            if gap:
                same = (before[one] - before[other]) * gap > 0
                pairs.append(same)
                error = math.sqrt(sum(share * (1 - share) for share in (after[one], after[other])) / pictures)
                if abs(gap) > error:
                    clear.append(same)
    return {
        "spearman": float(spearmanr(before, after).statistic),
        "kendall": float(kendalltau(before, after).statistic),
        "pairs": float(np.mean(pairs)) if pairs else math.nan,
        "clear_pairs": float(np.mean(clear)) if clear else math.nan,
        "clear": len(clear),
        "cost": float(100 * (after.max() - after[before.argmax()])),
    }


def means(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Figures averaged over data sets; those that are NaN are left out, numbers of pairs are added up."""
    found = {name: float(np.nanmean([part[name] for part in parts])) for name in parts[0] if name != "clear"}
    return found | {"clear": sum(int(part["clear"]) for part in parts)}


# ---------------------------------------------------------------- measuring


def entries_of(options: argparse.Namespace) -> list[str]:
    """All backbones at all sizes, and those that are given with a size of their own."""
    return [*(f"{name}:size={size}" for size in options.size for name in options.backbone), *options.extra]


def measure(data: str, options: argparse.Namespace, tell: Callable[[str], None]) -> dict[str, Any]:
    """Scores of all entries on one data set, before and after training."""
    entries, split = entries_of(options), parse_split(options.split)
    store = options.store / f"store-{Path(data).name}"
    trained: dict[str, dict[str, float]] = {}
    groups = [[f"{name}:size={size}" for name in options.backbone] for size in options.size]
    jobs = [(group, options.policy) for group in groups] + [([one], [options.extra_policy]) for one in options.extra]
    pictures = 0
    for group, policies in jobs:
        board = zoo.compare(
            data, backbones=group, policies=policies, epochs=options.epochs, patience=None, split=split, store=store,
            jobs=0, observe=_quiet,
        )  # fmt: skip
        pictures = board.n_validation
        for row in board.rows:
            if row.kind == "run" and row.accuracy is not None:
                trained.setdefault(row.backbone, {})[row.policy] = row.accuracy
        tell(f"{data}: {', '.join(group)} trained")
    ranking = zoo.scout(data, backbones=entries, split=split, store=store, observe=_quiet)
    before = {one.backbone: {name: getattr(one, name).value for name in SCORES} for one in ranking.candidates}
    order = [one.backbone for one in ranking.candidates if one.backbone in trained]
    return {
        "data": Path(data).name,
        "training": ranking.pictures,
        "hold_out": pictures,
        "entries": {name: {"before": before[name], "after": trained[name]} for name in order},
    }


def _quiet(_: object) -> None:
    """Tells nothing."""


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")


def compared(
    found: Sequence[dict[str, Any]], policy: str, options: argparse.Namespace, *, extra: bool
) -> dict[str, Any]:
    """Agreement of each score with the accuracies under a policy, for each data set and on average."""
    table: dict[str, Any] = {}
    for score in (*SCORES, *(f"after {name}" for name in options.policy if name != policy)):
        parts = {}
        for one in found:
            chosen = {}
            for name, entry in one["entries"].items():
                special = options.extra_policy in entry["after"] and policy not in entry["after"]
                if special and not extra:
                    continue
                accuracy = entry["after"].get(policy, entry["after"].get(options.extra_policy))
                if special and score.startswith("after "):
                    continue
                chosen[name] = (_of(entry, score), accuracy)
            before, after = ([pair[side] for pair in chosen.values()] for side in (0, 1))
            parts[one["data"]] = agreement(before, after, one["hold_out"])
        table[score] = {**means(list(parts.values())), "sets": parts}
    return table


def _of(entry: Mapping[str, Any], score: str) -> float:
    """A score of an entry: one of scout's, or the accuracy after training under another policy."""
    policy = score.removeprefix("after ")
    return float(entry["before"][score] if policy == score else entry["after"][policy])


# ---------------------------------------------------------------- telling


def show(found: Sequence[dict[str, Any]], tables: Mapping[str, Any]) -> None:
    """Writes Markdown tables."""
    for one in found:
        policies = sorted({policy for entry in one["entries"].values() for policy in entry["after"]})
        _say(f"\n{one['data']}: {one['training']} training pictures, {one['hold_out']} hold-out pictures\n")
        _say(f"| entry | LogME | neighbours | probe | {' | '.join(policies)} |")
        _say(f"| --- |{' ---: |' * (3 + len(policies))}")
        for name, entry in one["entries"].items():
            before = " | ".join(f"{entry['before'][score]:.3f}" for score in SCORES)
            after = " | ".join(
                f"{entry['after'][policy]:.3f}" if policy in entry["after"] else "" for policy in policies
            )
            _say(f"| {name} | {before} | {after} |")
    for title, table in tables.items():
        _say(f"\nagreement with accuracy under {title}, mean over data sets\n")
        _say("| score | Spearman | Kendall | pairs in order | clear pairs in order | cost of the first |")
        _say("| --- | ---: | ---: | ---: | ---: | ---: |")
        for score, one in table.items():
            _say(
                f"| {score} | {one['spearman']:.2f} | {one['kendall']:.2f} | {one['pairs']:.0%} | "
                f"{one['clear_pairs']:.0%} of {one['clear']} | {one['cost']:.1f} points |"
            )


def main(words: Sequence[str] | None = None) -> int:
    """Measures and prints; returns the exit code."""
    parser = argparse.ArgumentParser(description="How far do rankings before training agree with fine-tuned scores?")
    parser.add_argument("--data", action="append", required=True, help="a folder of pictures; can be repeated")
    parser.add_argument("--backbone", action="append", help="default: efficientnet-lite0, -lite1, -lite2")
    parser.add_argument("--size", action="append", type=int, help="default: 96, 128, 160, 224")
    parser.add_argument("--extra", action="append", default=[], help="an entry with its size, trained otherwise")
    parser.add_argument("--policy", action="append", help="default: unfreeze-top-k:k=6, and freeze-all beside it")
    parser.add_argument("--extra-policy", default="unfreeze-all", help="of extra entries")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--split", default="0.4/0.6/0")
    parser.add_argument("--store", type=Path, default=Path("zoo-runs-scout"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--write", action="store_true", help=f"write {HOME.name}, which the library reads")
    options = parser.parse_args(words)
    options.backbone = options.backbone or list(LITE)
    options.size = options.size or [96, 128, 160, 224]
    options.policy = options.policy or ["unfreeze-top-k:k=6", "freeze-all"]
    found = [measure(data, options, _tell) for data in options.data]
    tables = {policy: compared(found, policy, options, extra=False) for policy in options.policy}
    if options.extra:
        named = f"{options.policy[0]}, with {', '.join(options.extra)}"
        tables[named] = compared(found, options.policy[0], options, extra=True)
    show(found, tables)
    document = summary(found, tables[options.policy[0]], options, words)
    if options.json:
        options.json.write_text(json.dumps({**document, "found": found, "tables": tables}, indent=1), "utf-8")
    if options.write:
        HOME.write_text(json.dumps(document, indent=1) + "\n", "utf-8", newline="\n")
    return 0


def summary(
    found: Sequence[dict[str, Any]], table: dict[str, Any], options: argparse.Namespace, words: Sequence[str] | None
) -> dict[str, Any]:
    """What the library tells with each ranking."""
    given = [Path(word).name if "/" in word else word for word in (sys.argv[1:] if words is None else words)]
    names = ("spearman", "kendall", "pairs", "clear_pairs", "cost")
    return {
        "command": f"python benchmarks/diagnosis/scout.py {shlex.join(given)}",
        "date": datetime.now(UTC).date().isoformat(),
        "policy": options.policy[0],
        "sets": [one["data"] for one in found],
        "entries": len(entries_of(options)) - len(options.extra),
        "scores": {score: {name: round(table[score][name], 3) for name in names} for score in SCORES},
    }


if __name__ == "__main__":
    sys.exit(main())
