"""What a grid will take, from what its networks are like: time, memory and disk, and what its runs share.

The model is that of the program. Pictures pass the closed blocks of a phase once for each backbone and boundary; what
is open takes a forward pass for each validation picture and a step for each training picture in every epoch. A step
costs a number of forward passes (`STEP`), building and tracing a number of times what building took (`TRACE`). An epoch
that is not run because nothing got better, and what the cache on disk knows already, make it less; so all figures are
upper ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zoo.contracts import PRECISE_PICTURES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo.contracts import Phase

STEP: Mapping[str, float] = {"all": 3.0, "batch-norm": 2.3, "bias": 2.3, "low-rank": 3.0}
"""Passes as Keras makes them that a training step takes, by what is open; `benchmarks/kernels.py` measures them."""

ADAPTING = 0.3
"""Such passes more where statistics adapt, for a step and for a picture whose statistics are taken."""

TRACE, TRACE_PREDICT = 8.0, 3.0
"""Tracing a training step and a forward pass of a whole network, in times that building it took: a rough guess."""

HEAD_STEP = 0.003
"""Seconds of a step where no block is open."""

START, ROW = 6.0, 1.0
"""Seconds until a worker can work, and that a run takes to be written down: guesses for a slow machine."""


@dataclass(frozen=True, slots=True)
class Network:
    """What a built backbone tells.

    Attributes:
        blocks: Number of blocks.
        shares: Share of a forward pass that lies above each boundary, from 1 at 0 to 0 at `blocks`.
        cuts: Bytes of the tensors at each boundary for one picture; those of the picture at 0.
        activations: Bytes of all feature maps above each boundary for one picture.
        weights: Bytes of all weights.
        forward: Seconds for one picture in a full batch.
        build: Seconds that building took.
        timed: Whether `forward` was timed for this plan; else it is from finished runs.
        unfolded: Times `forward` that a pass takes in which BatchNorm is not folded into convolutions, at most.
    """

    blocks: int
    shares: tuple[float, ...]
    cuts: tuple[int, ...]
    activations: tuple[int, ...]
    weights: int
    forward: float
    build: float
    timed: bool
    unfolded: float = 1.0


@dataclass(frozen=True, slots=True)
class Job:
    """One run that is still to be made.

    Attributes:
        title: Of its row.
        network: Key of its backbone.
        start: Key of backbone and the weights it starts from: runs of one start share frozen work.
        graph: Key of backbone and head: runs of one graph share a built network.
        purpose: Key of what is traced: runs of one graph and purpose share a training step.
        phases: Of its policy, with the epochs it may take.
        batch: Pictures in a batch.
        augmented: Whether training pictures are new in every epoch.
        views: Augmented versions that are kept; 0 for none.
        solved: Whether the head is solved where no block is open.
    """

    title: str
    network: str
    start: str
    graph: str
    purpose: str
    phases: tuple[Phase, ...]
    batch: int
    augmented: bool
    views: int
    solved: bool


@dataclass(frozen=True, slots=True)
class Shared:
    """Frozen work that is done once for several runs.

    Attributes:
        network: The backbone, with the seed where it starts from random weights.
        boundary: Number of closed blocks.
        blocks: Of how many.
        pictures: That pass them.
        bytes: Of their features.
        runs: That use them.
        rows: Titles of these runs' rows, each once.
    """

    network: str
    boundary: int
    blocks: int
    pictures: int
    bytes: int
    runs: int
    rows: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a grid will take at most.

    Attributes:
        runs: Of the grid.
        finished: Of these, taken from the store.
        pictures: Training and validation pictures.
        networks: By key, what they are like.
        shared: Frozen work, in the order in which it is done.
        traced: Training steps that are traced.
        frozen_seconds: For frozen work.
        training_seconds: For what is trained, validation included.
        other_seconds: For everything else: start, pictures, building, tracing, files.
        memory: Bytes that one worker needs at most.
        pixels: Bytes of decoded pictures that are not in the cache yet.
        features: Bytes of frozen features, whether they are there already or not.
        models: Bytes of the models of all runs to come.
        free: Bytes that are free where the cache is.
        jobs: Worker processes.
        downloads: Pretrained weights that no installed package carries, `backbone weights (size, where it is known)`:
            they are fetched on first use. Whether they have been is not looked at.
    """

    runs: int
    finished: int
    pictures: int
    networks: Mapping[str, Network]
    shared: tuple[Shared, ...]
    traced: int
    frozen_seconds: float
    training_seconds: float
    other_seconds: float
    memory: int
    pixels: int
    features: int
    models: int
    free: int
    jobs: int = 1
    downloads: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """Wall time at most. Several workers share the cores, so they are not taken to be faster."""
        return self.frozen_seconds + self.training_seconds + self.other_seconds


@dataclass
class _Sums:
    """What is added up over runs."""

    frozen: float = 0.0
    training: float = 0.0
    other: float = 0.0
    memory: int = 0
    own: int = 0
    shared: dict[tuple[str, str, int], list[str]] = field(default_factory=dict)
    graphs: set[str] = field(default_factory=set)
    starts: set[str] = field(default_factory=set)
    purposes: set[tuple[str, str, int]] = field(default_factory=set)


def forecast(
    jobs: Sequence[Job],
    networks: Mapping[str, Network],
    *,
    train: int,
    validation: int,
    finished: int,
    decode: float,
    pixels: int,
    free: int,
    base_memory: int,
    workers: int = 1,
    downloads: Sequence[str] = (),
) -> Forecast:
    """Adds up what runs will take.

    Args:
        jobs: Runs that are not finished.
        networks: By the key that jobs name them with.
        train: Training pictures.
        validation: Validation pictures.
        finished: Runs that are.
        decode: Seconds to decode the pictures that are not in the cache.
        pixels: Bytes of these.
        free: Bytes that are free on the disk of the cache.
        base_memory: Bytes of a process that has imported the backend.
        workers: Worker processes.
        downloads: As in `Forecast`.
    """
    sums = _Sums(other=START + decode if jobs else 0.0)
    for job in jobs:
        _add(sums, job, networks[job.network], train, validation)
    shared = tuple(
        Shared(
            network=start,
            boundary=boundary,
            blocks=networks[name].blocks,
            pictures=train + validation,
            bytes=(train + validation) * networks[name].cuts[boundary],
            runs=len(titles),
            rows=tuple(dict.fromkeys(titles)),
        )
        for (name, start, boundary), titles in sums.shared.items()
    )
    return Forecast(
        runs=finished + len(jobs),
        finished=finished,
        pictures=train + validation,
        networks=networks,
        shared=shared,
        traced=len(sums.purposes),
        frozen_seconds=sums.frozen,
        training_seconds=sums.training,
        other_seconds=sums.other,
        memory=base_memory + sums.memory if jobs else 0,
        pixels=pixels,
        features=sum(one.bytes for one in shared) + sums.own,
        models=sum(networks[job.network].weights for job in jobs),
        free=free,
        jobs=workers,
        downloads=tuple(downloads),
    )


def _add(sums: _Sums, job: Job, network: Network, train: int, validation: int) -> None:
    """One run, with what it shares only if it is the first to need it."""
    sums.other += ROW
    if job.graph not in sums.graphs:
        sums.graphs.add(job.graph)
        # Another head takes the backbone as it is; its first file is loaded, which builds it once.
        sums.other += network.build * (1.5 if job.start in sums.starts else 2 + TRACE_PREDICT)
        sums.starts.add(job.start)
    for phase in job.phases:
        boundary = max(0, network.blocks - max(0, phase.open_blocks))
        if phase.re_estimated_blocks:
            sums.frozen += train * network.forward * network.unfolded
        _add_frozen(sums, job, network, boundary, train, validation, phase)
        _add_training(sums, job, network, boundary, train, validation, phase)


def _add_frozen(
    sums: _Sums, job: Job, network: Network, boundary: int, train: int, validation: int, phase: Phase
) -> None:
    below = network.forward * (1 - network.shares[boundary])
    if boundary == 0:
        return
    own = any(one.re_estimated_blocks for one in job.phases)  # its features are those of no other run
    key = (job.network, job.start, boundary)
    first = own or key not in sums.shared
    if not own:
        sums.shared.setdefault(key, []).append(job.title)
    new = 0 if job.augmented else train
    if own:
        sums.own += (validation + new) * network.cuts[boundary]
    if first:
        sums.frozen += below * (validation + new)
    if job.augmented:
        sums.frozen += below * train * min(phase.epochs, job.views or phase.epochs)


def _add_training(
    sums: _Sums, job: Job, network: Network, boundary: int, train: int, validation: int, phase: Phase
) -> None:
    if boundary == network.blocks:
        steps = 0 if job.solved else phase.epochs * max(1, train // job.batch)
        sums.training += steps * HEAD_STEP
        sums.purposes |= set() if job.solved else {(job.graph, job.purpose, boundary)}
        return
    above = network.forward * network.shares[boundary]
    step = STEP[phase.open_weights] + (ADAPTING if phase.batch_norm == "adapting" else 0.0)
    taken = min(train, PRECISE_PICTURES) * (1.0 + ADAPTING) if phase.statistics == "precise" else 0.0
    sums.training += phase.epochs * above * (network.unfolded * (train * step + taken) + validation)
    key = (job.graph, f"{job.purpose}:{phase.open_weights}:{phase.batch_norm}", boundary)
    if key not in sums.purposes or phase.open_weights == "low-rank":
        sums.purposes.add(key)
        passes = 2 if taken else 1  # the pass that takes statistics is a graph of its own
        sums.other += network.build * (TRACE + passes * TRACE_PREDICT) * network.shares[boundary]
    sums.memory = max(sums.memory, job.batch * network.activations[boundary] + 4 * network.weights)
