"""What many pictures cost: seconds for each picture and peak memory of every stage, at two or more sizes.

    python benchmarks/large.py [--pictures 10000 100000] [--rows 100000 1000000] [--looks 20000 100000] [--json FILE]

Pictures are made up: JPEGs of 32 to 64 pixels in ten classes, each of coloured fields drawn at random, so that no two
look alike. Each size is measured in a fresh process, stage by stage: reading the folder, reading a
manifest of the same files, scan (with an empty memory of
fingerprints, then with a full one), near-duplicates within the scan, split, decoding at 32 pixels, the baselines
(nearest neighbour), one run (`scratch-cnn:size=32`, `freeze-all`, one epoch), the board.

`--rows` measures reading a manifest of so many rows and splitting it; its files do not exist and are not looked for,
and fingerprints are made up. `--looks` measures the search for near-duplicates alone, among looks at random (`apart`),
among changes of up to two bits of one look (`close`) and of six bits of each of its hashes (`spread`).

Memory is the highest resident memory of the process during a stage; what earlier stages left is in it. Where the
operating system cannot tell it by stage (other than Linux), it is the highest so far.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

CLASSES = 10
PER_FOLDER = 5000
MIB = 2**20
KINDS = ("apart", "close", "spread")
STAGES = ["load", "manifest", "scan", "rescan", "near-duplicates", "split", "pixels", "baselines", "run", "board"]


# ---------------------------------------------------------------- measuring


class Meter:
    """Seconds and peak memory of named stages of this process."""

    def __init__(self) -> None:
        self.stages: dict[str, dict[str, float]] = {}

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measures what is done inside."""
        _forget_peak()
        began, worked = time.perf_counter(), time.process_time()
        yield
        self.stages[name] = {
            "seconds": time.perf_counter() - began,
            "cpu": time.process_time() - worked,
            "mib": _peak() / MIB,
        }


def _forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak() -> int:
    """Highest resident memory in bytes since `_forget_peak`, or since the start; 0 where it cannot be told."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    try:
        import resource
    except ImportError:
        return 0
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * (1 if sys.platform == "darwin" else 1024)


# ---------------------------------------------------------------- made-up data


def make_pictures(folder: Path, count: int) -> None:
    """So many JPEGs in class folders, a few thousand to a sub-folder. A class has a tint, each picture its fields."""
    from PIL import Image

    tints = np.random.default_rng(1).integers(0, 60, (CLASSES, 3))
    for number in range(count):
        draw = np.random.default_rng((2, number))
        label = number % CLASSES
        fields = (draw.integers(0, 196, (9, 9, 3)) + tints[label]).astype(np.uint8)
        width, height = (int(value) for value in draw.integers(32, 65, 2))
        home = folder / f"class{label}" / f"{number // PER_FOLDER:04}"
        if number % PER_FOLDER < CLASSES:
            home.mkdir(parents=True, exist_ok=True)
        Image.fromarray(fields).resize((width, height), Image.Resampling.BICUBIC).save(
            home / f"{number:07}.jpg", quality=80
        )


def make_manifest(path: Path, count: int) -> None:
    """A table of so many rows with path, label, split and group; its files do not exist."""
    parts = ["train"] * 7 + ["val"] * 2 + ["test"]
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("path,label,split,group\n")
        for number in range(count):
            group = number // 4
            name = f"pictures/{group % 1000:03}/photo-{number:08}.jpg"
            file.write(f"{name},class {group // 10 % CLASSES},{parts[group * 3 % 10]},car-{group:07}\n")


def make_looks(kind: str, count: int) -> list[str]:
    """Looks, as the scan keeps them: `apart`, `close` or `spread`."""
    draw = np.random.default_rng(3)
    looks = draw.integers(0, 1 << 64, (count, 2), dtype=np.uint64)
    if kind != "apart":
        flips = 2 if kind == "close" else 6
        bits = draw.permuted(np.tile(np.arange(64, dtype=np.uint64), (2 * count, 1)), axis=1)[:, :flips]
        changes = np.bitwise_or.reduce(np.uint64(1) << bits, axis=1).reshape(count, 2)
        if kind == "close":  # of one or two bits
            changes = np.where(draw.random((count, 2)) < 0.5, changes, changes & (~changes + np.uint64(1)))  # noqa: PLR2004 - half of them
        looks = changes ^ looks[0]
    return [f"{first:016x}{second:016x}" for first, second in looks.tolist()]


# ---------------------------------------------------------------- what a fresh process measures


def measure_pictures(folder: Path) -> dict[str, Any]:
    """All stages over a folder of pictures."""
    from zoo import comparison, health
    from zoo.dataset import Dataset, load_table
    from zoo.plugins import load_catalog
    from zoo.splitting import split
    from zoo.store import Store

    meter, catalog, searches = Meter(), load_catalog(), []
    stage: Any = health  # its search is timed from outside
    search = stage.look_alikes

    def timed(looks: Any) -> Any:  # noqa: ANN401 - whatever it takes and gives
        began, worked = time.perf_counter(), time.process_time()
        found = search(looks)
        searches.append({"seconds": time.perf_counter() - began, "cpu": time.process_time() - worked})
        return found

    stage.look_alikes = timed
    with tempfile.TemporaryDirectory(prefix="zoo-large-") as home, Store(home) as store:
        with meter.stage("load"):
            table = load_table(folder, catalog)
        if "manifest" in catalog.names("source"):
            listed = Path(home) / "pictures.csv"
            rows = (f"{one.path},{table.classes[one.label]}\n" for one in table.pictures)
            listed.write_text("path,label\n" + "".join(rows), encoding="utf-8")
            with meter.stage("manifest"):
                load_table(listed, catalog, source=f"manifest:root={folder}")
        with meter.stage("scan"):
            health.scan(table, cache=store.fingerprints())
            store.fingerprints().flush()
        with meter.stage("rescan"):
            report = health.scan(table, cache=store.fingerprints())
        meter.stages["near-duplicates"] = {**searches[0], "mib": meter.stages["scan"]["mib"]}
        with meter.stage("split"):
            sides = split(report)
        dataset = Dataset(report=report, split=sides, directory=Path(home))
        with meter.stage("pixels"):
            dataset.side("train", 32)
            dataset.side("validation", 32)
        with meter.stage("baselines"):
            context = comparison._context(dataset)
        _measure_run(meter, comparison, dataset, catalog, store, context)
    found = {"stages": meter.stages, "notes": list(context.notes), "n": [len(sides.train), len(sides.validation)]}
    return found | {"baselines": {one.name: one.accuracy for one in context.baselines}}


def _measure_run(meter: Meter, comparison: Any, dataset: Any, catalog: Any, store: Any, context: Any) -> None:  # noqa: ANN401 - what the parts of a comparison take
    from zoo.lineup import combinations, lines_of, recipe_of

    (settings,) = lines_of({"epochs": 1})
    (names,) = combinations(catalog, ["scratch-cnn:size=32"], ["gap"], ["freeze-all"], ["none"])
    with meter.stage("start"):
        from zoo.experiment import make_bench, run

        bench = make_bench(catalog, dataset, store, lambda event: None)  # noqa: ARG005 - an observer
        recipe = recipe_of(dataset, names, 0, settings)
    with meter.stage("run"):
        record = run(recipe, bench, reraise=True)
    with meter.stage("board"):
        comparison._board(store, [record], context, "accuracy")


def measure_rows(path: Path) -> dict[str, Any]:
    """Reading and splitting of a manifest whose files do not exist."""
    from zoo.builtin import source_manifest
    from zoo.health import _digest
    from zoo.splitting import split
    from zoo.values import HealthReport

    meter = Meter()
    with meter.stage("load"):
        table = source_manifest.load(path, missing="unchecked")
    prints = tuple(f"{number:064x}" for number in range(len(table)))
    report = HealthReport(table, prints, (), (), (), (), (), _digest(table, prints))
    with meter.stage("split"):
        sides = split(report)
    return {"stages": meter.stages, "n": [len(sides.train), len(sides.validation), len(sides.test)]}


def measure_looks(kind: str, count: int) -> dict[str, Any]:
    """The search for near-duplicates alone."""
    from zoo.likeness import look_alikes

    looks, meter = make_looks(kind, count), Meter()
    look_alikes(looks[:1000])  # imports
    with meter.stage("near-duplicates"):
        found = look_alikes(looks)
    sizes = [len(group) for group in (*found.groups, *found.uniform)]
    return {"stages": meter.stages, "n": [len(sizes), max(sizes, default=0)]}


# ---------------------------------------------------------------- the program


def _child(*words: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, __file__, "--child", *words], check=True, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _run_child(words: list[str]) -> None:
    kind, *rest = words
    with contextlib.redirect_stdout(io.StringIO()):
        if kind == "pictures":
            found = measure_pictures(Path(rest[0]))
        elif kind == "rows":
            found = measure_rows(Path(rest[0]))
        else:
            found = measure_looks(rest[0], int(rest[1]))
    print(json.dumps(found))  # noqa: T201 - its answer


def _table(title: str, found: dict[int, dict[str, Any]]) -> list[str]:
    """Microseconds for each picture by the clock and of all processors, their ratios to the smallest size, memory."""
    sizes = sorted(found)
    stages = [name for name in (*STAGES, "start") if name in found[sizes[0]]["stages"]]
    heads = [f"{size:,}: µs | µs CPU | × | × CPU | MiB" for size in sizes]
    lines = ["", f"| {title} | {' | '.join(heads)} |", "|---" * (1 + 5 * len(sizes)) + "|"]

    def row(name: str, got: dict[int, dict[str, float]]) -> str:
        each = {size: [1e6 * one[key] / size for key in ("seconds", "cpu")] for size, one in got.items()}
        first = each[sizes[0]]
        cells = [
            " | ".join(
                [*(f"{value:.1f}" for value in each[size])]
                + [f"{value / (start or 1):.2f}" for value, start in zip(each[size], first, strict=True)]
                + [f"{got[size]['mib']:.0f}"]
            )
            for size in sizes
        ]
        return f"| {name} | {' | '.join(cells)} |"

    lines += [row(name, {size: found[size]["stages"][name] for size in sizes}) for name in stages]
    counted = [name for name in stages if name not in {"near-duplicates", "start"}] or stages
    total = {
        size: {key: sum(found[size]["stages"][name][key] for name in counted) for key in ("seconds", "cpu")}
        | {"mib": max(one["mib"] for one in found[size]["stages"].values())}
        for size in sizes
    }
    return [*lines, row("all, without start; the scan holds near-duplicates", total)]


def _measure_all(wanted: argparse.Namespace) -> dict[str, dict[int, dict[str, Any]]]:
    found: dict[str, dict[int, dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory(prefix="zoo-large-") as home:
        for count in wanted.pictures:
            folder = Path(wanted.keep or home) / f"pictures-{count}"
            if not folder.is_dir():
                make_pictures(folder, count)
            found.setdefault("pictures", {})[count] = _child("pictures", str(folder))
        for count in wanted.rows:
            path = Path(home) / f"rows-{count}.csv"
            make_manifest(path, count)
            found.setdefault("manifest rows", {})[count] = _child("rows", str(path))
    for kind in wanted.kinds:
        for count in wanted.looks:
            found.setdefault(f"looks, {kind}", {})[count] = _child("looks", kind, str(count))
    return found


def main() -> None:
    """Measures, prints tables and writes JSON."""
    parser = argparse.ArgumentParser(description="What many pictures cost: seconds and memory of every stage.")
    parser.add_argument("--pictures", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--rows", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--looks", type=int, nargs="*", default=[20_000, 100_000])
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=KINDS, help="kinds of looks")
    parser.add_argument("--keep", type=Path, help="folder that keeps the made pictures for the next call")
    parser.add_argument("--json", type=Path, help="file for all figures")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.child:
        _run_child(wanted.child)
        return
    found = _measure_all(wanted)
    lines = [line for title, sizes in found.items() for line in _table(title, sizes)]
    print("\n".join(lines))  # noqa: T201 - a program
    if wanted.json:
        wanted.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
