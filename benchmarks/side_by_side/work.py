"""What a process is asked to do, as a file of JSON: the same for all that are compared."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Work:
    """A grid on some pictures.

    Attributes:
        data: Folder with one sub-folder of pictures for each class.
        split: File that `pictures` wrote: paths and labels of the training and validation pictures.
        backbones: Specs, as heads and policies.
        heads: As above.
        policies: As above.
        rates: Learning rates.
        seeds: Number of seeds of each row: 0, 1, 2, …
        epochs: Of each row.
        batch: Pictures in a batch.
        patience: Epochs without improvement that end a row; None never.
        folder: Empty folder of this process, for a store or whatever it needs.
        store: Folder of runs, `folder`/store if empty.
        frozen_cache: Whether features of frozen blocks may be kept.
        keep_probabilities: Whether probabilities on the validation pictures are written to `folder`.
        options: More arguments of `zoo.compare`.
        parts: Whether it is told what the time goes into.
        started: Seconds since the epoch when the process was started.
    """

    data: str
    split: str = ""
    backbones: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    rates: tuple[float, ...] = ()
    seeds: int = 1
    epochs: int = 10
    batch: int = 32
    patience: int | None = None
    folder: str = ""
    store: str = ""
    frozen_cache: bool = True
    keep_probabilities: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    parts: bool = False
    started: float = 0.0

    @property
    def rows(self) -> Iterator[tuple[str, str, str, float, int]]:
        """Backbone, head, policy, learning rate and seed of every row."""
        return product(self.backbones, self.heads, self.policies, self.rates, range(self.seeds))

    def count(self) -> int:
        """Number of rows, seeds counted."""
        return len(list(self.rows))

    def write(self, path: Path) -> None:
        """Writes it as JSON."""
        path.write_text(json.dumps(dataclasses.asdict(self), indent=1), encoding="utf-8")


def read_work(path: Path) -> Work:
    """What `Work.write` wrote."""
    values = json.loads(path.read_text(encoding="utf-8"))
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return Work(**{**values, **lists})


@dataclass(frozen=True, kw_only=True)
class Row:
    """What became of one row.

    Attributes:
        backbone: Spec, as head and policy.
        head: As above.
        policy: As above.
        rate: Learning rate.
        seed: Of the row.
        accuracy: On the validation pictures, of the epoch that is kept; None without.
        epochs: Trained.
        seconds: Of this row alone.
        status: `finished`, or how else it ended.
        reason: Why it is not finished.
    """

    backbone: str
    head: str
    policy: str
    rate: float
    seed: int
    accuracy: float | None
    epochs: int
    seconds: float
    status: str = "finished"
    reason: str = ""

    @property
    def key(self) -> tuple[str, str, str, float, int]:
        """Names the row in every program."""
        return self.backbone, self.head, self.policy, self.rate, self.seed
