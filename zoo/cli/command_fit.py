"""`zoo fit`: one run."""

from typing import Annotated, Any, cast

import typer

from zoo.cli import options, screen
from zoo.cli.request import grid_of, is_grid_file, store_of
from zoo.cli.session import Session, session_of
from zoo.errors import UsageError
from zoo.grid import GridRecipe

Backbone = Annotated[
    str | None,
    typer.Option("--backbone", "-b", metavar="NAME", help="Backbone, such as efficientnetb0:size=160. [required]"),
]
Head = Annotated[str, typer.Option("--head", "-H", metavar="NAME", help="Head.")]
Policy = Annotated[
    str, typer.Option("--policy", "-p", metavar="NAME", help="Fine-tuning policy, such as unfreeze-top-k:k=2.")
]
Augmentation = Annotated[str, typer.Option("--augment", metavar="NAME", help="Augmentation of training pictures.")]


def fit(
    context: typer.Context,
    data: options.Data = None,
    *,
    backbone: Backbone = None,
    head: Head = "gap",
    policy: Policy = "bn-trainable",
    augment: Augmentation = "none",
    seed: options.Seed = None,
    epochs: options.Epochs = None,
    batch_size: options.BatchSize = None,
    lr: options.Rate = None,
    schedule: options.Course = None,
    optimiser: options.OptimiserName = None,
    weight_decay: options.Decay = None,
    accumulate: options.Accumulate = None,
    ema: options.Average = None,
    precision: options.PrecisionName = None,
    views: options.Views = None,
    label_smoothing: options.Smoothing = None,
    patience: options.Patience = None,
    metric: options.RankBy = None,
    split: options.Split = None,
    split_seed: options.SplitSeed = None,
    source: options.Source = None,
    store: options.Store = None,
    no_cache: options.NoCache = False,
    cache_limit: options.CacheLimit = None,
    json: options.Json = False,
) -> None:
    """Train one combination and keep its model. An equal run that is finished already is not repeated."""
    if data is not None and is_grid_file(data):
        raise UsageError(f"{data} is a grid file, and fit trains one combination.", hint=f"zoo compare {data}")
    # A table is easier to compare with the parameters than a long column.
    # fmt: off
    given = {
        "backbones": [backbone] if backbone else None, "heads": [head], "policies": [policy],
        "augmentations": [augment], "epochs": epochs, "batch_size": batch_size, "learning_rate": lr,
        "label_smoothing": label_smoothing, "patience": patience, "metric": metric, "split": split,
        "split_seed": split_seed, "source": source, "store": store, "schedule": schedule, "optimiser": optimiser,
        "weight_decay": weight_decay, "accumulate": accumulate, "ema": ema, "precision": precision, "views": views,
    }
    # fmt: on
    disk = {"cache": not no_cache, "cache_limit": cache_limit}
    _run(grid_of(data, None, given), session_of(context), seed=seed or 0, disk=disk, json=json)


def _run(grid: GridRecipe, session: Session, *, seed: int, disk: dict[str, Any], json: bool) -> None:
    from zoo import comparison
    from zoo.cli.live import watching

    catalog = session.catalog()
    with watching() as observe:
        run = comparison.fit(
            grid.data,
            backbone=grid.backbones[0],
            head=grid.heads[0],
            policy=grid.policies[0],
            augment=grid.augmentations[0],
            epochs=grid.epochs,
            batch_size=cast("int", grid.batch_size),  # several come from lists only, which `fit` has no options for
            learning_rate=cast("float | None", grid.learning_rate),
            schedule=grid.schedule,
            optimiser=grid.optimiser,
            weight_decay=grid.weight_decay,
            accumulate=grid.accumulate,
            ema=grid.ema,
            precision=grid.precision,
            views=grid.views,
            label_smoothing=grid.label_smoothing,
            patience=grid.patience,
            metric=grid.metric,
            seed=seed,
            split=grid.split,
            split_seed=grid.split_seed,
            source=grid.source,
            store=store_of(grid),
            **disk,
            observe=observe,
            catalog=catalog,
        )
    if json:
        from zoo.cli.run_json import run_document

        screen.write_json(run_document(run.record, run.folder))
        return
    from zoo.cli.render_run import show_fit

    show_fit(screen.results(), run.record, run.folder, store=store_of(grid))
