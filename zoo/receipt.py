"""The proof of what a fit moved. Needs no Keras: it looks at arrays before and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zoo.values import Receipt, ReceiptRow

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Trace:
    """One weight tensor or moving statistic, before and after.

    Attributes:
        path: `layer/weight`.
        block: Name of its block, or `head`.
        role: `gamma`, `beta`, `statistic`, `bias` or `other`.
        declared: Whether some phase declared it open.
        adapts: Whether some phase let it adapt (moving statistics only).
        given: Whether the optimiser of some phase was given it.
        before: Value at the start, after pretrained weights were loaded.
        after: Value in the model that is saved.
    """

    path: str
    block: str
    role: str
    declared: bool
    adapts: bool
    given: bool
    before: np.ndarray[Any, Any]
    after: np.ndarray[Any, Any]

    @property
    def moved(self) -> bool:
        """Whether one bit differs."""
        return self.before.tobytes() != self.after.tobytes()


def write_receipt(
    traces: Sequence[Trace], *, blocks: Sequence[str], opens: str, unbuilt: Sequence[str] = ()
) -> Receipt:
    """Compares all weights of a saved model with the start, block by block.

    A row FAILs when a fixed weight or statistic moved by one bit, when a declared-open weight was never given to an
    optimiser, or when a fixed one was. It WARNs when a block is open and nothing in it moved.

    Args:
        traces: Every weight of the model.
        blocks: Names of the blocks, input to output, and last `head`.
        opens: What the policy opens in open blocks: `all`, `batch-norm`, `bias` or `low-rank`.
        unbuilt: Layers that own no built weights although their kind has some.
    """
    rows = tuple(_row(name, [trace for trace in traces if trace.block == name], opens) for name in blocks)
    return Receipt(rows=rows, unbuilt=tuple(unbuilt))


def _row(block: str, traces: Sequence[Trace], opens: str) -> ReceiptRow:
    statistics = [trace for trace in traces if trace.role == "statistic"]
    affine = [trace for trace in traces if trace.role in {"gamma", "beta"}]
    verdict, reason = _judge(traces)
    declared = any(trace.declared for trace in traces)
    return ReceiptRow(
        block=block,
        weights=sum(trace.before.size for trace in traces),
        declared=("all" if block == "head" else opens) if declared else "nothing",
        statistics_declared=any(trace.adapts for trace in statistics),
        opened=sum(trace.before.size for trace in traces if trace.given),
        moved=sum(int(np.count_nonzero(trace.before != trace.after)) for trace in traces if trace.moved),
        relative_change=max((_relative_change(trace) for trace in traces), default=0.0),
        affine_moved=any(trace.moved for trace in affine) if affine else None,
        statistics_moved=any(trace.moved for trace in statistics) if statistics else None,
        verdict=verdict,
        reason=reason,
    )


def _judge(traces: Sequence[Trace]) -> tuple[Literal["PASS", "WARN", "FAIL"], str]:
    for trace in traces:
        if trace.moved and not (trace.declared or trace.adapts):
            return "FAIL", f"{trace.path} was fixed but moved by up to {_largest_change(trace):.3g}"
        if trace.declared and not trace.given:
            return "FAIL", f"{trace.path} was declared open but no optimiser was given it"
        if trace.given and not trace.declared:
            return "FAIL", f"{trace.path} was fixed but an optimiser was given it"
    free = [trace for trace in traces if trace.declared or trace.adapts]
    if free and not any(trace.moved for trace in free):
        return "WARN", f"open ({len(free)} tensors) but unmoved"
    return "PASS", ""


def _relative_change(trace: Trace) -> float:
    if not trace.moved:
        return 0.0
    before = trace.before.astype(np.float64)
    after = trace.after.astype(np.float64)
    norm = float(np.linalg.norm(before))
    return float(np.linalg.norm(after - before)) / norm if norm else float(np.linalg.norm(after))


def _largest_change(trace: Trace) -> float:
    return float(np.max(np.abs(trace.after.astype(np.float64) - trace.before.astype(np.float64))))
