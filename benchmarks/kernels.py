"""What a fine-tuning step costs in forward passes, with the library's kernels and with stock Keras, side by side.

    python benchmarks/kernels.py [--backbone efficientnet-lite0] [--rounds 3] [--steps 5] [--size PIXELS] [--batch 32]
    python benchmarks/kernels.py --onednn      # also both without oneDNN's kernels
    python benchmarks/kernels.py --profile     # where the time of a step goes, by kind of operation

Each variant runs in a fresh process, all in turn, several rounds; medians over rounds and their ratios are printed, by
the clock and by processor time (other programs on the machine disturb the clock more). A round times a forward pass of
Keras (`forward`), one of the library (`folded`) and a training step of each policy with pictures of noise, after two to
warm up.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VARIANTS = {
    "ours": {"TF_ENABLE_ONEDNN_OPTS": "1"},
    "stock Keras": {"TF_ENABLE_ONEDNN_OPTS": "1", "BENCHMARK_STOCK": "1"},
    "ours, oneDNN off": {"TF_ENABLE_ONEDNN_OPTS": "0"},
    "stock Keras, oneDNN off": {"TF_ENABLE_ONEDNN_OPTS": "0", "BENCHMARK_STOCK": "1"},
}
POLICIES = {"bn-affine": "bn-affine", "bn-trainable": "bn-trainable:stats=moving", "unfreeze-all": "unfreeze-all"}
"""By the name of a column; a step of `bn-trainable` is the same with either statistics."""
FOLDED = "folded"
WORK = ("forward", FOLDED, *POLICIES)
PAIRS = (
    ("ours : stock Keras", "stock Keras", "ours"),
    ("ours : stock Keras, oneDNN off", "stock Keras, oneDNN off", "ours, oneDNN off"),
    ("oneDNN on : off", "ours, oneDNN off", "ours"),
)


def jobs(backbone: str, batch: int, size: int) -> Iterator[tuple[str, Callable[[], Any], Any]]:
    """The name of each kind of work, what does it once, and the network while it is in that state."""
    import numpy as np

    from zoo.backend import require_keras

    keras = require_keras()
    from zoo import assembly, folded, optimiser
    from zoo.building import build, size_of
    from zoo.compiling import compile_tail
    from zoo.plugins import load_catalog
    from zoo.recipe import complete_augmentation, complete_backbone, complete_head, complete_policy
    from zoo.values import Recipe

    if os.environ.get("BENCHMARK_STOCK"):
        stage: Any = assembly  # none of ours is worn
        stage.can_fuse = stage.computes_with_onednn = lambda *_: False
        stage.padded_pairs = lambda _: []
        for module in (folded, optimiser):
            setattr(module, "computes_on_cpu", lambda: False)  # noqa: B010 - a plain assignment is no export for mypy
    catalog = load_catalog()
    draw = np.random.default_rng(0)
    for name, policy in POLICIES.items():
        recipe = Recipe(
            backbone=complete_backbone(catalog, backbone),
            head=complete_head(catalog, "gap"),
            policy=complete_policy(catalog, policy),
            augmentation=complete_augmentation(catalog, "none"),
            data="",
            split="",
            classes=("a", "b"),
        )
        built = build(recipe, catalog)
        side = size or size_of(recipe.backbone)
        pictures = draw.integers(0, 256, (batch, side, side, 3)).astype("float32")
        targets = np.eye(2, dtype="float32")[draw.integers(0, 2, batch)]
        model = built.assembly.model
        if name == next(iter(POLICIES)):
            yield "forward", lambda: model.predict_on_batch(pictures), model  # noqa: B023 - used at once
            again = keras.Model(model.input, model.output)  # with functions of its own
            yield FOLDED, lambda: _folded_pass(again, pictures), again  # noqa: B023 - as above
        with built.assembly.opened(built.phases[0]) as tail:
            compile_tail(tail, built.assembly, built.phases[0], recipe)
            yield name, lambda: tail.train_on_batch(pictures, targets), model  # noqa: B023 - used at once


def _folded_pass(model: Any, pictures: Any) -> None:  # noqa: ANN401 - a Keras model, an array
    from zoo.folded import folded

    with folded(model, (pictures.dtype, pictures.shape)):
        model.predict_on_batch(pictures)


def timed(work: Callable[[], Any], steps: int) -> list[float]:
    """Median seconds by the clock and of processor time."""
    times = []
    for step in range(steps + 2):
        began, used = time.perf_counter(), time.process_time()
        work()
        if step > 1:
            times.append((time.perf_counter() - began, time.process_time() - used))
    return [statistics.median(column) for column in zip(*times, strict=True)]


def in_process(variant: str, words: list[str]) -> Any:  # noqa: ANN401 - what the child prints
    """What this program prints with these words in a fresh process."""
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", **VARIANTS[variant]}
    done = subprocess.run(
        [sys.executable, __file__, "--child", *words], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{variant}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def compare(rounds: int, variants: list[str], words: list[str]) -> None:
    """Runs the variants in turn and prints the tables."""
    found: dict[str, list[Any]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name in variants:
            found[name].append(in_process(name, words))
    for place, unit in enumerate(("by the clock", "of processor time")):
        table(f"seconds {unit}", {name: [median(r[w][place] for r in found[name]) for w in WORK] for name in variants})
        table(
            f"forward passes {unit}",
            {name: [median(r[w][place] / r["forward"][place] for r in found[name]) for w in WORK] for name in variants},
        )
        rows = {}
        for title, slow, fast in PAIRS:
            if {slow, fast} <= set(variants):
                pairs = list(zip(found[slow], found[fast], strict=True))
                rows[title] = [median(one[w][place] / other[w][place] for one, other in pairs) for w in WORK]
        table(f"times as fast, {unit}", rows)


def median(values: Any) -> float:  # noqa: ANN401 - an iterable of floats
    """Of a generator."""
    return float(statistics.median(list(values)))


def table(title: str, rows: dict[str, list[float]]) -> None:
    """Prints one table."""
    print(f"{title:36}{''.join(f'{work:>14}' for work in WORK)}")  # noqa: T201 - the result
    for name, values in rows.items():
        print(f"{name:36}{''.join(f'{value:14.2f}' for value in values)}")  # noqa: T201 - as above
    print()  # noqa: T201 - as above


def main() -> None:
    """Reads the words and runs what they ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="efficientnet-lite0")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--size", type=int, default=0, help="side of the pictures if the backbone takes any")
    parser.add_argument("--onednn", action="store_true")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    words = ["--backbone", wanted.backbone, "--steps", str(wanted.steps), "--batch", str(wanted.batch)]
    words += ["--size", str(wanted.size)]
    if not wanted.child and not wanted.profile:
        compare(wanted.rounds, list(VARIANTS)[: 4 if wanted.onednn else 2], words)
        return
    if not wanted.child:
        import profile_of_a_step

        for name in list(VARIANTS)[:2]:
            profile_of_a_step.show(name, in_process(name, [*words, "--profile"]))
        return
    work = jobs(wanted.backbone, wanted.batch, wanted.size)
    if wanted.profile:
        import profile_of_a_step

        work = (job for job in work if job[0] != FOLDED)
        print(json.dumps(profile_of_a_step.measure(work, wanted.steps, wanted.batch)))  # noqa: T201 - the parent reads it
        return
    print(json.dumps({name: timed(once, wanted.steps) for name, once, _ in work}))  # noqa: T201 - as above


if __name__ == "__main__":
    main()
