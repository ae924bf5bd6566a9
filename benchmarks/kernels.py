"""How much TensorFlow's oneDNN kernels and the fused BatchNorm bring, side by side.

    python benchmarks/kernels.py [--backbone efficientnet-lite0] [--rounds 3] [--steps 5]

Each variant runs in a fresh process, all in turn, several rounds; medians over rounds and their ratios are printed. A
round times a forward pass, a training step of `bn-affine` and one of `bn-trainable`, 32 pictures of noise each, at the
backbone's own size, after two steps to warm up.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

VARIANTS = {
    "oneDNN, fused": {"TF_ENABLE_ONEDNN_OPTS": "1"},
    "oneDNN, stock BatchNorm": {"TF_ENABLE_ONEDNN_OPTS": "1", "BENCHMARK_STOCK": "1"},
    "oneDNN off, fused": {"TF_ENABLE_ONEDNN_OPTS": "0"},
    "oneDNN off, stock BatchNorm": {"TF_ENABLE_ONEDNN_OPTS": "0", "BENCHMARK_STOCK": "1"},
}
WORK = ("forward", "bn-affine", "bn-trainable")
RATIOS = (
    ("oneDNN on : off", "oneDNN off, fused", "oneDNN, fused"),
    ("fused : stock BatchNorm, oneDNN on", "oneDNN, stock BatchNorm", "oneDNN, fused"),
    ("fused : stock BatchNorm, oneDNN off", "oneDNN off, stock BatchNorm", "oneDNN off, fused"),
)


def measure(backbone: str, steps: int) -> dict[str, float]:
    """Median seconds of each kind of work in this process."""
    import numpy as np

    from zoo.backend import require_keras

    require_keras()
    from zoo import assembly
    from zoo.building import build, size_of
    from zoo.compiling import compile_tail
    from zoo.forward import forward_batch
    from zoo.plugins import load_catalog
    from zoo.recipe import complete_augmentation, complete_backbone, complete_head, complete_policy
    from zoo.values import Recipe

    if os.environ.get("BENCHMARK_STOCK"):
        assembly.can_fuse = lambda layer: False  # type: ignore[attr-defined]  # noqa: ARG005 - takes its place
    catalog = load_catalog()
    draw = np.random.default_rng(0)
    found: dict[str, float] = {}
    for policy in WORK[1:]:
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
        size = size_of(recipe.backbone)
        pictures = draw.integers(0, 256, (32, size, size, 3)).astype("float32")
        targets = np.eye(2, dtype="float32")[draw.integers(0, 2, 32)]
        if "forward" not in found:
            found["forward"] = _median(lambda: forward_batch(built.assembly.model, [pictures]), steps)  # noqa: B023 - used at once
        with built.assembly.opened(built.phases[0]) as tail:
            compile_tail(tail, built.assembly, built.phases[0], recipe)
            found[policy] = _median(lambda: tail.train_on_batch(pictures, targets), steps)  # noqa: B023 - used at once
    return found


def _median(work: object, steps: int) -> float:
    times = []
    for step in range(steps + 2):
        began = time.perf_counter()
        work()  # type: ignore[operator]
        if step > 1:
            times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    """Runs all variants in turn and prints two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="efficientnet-lite0")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.child:
        print(json.dumps(measure(wanted.backbone, wanted.steps)))  # noqa: T201 - the parent reads it
        return
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
    words = [sys.executable, __file__, "--child", "--backbone", wanted.backbone, "--steps", str(wanted.steps)]
    for _ in range(wanted.rounds):
        for name, variables in VARIANTS.items():
            environment = {**os.environ, "KERAS_BACKEND": "tensorflow", **variables}
            done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(f"{name}: {done.stderr[-2000:]}")
            rounds[name].append(json.loads(done.stdout.splitlines()[-1]))
    print(f"{'seconds, 32 pictures':36}{''.join(f'{work:>14}' for work in WORK)}")  # noqa: T201 - the result
    medians = {
        name: {work: statistics.median(r[work] for r in found) for work in WORK} for name, found in rounds.items()
    }
    for name, found in medians.items():
        print(f"{name:36}{''.join(f'{found[work]:14.2f}' for work in WORK)}")  # noqa: T201 - as above
    print("\ntimes as fast, median of the rounds' ratios")  # noqa: T201 - as above
    for title, slow, fast in RATIOS:
        pairs = list(zip(rounds[slow], rounds[fast], strict=True))
        ratios = [statistics.median(one[work] / other[work] for one, other in pairs) for work in WORK]
        print(f"{title:36}{''.join(f'{ratio:14.2f}' for ratio in ratios)}")  # noqa: T201 - as above


if __name__ == "__main__":
    main()
