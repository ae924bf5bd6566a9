"""The main job: a grid of runs on one data set, and the board that says which is best."""

from __future__ import annotations

import contextlib
import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo import statistics
from zoo.backend import quiet, require_keras
from zoo.board import Board, Context, baselines, build_board
from zoo.errors import RunNotFoundError, StoreError, ZooError
from zoo.events import GridStarted, Note
from zoo.lineup import Settings, check_settings, combinations, recipe_of
from zoo.plugins import load_catalog
from zoo.progress import for_python
from zoo.recipe import row_digest
from zoo.specs import channels_of
from zoo.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.dataset import Dataset
    from zoo.events import Observer
    from zoo.experiment import Bench
    from zoo.registry import Catalog
    from zoo.runs import Run
    from zoo.values import Metric, Optimiser, Precision, RunRecord, Schedule


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
    label_smoothing: float = 0.0,
    patience: int | None = 5,
    metric: Metric = "accuracy",
    seed: int = 0,
    split: tuple[float, float, float] = (0.7, 0.15, 0.15),
    split_seed: int = 0,
    source: str | None = None,
    store: str | Path = "zoo-runs",
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
        label_smoothing: Share of the target spread over all classes, in [0, 1).
        patience: Epochs without improvement after which a phase ends; None never ends one early.
        metric: What the best epoch is chosen by, on the validation part.
        seed: Of initialisation, order, dropout and augmentation.
        split: Shares of training, validation and test pictures.
        split_seed: Draws the split.
        source: Name with options of the source to use, where several could read the data.
        store: Folder that keeps runs.
        observe: Told about everything; plain lines on a terminal or in a notebook if not given.
        catalog: Items to choose from; everything installed if not given.

    Returns:
        The run: scores, receipt, model, predictions.

    Raises:
        ZooError: What went wrong and what to do; see `zoo.errors`.
    """
    from zoo.experiment import run
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
        label_smoothing=label_smoothing,
        patience=patience,
        metric=metric,
    )
    check_settings({**dataclasses.asdict(settings), "seed": seed})
    with Store(store) as opened:
        dataset = _dataset(data, items, opened, source=source, split=split, split_seed=split_seed, observe=watch)
        recipe = recipe_of(dataset, specs[0], seed, settings)
        context = _context(dataset)
        opened.save_board_context(context.data, context.split, context)
        record = run(recipe, _bench(items, dataset, opened, watch), reraise=True)
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
    batch_size: int = 32,
    learning_rate: float | Literal["auto"] | None = None,
    schedule: Schedule = "policy",
    optimiser: Optimiser = "adam",
    weight_decay: float = 0.0,
    accumulate: int = 1,
    ema: float = 0.0,
    precision: Precision = "float32",
    label_smoothing: float = 0.0,
    patience: int | None = 5,
    metric: Metric = "accuracy",
    split: tuple[float, float, float] = (0.7, 0.15, 0.15),
    split_seed: int = 0,
    source: str | None = None,
    store: str | Path = "zoo-runs",
    observe: Observer | None = None,
    catalog: Catalog | None = None,
) -> Board:
    """Trains every backbone with every head, policy and augmentation and ranks the rows on the validation part.

    Finished runs are taken from the store. A run that fails costs itself only. The test part is decoded after the
    ranking, and scored for the recommended row alone.

    Args:
        data: As in `fit`.
        backbones: Names with options, at least one.
        heads: Names with options.
        policies: Names with options.
        augmentations: Names with options.
        seeds: Runs of each row, with the seeds 0, 1, 2, …; the mean is ranked.
        epochs: As in `fit`, and so are the rest.
        batch_size: Pictures in a batch.
        learning_rate: Highest rate of the phases; each policy's own if not given; `auto` tests rates in each run.
        schedule: Course of the rate in every phase; `policy` is what the policy's phases say.
        optimiser: `adam`, `adamw`, `sgd` (Nesterov's momentum 0.9), `rmsprop` or `lion`.
        weight_decay: Share of each weight, times the rate, that every step takes off; not of biases, gammas and betas.
        accumulate: Batches whose mean gradient makes one step.
        ema: Decay of the moving average of the weights that is validated and delivered, in [0, 1); 0 for none.
        precision: What the backbone's layers compute in: `float32`, `bfloat16` or `float16`.
        label_smoothing: In [0, 1).
        patience: In epochs, or None.
        metric: What rows are ranked by and epochs are chosen by.
        split: Shares of training, validation and test pictures.
        split_seed: Draws the split, the same for all rows and seeds.
        source: Source to use.
        store: Folder that keeps runs.
        observe: Told about everything.
        catalog: Items to choose from.

    Raises:
        ZooError: If the grid cannot start: unknown names, unusable data, a store that cannot be written.
    """
    from zoo.experiment import identify, run

    items = catalog or load_catalog()
    watch = observe or for_python()
    specs = combinations(items, backbones, heads, policies, augmentations)
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
        label_smoothing=label_smoothing,
        patience=patience,
        metric=metric,
    )
    check_settings({**dataclasses.asdict(settings), "seeds": seeds})
    with Store(store) as opened:
        dataset = _dataset(data, items, opened, source=source, split=split, split_seed=split_seed, observe=watch)
        recipes = [recipe_of(dataset, row, seed, settings) for row in specs for seed in range(seeds)]
        bench = _bench(items, dataset, opened, watch)
        context = _context(dataset)
        opened.save_board_context(context.data, context.split, context)
        known = [opened.find(identify(one, items, alpha=dataset.report.alpha)[1]) for one in recipes]
        finished = sum(record is not None for record in known)
        watch(GridStarted(len(recipes), finished, tuple(recipe.title for recipe in recipes)))
        records = [run(recipe, bench, index=i, total=len(recipes)) for i, recipe in enumerate(recipes, start=1)]
        try:
            with quiet():
                _score_test(_board(opened, records, context, metric), bench, records)
        except ZooError as error:
            text = f"The recommended row has no test score: {error.message}"
            watch(Note(text, level="warning"))
            context = dataclasses.replace(context, notes=(*context.notes, text))
        return _board(opened, records, context, metric)


def leaderboard(store: str | Path = "zoo-runs", *, metric: Metric = "accuracy") -> Board:
    """The board of everything in a store, for the data and split that were used last. Needs no Keras.

    Raises:
        RunNotFoundError: If there is no store, or nothing in it.
    """
    if not (Path(store) / "zoo.sqlite").is_file():
        raise RunNotFoundError(
            f"There is no store in {str(store)!r}.", hint="`zoo compare` makes one; --store names it."
        )
    with Store(store) as opened:
        contexts = opened.board_contexts()
        if not contexts:
            raise RunNotFoundError(f"The store {str(store)!r} has no rows yet.", hint="Run `zoo compare` first.")
        return _board(opened, opened.runs(), contexts[-1], metric)


def _dataset(
    data: object,
    catalog: Catalog,
    store: Store,
    *,
    source: str | None,
    split: tuple[float, float, float],
    split_seed: int,
    observe: Observer,
) -> Dataset:
    from zoo.dataset import prepare

    return prepare(
        "demo" if data is None else data,
        catalog,
        source="demo" if data is None and source is None else source,
        fractions=split,
        split_seed=split_seed,
        observe=observe,
        fingerprints=store.fingerprints(),
        directory=store.directory,
    )


def _bench(catalog: Catalog, dataset: Dataset, store: Store, observe: Observer) -> Bench:
    from zoo.experiment import Bench

    require_keras()  # before the next line imports it: TensorFlow reads its variables when it is imported
    from zoo.prefix import FeatureCache

    return Bench(catalog, dataset, store, FeatureCache(observe=observe), observe)


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


def _board(store: Store, records: Sequence[RunRecord], context: Context | dict[str, Any], metric: Metric) -> Board:
    """The board of some runs, with the test scores that the store already has."""
    split = context.split if isinstance(context, Context) else str(context["split"])
    kept = {}
    for record in records:
        if record.validation is not None:
            with contextlib.suppress(StoreError):  # a lost file costs its row the paired comparison, not the board
                stored = store.load_predictions(record.id, "validation")
                kept[record.id] = (stored.labels, stored.probabilities)
    looks = {look.run_id: look.scores for look in store.test_looks(split)}
    return build_board(records, kept, context, metric=metric, tests=looks)


def _score_test(board: Board, bench: Bench, records: Sequence[RunRecord]) -> None:
    """Scores the models of the recommended row on the test part, once; the store keeps that it was looked at."""
    from zoo.artefact import load_model
    from zoo.building import size_of
    from zoo.evaluation import predict

    row, dataset, store = board.recommended, bench.dataset, bench.store
    if row is None or not dataset.split.test:
        return
    seen = {look.run_id for look in store.test_looks(dataset.split.digest)}
    chosen = [record for record in records if record.id in row.run_ids and record.validation and record.id not in seen]
    if not chosen:
        return
    backbone = chosen[0].recipe.backbone
    side = dataset.test_side(size_of(backbone), channels_of(backbone))
    for record in chosen:
        probabilities = predict(load_model(store.folder(record.id)), side.pixels).probabilities
        store.save_predictions(
            record.id, "test", ids=dataset.ids("test"), labels=side.labels, probabilities=probabilities
        )
        store.record_test_look(
            row=row_digest(record.recipe),
            run_id=record.id,
            when=datetime.now(UTC).isoformat(timespec="seconds"),
            scores=statistics.score(probabilities, side.labels),
        )
