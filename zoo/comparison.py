"""The main job: a grid of runs on one data set, and the board that says which is best."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

from zoo.board import Board, Context, baselines
from zoo.disk_cache import open_cache
from zoo.errors import ZooError
from zoo.events import Note
from zoo.executing import Executor
from zoo.lineup import Settings, check_settings, combinations, lines_of, recipe_of, sizes_of
from zoo.plugins import load_catalog
from zoo.progress import for_python
from zoo.sharing import Labour, check_labour
from zoo.standings import board_of
from zoo.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zoo.dataset import Dataset
    from zoo.disk_cache import DiskCache
    from zoo.events import Observer
    from zoo.registry import Catalog
    from zoo.runs import Run
    from zoo.values import Metric, Optimiser, Precision, RunRecord, Schedule, Spec

    Rate = float | Literal["auto"] | None

POLICIES = ("freeze-all", "bn-affine", "bn-trainable", "unfreeze-top-k:k=2")
"""Compared when none are named."""


def fit(
    data: object = None,
    *,
    backbone: str,
    head: str = "gap",
    policy: str = "bn-trainable",
    augment: str = "none",
    epochs: int = 10,
    batch_size: int = 32,
    learning_rate: float | Literal["auto"] | None = None,
    schedule: Schedule = "policy",
    optimiser: Optimiser = "adam",
    weight_decay: float = 0.0,
    accumulate: int = 1,
    ema: float = 0.0,
    precision: Precision = "float32",
    views: int = 0,
    label_smoothing: float = 0.0,
    patience: int | None = 5,
    metric: Metric = "accuracy",
    seed: int = 0,
    split: tuple[float, float, float] = (0.7, 0.15, 0.15),
    split_seed: int = 0,
    source: str | None = None,
    store: str | Path = "zoo-runs",
    cache: bool = True,
    cache_limit: int | str | None = None,
    observe: Observer | None = None,
    catalog: Catalog | None = None,
) -> Run:
    """Trains one combination and keeps it.

    An equal run that is finished already is not repeated: its record is returned.

    Args:
        data: Folder with one sub-folder per class, or with `train` and `val`; a table of them; or `demo` (the default).
        backbone: Name with options, for example `efficientnet-lite0` or `efficientnetb0:weights=none,size=160`.
        head: Name with options.
        policy: Name with options, for example `unfreeze-top-k:k=2,bn=adapting`.
        augment: Name with options of the augmentation of training pictures.
        epochs: Epochs over all phases, at least 1.
        batch_size: Pictures in a batch, at least 2.
        learning_rate: Highest rate of the policy's phases; the policy's own if not given; `auto` runs a range test.
        schedule: Course of the rate in every phase; `policy` is what the policy's phases say.
        optimiser: `adam`, `adamw`, `sgd` (Nesterov's momentum 0.9), `rmsprop` or `lion`.
        weight_decay: Share of each weight, times the rate, that every step takes off; not of biases, gammas and betas.
        accumulate: Batches whose mean gradient makes one step.
        ema: Decay of the moving average of the weights that is validated and delivered, in [0, 1); 0 for none.
        precision: What the backbone's layers compute in: `float32`, `bfloat16` or `float16`.
        views: Augmented versions of each picture where blocks are closed; 0 for new ones in every epoch.
        label_smoothing: Share of the target spread over all classes, in [0, 1).
        patience: Epochs without improvement after which a phase ends; None never ends one early.
        metric: What the best epoch is chosen by, on the validation part.
        seed: Of initialisation, order, dropout and augmentation.
        split: Shares of training, validation and test pictures.
        split_seed: Draws the split.
        source: Name with options of the source to use, where several could read the data.
        store: Folder that keeps runs.
        cache: Keep decoded pictures and frozen features on disk for later calls, and use what is there. It changes no
            result.
        cache_limit: Most that is kept there, in bytes or as text such as `20G`; by default 10 GiB or a tenth of what
            the disk could give, whichever is less.
        observe: Told about everything; plain lines on a terminal or in a notebook if not given.
        catalog: Items to choose from; everything installed if not given.

    Returns:
        The run: scores, receipt, model, predictions.

    Raises:
        ZooError: What went wrong and what to do; see `zoo.errors`.
    """
    from zoo.experiment import make_bench, run
    from zoo.runs import Run as Handle

    items = catalog or load_catalog()
    watch = observe or for_python()
    specs = combinations(items, [backbone], [head], [policy], [augment])
    settings = Settings(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        schedule=schedule,
        optimiser=optimiser,
        weight_decay=weight_decay,
        accumulate=accumulate,
        ema=ema,
        precision=precision,
        views=views,
        label_smoothing=label_smoothing,
        patience=patience,
        metric=metric,
    )
    settings = Settings(**check_settings(dataclasses.asdict(settings)))
    seed = check_settings({"seed": seed})["seed"]
    disk = open_cache(cache_limit, observe=watch) if cache else None
    with Store(store) as opened:
        dataset = dataset_of(
            data, items, opened, source=source, split=(split, split_seed), specs=specs, disk=disk, observe=watch
        )
        recipe = recipe_of(dataset, specs[0], seed, settings)
        context = _context(dataset)
        opened.save_board_context(context.data, context.split, context)
        record = run(recipe, make_bench(items, dataset, opened, watch), reraise=True)
        return Handle(record, opened.folder(record.id))


def compare(
    data: object = None,
    *,
    backbones: Sequence[str],
    heads: Sequence[str] = ("gap",),
    policies: Sequence[str] = POLICIES,
    augmentations: Sequence[str] = ("none",),
    seeds: int = 1,
    epochs: int = 10,
    batch_size: int | Sequence[int] = 32,
    learning_rate: Rate | Sequence[Rate] = None,
    schedule: Schedule = "policy",
    optimiser: Optimiser = "adam",
    weight_decay: float = 0.0,
    accumulate: int = 1,
    ema: float = 0.0,
    precision: Precision = "float32",
    views: int = 0,
    label_smoothing: float = 0.0,
    patience: int | None = 5,
    metric: Metric = "accuracy",
    split: tuple[float, float, float] = (0.7, 0.15, 0.15),
    split_seed: int = 0,
    source: str | None = None,
    store: str | Path = "zoo-runs",
    cache: bool = True,
    cache_limit: int | str | None = None,
    jobs: int = 1,
    row_timeout: float | None = None,
    memory_limit: float | None = None,
    observe: Observer | None = None,
    catalog: Catalog | None = None,
) -> Board:
    """Trains every backbone with every head, policy and augmentation and ranks the rows on the validation part.

    Finished runs are taken from the store. A run that fails costs itself only, also one that crashes or hangs: rows run
    in worker processes. The test part is decoded after the ranking, and scored for the recommended row alone.

    Args:
        data: As in `fit`.
        backbones: Names with options, at least one.
        heads: Names with options.
        policies: Names with options.
        augmentations: Names with options.
        seeds: Runs of each row, with the seeds 0, 1, 2, …; the mean is ranked.
        epochs: As in `fit`, and so are the rest.
        batch_size: Pictures in a batch; several make a row for each.
        learning_rate: Highest rate of the phases; each policy's own if not given; `auto` tests rates in each run.
            Several make a row for each.
        schedule: Course of the rate in every phase; `policy` is what the policy's phases say.
        optimiser: `adam`, `adamw`, `sgd` (Nesterov's momentum 0.9), `rmsprop` or `lion`.
        weight_decay: Share of each weight, times the rate, that every step takes off; not of biases, gammas and betas.
        accumulate: Batches whose mean gradient makes one step.
        ema: Decay of the moving average of the weights that is validated and delivered, in [0, 1); 0 for none.
        precision: What the backbone's layers compute in: `float32`, `bfloat16` or `float16`.
        views: Augmented versions of each picture where blocks are closed; 0 for new ones in every epoch.
        label_smoothing: In [0, 1).
        patience: In epochs, or None.
        metric: What rows are ranked by and epochs are chosen by.
        split: Shares of training, validation and test pictures.
        split_seed: Draws the split, the same for all rows and seeds.
        source: Source to use.
        store: Folder that keeps runs.
        cache: Keep decoded pictures and frozen features on disk for later calls, and use what is there.
        cache_limit: Most that is kept there, in bytes or as text such as `20G`.
        jobs: Worker processes that rows run in, each with its share of the cores; 0 for none: rows run in this process.
        row_timeout: Seconds after which a row is ended as failed; None never ends one.
        memory_limit: GiB that a worker may hold; None for its share of nine tenths of what is free at the start.
        observe: Told about everything.
        catalog: Items to choose from. Rows with items that were given in this process run in this process.

    Raises:
        ZooError: If the grid cannot start: unknown names, unusable data, a store that cannot be written.
    """
    items = catalog or load_catalog()
    watch = observe or for_python()
    specs = combinations(items, backbones, heads, policies, augmentations)
    settings = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "schedule": schedule,
        "optimiser": optimiser,
        "weight_decay": weight_decay,
        "accumulate": accumulate,
        "ema": ema,
        "precision": precision,
        "views": views,
        "label_smoothing": label_smoothing,
        "patience": patience,
        "metric": metric,
    }
    check_settings({"seeds": seeds})
    lines = lines_of(settings)
    labour = Labour(jobs, row_timeout, memory_limit)
    check_labour(labour)
    rows = len(specs) * len(lines) * seeds
    labour = dataclasses.replace(
        labour, jobs=min(jobs, rows)
    )  # a worker without a row would take memory from the others
    disk = open_cache(cache_limit, observe=watch) if cache else None
    with Store(store) as opened, Executor(labour, specs, catalog=items, store=opened, observe=watch) as executor:
        dataset = dataset_of(
            data, items, opened, source=source, split=(split, split_seed), specs=specs, disk=disk, observe=watch
        )
        recipes = [recipe_of(dataset, row, seed, line) for row in specs for line in lines for seed in range(seeds)]
        context = _context(dataset)
        opened.save_board_context(context.data, context.split, context)
        records = executor.run(recipes, dataset)
        try:
            chosen = _to_be_tested(board_of(opened, records, context, metric), records, dataset, opened)
            if chosen:
                executor.score_test(chosen)
        except ZooError as error:
            text = f"The recommended row has no test score: {error.message}"
            watch(Note(text, level="warning"))
            context = dataclasses.replace(context, notes=(*context.notes, text))
        return board_of(opened, records, context, metric)


def dataset_of(
    data: object,
    catalog: Catalog,
    store: Store,
    *,
    source: str | None,
    split: tuple[tuple[float, float, float], int] = ((0.7, 0.15, 0.15), 0),
    specs: Sequence[tuple[Spec, Spec, Spec, Spec]],
    disk: DiskCache | None,
    observe: Observer,
) -> Dataset:
    """The pictures of a call, checked and divided by shares and a seed; see `zoo.dataset.prepare`. Raises: ZooError."""
    fractions, split_seed = split[0], check_settings({"split_seed": split[1]})["split_seed"]
    from zoo.dataset import prepare

    return prepare(
        "demo" if data is None else data,
        catalog,
        source="demo" if data is None and source is None else source,
        observe=observe,
        fingerprints=store.fingerprints(),
        directory=store.directory,
        cache=disk,
        sizes=sizes_of(backbone for backbone, _, _, _ in specs),
        fractions=fractions,
        split_seed=split_seed,
    )


def _context(dataset: Dataset) -> Context:
    labels = dataset.labels("validation")
    return Context(
        data=dataset.report.digest,
        split=dataset.split.digest,
        classes=dataset.classes,
        n_train=len(dataset.split.train),
        n_validation=len(dataset.split.validation),
        n_test=len(dataset.split.test),
        baselines=baselines(dataset.baselines(), labels, len(dataset.classes)),
        notes=(*dataset.report.notes, *dataset.split.notes),
    )


def _to_be_tested(board: Board, records: Sequence[RunRecord], dataset: Dataset, store: Store) -> list[RunRecord]:
    """Runs of the recommended row that have not been scored on the test part, if there is one."""
    row = board.recommended
    if row is None or not dataset.split.test:
        return []
    seen = {look.run_id for look in store.test_looks(dataset.split.digest)}
    return [record for record in records if record.id in row.run_ids and record.validation and record.id not in seen]
