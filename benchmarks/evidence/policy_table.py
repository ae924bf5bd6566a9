"""What was measured of policies, heads and networks, as text of at most 100 columns."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from evidence.tables import columns, percent
from zoo.statistics import holm

if TYPE_CHECKING:
    from collections.abc import Sequence

    Document = dict[str, Any]
    Array = np.ndarray[Any, Any]

CLAIMS = (
    ("lp-ft", "unfreeze-all"),
    ("lp-ft", "freeze-all"),
    ("fine-tune", "unfreeze-all"),
    ("bn-affine", "freeze-all"),
    ("bias-only", "freeze-all"),
    ("bias-only", "bn-affine"),
    ("lora", "bn-affine"),
    ("unfreeze-all", "bn-affine"),
    ("unfreeze-all", "unfreeze-top-k:k=2"),
    ("layer-decay", "unfreeze-all"),
    ("l2-sp", "unfreeze-all"),
    ("auto-rgn", "unfreeze-all"),
    ("bn-stats", "freeze-all"),
    ("bn-trainable:stats=precise", "bn-affine"),
    ("bn-trainable:stats=precise", "bn-trainable:stats=moving"),
)
"""Differences that published work says something about."""

DRAWS = 4000
LEVEL = 0.05
MILLION = 1_000_000


def policies(found: Document) -> str:
    """For each data set all policies on all networks and heads, then differences, heads and networks."""
    about = found["about"]
    settings = f"{about['size']} px, {about['epochs']} epochs, batches of {about['batch_size']}, {about['seeds']} seeds"
    head = f"{settings}; hold-out accuracy in percent; networks {_short(about['backbones'])} in columns"
    return "\n\n".join([head, *(part for data in found["sets"] for part in _data_set(found, data))])


def _data_set(found: Document, data: str) -> list[str]:
    facts, rows = found["sets"][data], [row for row in found["rows"] if row["data"] == data]
    sizes = f"{facts['train']} training, {facts['val']} validation, {facts['holdout']} hold-out pictures"
    title = f"{data}: {facts['classes']} classes; {sizes}; majority {percent(facts['majority'])}"
    n = facts["holdout"]
    return [f"{title}\n\n{_scores(found, rows, n)}", _differences(rows, n, found), _means(found, rows, n)]


def _scores(found: Document, rows: Sequence[Document], n: int) -> str:
    about = found["about"]
    cells = list(itertools.product(about["heads"], about["backbones"]))
    score = {(row["policy"], row["head"], row["backbone"]): row["holdout"] for row in rows}
    lines = []
    for policy in about["policies"]:
        mine = [row for row in rows if row["policy"] == policy]
        if not mine:
            continue
        mean, low, high = spread_of(table_of(mine, n))[:3]
        each = [score.get((policy, *cell)) for cell in cells]
        marks = ["–" if one is None else f"{100 * one:.0f}" for one in each]
        trained = _spread([row["trained"] for row in mine])
        lines.append((mean, [policy, f"{percent(mean)} [{100 * low:.0f}–{100 * high:.0f}]", trained, *marks]))
    lines.sort(key=lambda line: -line[0])
    numbers = [backbone.removeprefix(_common(about["backbones"])) or backbone for _, backbone in cells]
    names = ["policy", "mean of all", "trained", *_grouped(about["heads"], numbers)]
    return columns(names, [line for _, line in lines])


def _grouped(heads: Sequence[str], numbers: Sequence[str]) -> list[str]:
    """Head and number of a network over each column; the head only over its first."""
    per = len(numbers) // len(heads)
    return [f"{heads[i // per]} {name}" if i % per == 0 else name for i, name in enumerate(numbers)]


def _differences(rows: Sequence[Document], n: int, found: Document) -> str:
    """Pairs of policies on the same networks, heads, seeds and pictures."""
    known, heads = {row["policy"] for row in rows}, found["about"]["heads"]
    tests, lines = [], []
    for one, other in (pair for pair in CLAIMS if set(pair) <= known):
        first, second = _paired(rows, one, other)
        tests.append(spread_of(table_of(first, n), table_of(second, n)))
        gaps = [(a["head"], a["holdout"] - b["holdout"]) for a, b in zip(first, second, strict=True)]
        each = [[gap for name, gap in gaps if name == head] for head in heads]
        marks = [f"{100 * np.mean(here):+.1f}" if here else "–" for here in each]
        lines.append([_pair_named(one, other), f"{sum(gap > 0 for _, gap in gaps)} of {len(gaps)}", *marks])
    raised = holm([p_value for *_, p_value in tests])
    for line, (mean, low, high, _), p_value in zip(lines, tests, raised, strict=True):
        interval = f"[{100 * low:+.1f}, {100 * high:+.1f}]"
        line[1:1] = [f"{100 * mean:+.1f}", interval, f"{p_value:.3f}{' ' if p_value >= LEVEL else '*'}"]
    cells = len(heads) * len(found["about"]["backbones"])
    title = f"differences in points, mean over {cells} networks with heads [95 % interval over pictures and seeds];"
    names = ["pair", "mean", "interval", "p (Holm) ", "ahead in", *heads]
    return f"{title}\n* differ; after that the means with each head\n\n{columns(names, lines)}"


def _pair_named(one: str, other: str) -> str:
    """Both policies, without the word for their option; the policy only once where it is the same."""
    first, second = one.replace(":stats=", " "), other.replace(":stats=", " ")
    common = first.partition(" ")[0] + " "
    return f"{first} − {second.removeprefix(common)}"


def _paired(rows: Sequence[Document], one: str, other: str) -> tuple[list[Document], list[Document]]:
    """Rows of two policies with the same network and head, in the same order."""
    sides: list[dict[tuple[str, str], Document]] = [
        {(row["backbone"], row["head"]): row for row in rows if row["policy"] == policy} for policy in (one, other)
    ]
    both = [cell for cell in sides[0] if cell in sides[1]]
    return [sides[0][cell] for cell in both], [sides[1][cell] for cell in both]


def _means(found: Document, rows: Sequence[Document], n: int) -> str:
    """Heads and networks over all policies."""
    lines = []
    for kind in ("head", "backbone"):
        for name in found["about"][f"{kind}s"]:
            mine = [row for row in rows if row[kind] == name]
            if mine:
                mean, low, high = spread_of(table_of(mine, n))[:3]
                best = max(mine, key=lambda row: row["holdout"])
                what = best["backbone"] if kind == "head" else best["head"]
                score = f"{percent(best['holdout'])} ({best['policy']}, {what})"
                lines.append([name, f"{percent(mean)} [{100 * low:.0f}–{100 * high:.0f}]", score])
    return columns(["head or network", "mean of all policies", "best"], lines)


def table_of(rows: Sequence[Document], n: int) -> Array:
    """Which hold-out pictures the runs of some rows got right, (rows, seeds, n) in {0, 1}; seeds that all rows have."""
    seeds = min(len(row["correct"]) for row in rows)
    words = [[bytes.fromhex(bits) for bits in row["correct"][:seeds]] for row in rows]
    return np.array([[np.unpackbits(np.frombuffer(word, np.uint8))[:n] for word in row] for row in words], np.float64)


def spread_of(table: Array, less: Array | None = None, *, seed: int = 0) -> tuple[float, float, float, float]:
    """Mean over rows, seeds and pictures, or a difference of two such means, with its 95 % interval.

    A bootstrap draws pictures, the same for all, and for each row its seeds. Rows (networks with heads) are not drawn:
    the interval is about these networks and heads, on other pictures of the kind and with other seeds. It knows nothing
    of other training pictures.

    Drawing n seeds of n makes their own part of the variance too small, by 1 / n; what seeds and pictures have together
    counts in both draws, which makes it too large (Owen, "The pigeonhole bootstrap", 2007, doi:10.1214/07-AOAS122).
    Where seeds are as alike as in the stored results the second is more: the interval is then wider than that of
    components of variance.

    Args:
        table: As `table_of` gives it.
        less: What is subtracted: the same rows in the same order, its pictures the same.
        seed: Of the draws.

    Returns:
        Mean, low, high, and the two-sided p-value of the mean being 0.
    """
    rng = np.random.default_rng(seed)
    count = table.shape[2]
    pictures = rng.multinomial(count, np.full(count, 1 / count), DRAWS) / count
    drawn, mean = _drawn(table, pictures, rng), float(table.mean())
    if less is not None:
        drawn, mean = drawn - _drawn(less, pictures, rng), mean - float(less.mean())
    low, high = np.quantile(drawn, [LEVEL / 2, 1 - LEVEL / 2]).tolist()
    tail = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    return mean, low, high, min(1.0, 2 * (1 + tail) / (DRAWS + 1))


def _drawn(table: Array, pictures: Array, rng: np.random.Generator) -> Array:
    """Means of drawn seeds and pictures, (draws,)."""
    rows, seeds, _ = table.shape
    chosen = rng.multinomial(seeds, np.full(seeds, 1 / seeds), (DRAWS, rows)) / (seeds * rows)
    shares: Array = np.einsum("drs,rsn->dn", chosen, table, optimize=True)
    means: Array = np.einsum("dn,dn->d", shares, pictures)
    return means


def _common(names: Sequence[str]) -> str:
    """What all names begin with, if there are several."""
    first, last = min(names), max(names)
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return "".join(a for a, _ in same) if len(names) > 1 else ""


def _short(names: Sequence[str]) -> str:
    common = _common(names)
    return f"{common}{', '.join(name.removeprefix(common) for name in names)}" if common else ", ".join(names)


def _spread(counts: Sequence[int]) -> str:
    """Numbers of weights, from the least to the most."""
    least, most = (
        f"{count / MILLION:.1f}M" if count >= MILLION else f"{count / 1000:.0f}k"
        for count in (min(counts), max(counts))
    )
    return least if least == most else f"{least}–{most}"
