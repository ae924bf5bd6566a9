"""What a diagnosis costs, in plain forward passes over the pictures that it looks at.

Both run in turn on the same pictures with the same network. The plain pass is Keras' own `predict_on_batch`, with 32
pictures in a batch; zoo's own pass, which folds BatchNorm into convolutions, is printed beside it. CPU time is
compared, which other processes on the machine disturb less than the clock. `warm` leaves out what is paid once for a
network however many pictures there are: building functions.

    python benchmarks/diagnosis/cost.py FOLDER [-b NAME] [--pictures N] [--rounds N]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from typing import Any

import numpy as np

from zoo.backend import clean_state, require_keras
from zoo.dataset import prepare
from zoo.diagnosing import CHECKED, ESTIMATED, PICTURES, SCORED, _looked_at, _sample
from zoo.events import ignore
from zoo.forward import BATCH
from zoo.plugins import load_catalog
from zoo.recipe import complete_backbone


def cpu(task: Any) -> float:  # noqa: ANN401 - a function
    """Seconds of all threads."""
    began = time.process_time()
    task()
    return time.process_time() - began


def stock(model: Any, pixels: np.ndarray[Any, Any]) -> None:  # noqa: ANN401 - a Keras model
    """A pass as plain Keras makes it, in full batches."""
    for start in range(0, len(pixels), BATCH):
        model.predict_on_batch(np.resize(pixels[start : start + BATCH], (BATCH, *pixels.shape[1:])))


def say(line: str) -> None:
    """A line on stdout, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("-b", "--backbone", default="efficientnet-lite0")
    parser.add_argument("--pictures", type=int, default=PICTURES)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    keras = require_keras()
    from zoo.forward import forward
    from zoo.moments import Watch, measure
    from zoo.readings import counted
    from zoo.second_looks import SecondLooks

    catalog = load_catalog()
    spec, record = complete_backbone(catalog, options.backbone), catalog.backbone(options.backbone.partition(":")[0])
    dataset = prepare(options.data, catalog, sizes=(record.image_size,))
    sample = _sample(dataset, spec, most=options.pictures, seed=0, observe=ignore)
    few, count, shown = sample.pixels[:2], len(sample.labels), sample.pixels[: sample.train]
    with clean_state(0):
        model = record.build(size=record.image_size, weights=record.weights[0])
        ratios: dict[str, list[float]] = {"whole": [], "warm": [], "whole, in passes of zoo's own": []}
        for _ in range(options.rounds):
            plain, own = (
                keras.Model(model.input, keras.layers.GlobalAveragePooling2D()(model.output)) for _ in range(2)
            )
            cold = cpu(lambda plain=plain: stock(plain, few))  # traces
            once = cpu(lambda plain=plain: stock(plain, few))
            steady = cpu(lambda plain=plain: stock(plain, sample.pixels))
            folded = cpu(lambda own=own: forward(own, [few])) - cpu(lambda own=own: forward(own, [few]))
            folded += cpu(lambda own=own: forward(own, [sample.pixels]))
            whole = cpu(lambda: _looked_at(model, sample, trained=True, batch=32, steps=100, observe=ignore))
            adapting = measure(model, sample.pixels, rows=np.arange(ESTIMATED), by_batch=True)
            traces = [
                lambda: measure(model, few),
                lambda: measure(model, sample.pixels, rows=[0, 1], by_batch=True),
            ]
            fixed = sum(map(cpu, traces)) - once * 2
            rows, watch = np.arange(ESTIMATED), Watch(model)
            looks = SecondLooks(model, watch, watch.measure(sample.pixels))
            parts: dict[str, Any] = {
                "pass with moments": lambda: measure(model, sample.pixels),
                "check of inputs": lambda looks=looks: counted(model, shown, most=CHECKED, reader=looks),
                "batches by themselves": lambda rows=rows: measure(
                    model, sample.pixels, rows=rows, by_batch=True, places=None
                ),
                "re-estimated features": lambda watch=watch, adapting=adapting: watch.re_estimated_features(
                    sample.pixels[:SCORED], adapting.layers
                ),
            }
            spent = {name: cpu(part) for name, part in parts.items()}
            spent["numbers"] = whole - sum(spent.values())
            ratios["whole"].append(whole / (steady + cold - once))
            ratios["warm"].append((whole - fixed) / steady)
            ratios["whole, in passes of zoo's own"].append(whole / folded)
            say(
                f"{count} pictures: plain {steady:.1f} s and {cold - once:.1f} s once, zoo's own {folded:.1f} s; "
                f"diagnosis {whole:.1f} s, of which about {fixed:.1f} s once",
            )
            say("  " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in spent.items()))
    for name, values in ratios.items():
        say(f"{name}: {statistics.median(values):.2f} ({', '.join(f'{value:.2f}' for value in values)})")
    say(f"estimated on {ESTIMATED}, scored on {SCORED}, checked on {CHECKED} pictures")


if __name__ == "__main__":
    main()
