"""Where the time of a forward pass and of training steps goes: by kind of operation, beside its work and its bound.

Run it through `kernels.py --profile`. Seconds are those of TensorFlow's profiler. The floating-point operations and the
bytes follow from the shapes in the network: every operation reads its inputs and writes its output once (BatchNorm on
the statistics of the batch must read twice). The bound is what these would take at the speed of a large matrix product
and of a large copy, both measured in the same process, whichever is longer.
"""

from __future__ import annotations

import collections
import math
import re
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SINGLE = "single sums and products"  # of maps and of weights, Keras' BatchNorm among them
KINDS = (
    ("depthwise, filter gradient", r"DepthwiseConv2dNativeBackpropFilter$"),
    ("depthwise, input gradient", r"DepthwiseConv2dNativeBackpropInput$"),
    ("depthwise, forward", r"DepthwiseConv2dNative$"),
    ("convolution, filter gradient", r"Conv2DBackpropFilter$"),
    ("convolution, input gradient", r"Conv2DBackpropInput$"),
    ("convolution, forward", r"Conv2D$"),
    ("convolution as matrix product", r"MatMul$"),
    ("activation, gradient", r"(Relu6?|Elu|Swish|HardSwish|Sigmoid)Grad$"),
    ("activation, forward", r"(Relu6?|Elu|Swish|HardSwish|Sigmoid)$"),
    ("BatchNorm, gradient", r"FusedBatchNormGradV3$"),
    ("BatchNorm, forward", r"FusedBatchNorm(V3|Ex)$"),
    ("padding", r"(Pad|PadV2|Slice)$"),
    (SINGLE, r"^(Mul|Sum|AddV2|Sub|AddN|Square|Rsqrt|Sqrt|RealDiv|Assign\w+|SelectV2)$"),
)
FLOAT = 4  # bytes


def measure(jobs: Iterator[tuple[str, Callable[[], Any], Any]], steps: int, batch: int) -> dict[str, Any]:
    """Seconds, work and bound of each kind of operation for each job."""
    flops, bandwidth = limits()
    found: dict[str, Any] = {"gigaflops": flops / 1e9, "gigabytes a second": bandwidth / 1e9, "jobs": {}}
    for name, once, model in jobs:
        seconds, whole = spent(once, steps)
        rows = {}
        for kind, (operations, moved) in work_of(model, name, batch).items():
            rows[kind] = [seconds.pop(kind, 0.0), operations, moved, max(operations / flops, moved / bandwidth)]
        rows |= {kind: [value, 0, 0, 0] for kind, value in seconds.items()}
        single = rows.get(SINGLE)
        for kind in ("BatchNorm, forward", "BatchNorm, gradient"):
            if single and kind in rows and not rows[kind][0]:  # Keras' single operations did it
                rows[SINGLE] = single = [one + other for one, other in zip(single, rows.pop(kind), strict=True)]
        found["jobs"][name] = {"seconds": whole, "kinds": rows}
    return found


def limits() -> tuple[float, float]:
    """Operations and bytes per second of a large product of matrices and of a large elementwise operation."""
    import tensorflow as tf

    def best(work: Callable[[], Any]) -> float:
        times = []
        for _ in range(20):
            began = time.perf_counter()
            work()
            times.append(time.perf_counter() - began)
        return min(times)

    square, line = tf.random.normal((2048, 2048)), tf.random.normal((32, 112, 112, 96))
    flops = 2 * 2048**3 / best(lambda: tf.matmul(square, square))
    return flops, 2 * FLOAT * math.prod(line.shape) / best(lambda: tf.nn.relu(line))


def spent(once: Callable[[], Any], steps: int) -> tuple[dict[str, float], float]:
    """Seconds in each kind of operation, and of the whole, per call."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    once()
    once()
    times = []
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        for _ in range(steps):
            began = time.perf_counter()
            once()
            times.append(time.perf_counter() - began)
        tf.profiler.experimental.stop()
        space = xplane_pb2.XSpace.FromString(next(Path(folder).rglob("*.xplane.pb")).read_bytes())
    seconds: dict[str, float] = collections.defaultdict(float)
    for plane in space.planes:
        for event in (event for line in plane.lines for event in line.events):
            node, _, operation = plane.event_metadata[event.metadata_id].name.rpartition(":")
            if node and not node.endswith(":") and re.fullmatch(r"\w+", operation):
                kind = next((kind for kind, names in KINDS if re.search(names, operation)), "other operations")
                seconds[kind] += event.duration_ps / 1e12 / steps
    return dict(seconds), statistics.median(times)


def work_of(model: Any, name: str, batch: int) -> dict[str, tuple[float, float]]:  # noqa: ANN401 - a Keras model
    """Floating-point operations and bytes of each kind, from the shapes of a network; `name` says what is trained."""
    import keras

    from zoo.edges import inputs_of
    from zoo.padded import UnpaddedInput
    from zoo.pointwise import PointwiseConv2D

    batch_norm = {"forward": (2, 0), "bn-trainable": (3, 5)}.get(name, (2, 3))
    trains, kernels = name != "forward", name == "unfreeze-all"
    work: dict[str, list[float]] = collections.defaultdict(lambda: [0.0, 0.0])
    reads, first = inputs_of(model), True

    def add(kind: str, operations: float, moved: float) -> None:
        work[kind][0] += batch * operations
        work[kind][1] += batch * moved * FLOAT

    for layer in model.operations:
        if not reads[layer.name] or len(layer.output.shape) != 4:  # noqa: PLR2004 - maps
            continue
        entry, result = (math.prod(tensor.shape[1:]) for tensor in (reads[layer.name][0], layer.output))
        if isinstance(layer, keras.layers.DepthwiseConv2D | keras.layers.Conv2D):
            deep = isinstance(layer, keras.layers.DepthwiseConv2D)
            operations = 2 * result * math.prod(layer.kernel.shape[: 2 if deep else 3])
            product = isinstance(layer, PointwiseConv2D) and trains
            stem = "convolution" if not deep else "depthwise"
            parts = {"forward": True, "input gradient": trains and not first, "filter gradient": kernels}
            for part in (part for part, wanted in parts.items() if wanted):
                add("convolution as matrix product" if product else f"{stem}, {part}", operations, entry + result)
            first = False
        elif isinstance(layer, keras.layers.BatchNormalization):
            add("BatchNorm, forward", 0, batch_norm[0] * result)
            add("BatchNorm, gradient", 0, batch_norm[1] * result)
        elif isinstance(layer, keras.layers.ReLU | keras.layers.Activation):
            add("activation, forward", 0, 2 * result)
            add("activation, gradient", 0, 3 * result * trains)
        elif isinstance(layer, keras.layers.ZeroPadding2D) and not isinstance(layer, UnpaddedInput):
            add("padding", 0, (entry + result) * (1 + (trains and not first)))
    return {kind: (operations, moved) for kind, (operations, moved) in work.items() if moved}


def show(variant: str, found: dict[str, Any]) -> None:
    """Prints one table per job."""
    speeds = f"{found['gigaflops']:.0f} GFLOP/s, {found['gigabytes a second']:.0f} GB/s"
    for name, job in found["jobs"].items():
        rows = sorted(job["kinds"].items(), key=lambda row: -row[1][0])
        total = [sum(values[place] for _, values in rows) for place in range(4)]
        print(f"{variant}, {name}: {job['seconds']:.3f} s; limits {speeds}")  # noqa: T201 - the result
        print(f"{'':36}{'ms':>8}{'GFLOP':>8}{'GB':>8}{'bound ms':>10}")  # noqa: T201 - as above
        for kind, (seconds, operations, moved, bound) in [*rows, ("sum", total)]:
            print(  # noqa: T201 - as above
                f"{kind:36}{seconds * 1e3:8.1f}{operations / 1e9:8.1f}{moved / 1e9:8.2f}{bound * 1e3:10.1f}"
            )
        print()  # noqa: T201 - as above
