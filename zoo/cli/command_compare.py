"""`zoo compare`: train a grid and rank its rows."""

from pathlib import Path
from typing import Annotated, Any

import typer

from zoo.cli import options, screen
from zoo.cli.request import grid_of, grid_words, store_of
from zoo.cli.session import session_of
from zoo.grid import GridRecipe
from zoo.records import to_plain
from zoo.registry import Catalog

_FAILED = 5  # the exit code of a TrainingError

Backbones = Annotated[
    list[str] | None,
    typer.Option(
        "--backbone", "-b", metavar="NAME", help="Backbone, such as efficientnetb0:size=160. Can be repeated."
    ),
]
Heads = Annotated[
    list[str] | None, typer.Option("--head", "-H", metavar="NAME", help="Head. Can be repeated. [default: gap]")
]
Policies = Annotated[
    list[str] | None,
    typer.Option(
        "--policy",
        "-p",
        metavar="NAME",
        help="Fine-tuning policy, such as unfreeze-top-k:k=2. Can be repeated. "
        "[default: freeze-all, bn-affine, bn-trainable, unfreeze-top-k:k=2]",
    ),
]
Augmentations = Annotated[
    list[str] | None,
    typer.Option("--augment", metavar="NAME", help="Augmentation. Can be repeated. [default: none]"),
]
GridFile = Annotated[
    Path | None, typer.Option("--recipe", metavar="FILE.toml", help="Grid file; options given beside it win.")
]


Plan = Annotated[
    bool, typer.Option("--plan", help="Train nothing: show what rows would share, and the time and space they take.")
]


def compare(
    context: typer.Context,
    data: options.Data = None,
    *,
    backbone: Backbones = None,
    head: Heads = None,
    policy: Policies = None,
    augment: Augmentations = None,
    seeds: options.Seeds = None,
    epochs: options.Epochs = None,
    batch_size: options.BatchSizes = None,
    lr: options.Rates = None,
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
    recipe: GridFile = None,
    jobs: options.Jobs = 1,
    row_timeout: options.RowTimeout = None,
    memory_limit: options.MemoryLimit = None,
    plan: Plan = False,
    json: options.Json = False,
) -> None:
    """Train every backbone with every head, policy and augmentation, and rank the rows on validation pictures.

    Finished runs are kept: after a stop the same command goes on where it was. Rows run in worker processes, so that
    one that crashes or hangs costs itself only. The test pictures are looked at once, for the recommended row.
    """
    # A table is easier to compare with the parameters than a long column.
    # fmt: off
    given = {
        "backbones": backbone, "heads": head, "policies": policy, "augmentations": augment, "seeds": seeds,
        "epochs": epochs, "batch_size": batch_size, "learning_rate": lr, "label_smoothing": label_smoothing,
        "patience": patience, "metric": metric, "split": split, "split_seed": split_seed, "source": source,
        "store": store, "schedule": schedule, "optimiser": optimiser, "weight_decay": weight_decay,
        "accumulate": accumulate, "ema": ema, "precision": precision, "views": views,
    }
    # fmt: on
    labour = {"jobs": jobs, "row_timeout": row_timeout, "memory_limit": memory_limit}
    disk = {"cache": not no_cache, "cache_limit": cache_limit}
    grid, catalog = grid_of(data, recipe, given), session_of(context).catalog()
    if plan:
        _plan(grid, catalog, {"jobs": jobs, **disk}, json=json)
    else:
        _run(grid, catalog, {**labour, **disk}, json=json)


def _run(grid: GridRecipe, catalog: Catalog, aside: dict[str, Any], *, json: bool) -> None:
    from zoo import comparison
    from zoo.cli.live import watching

    console = screen.errors()
    screen.say(console, grid_words(grid, policies=comparison.POLICIES), label="plan")
    screen.say(console, f"{store_of(grid)}; runs that are finished there are not repeated", label="store")
    with watching() as observe:
        board = comparison.compare(grid.data, **_arguments(grid), **aside, observe=observe, catalog=catalog)
    from zoo.cli.render_board import board_document, has_failed, show_board

    if json:
        screen.write_json(board_document(board, store=store_of(grid)))
    else:
        show_board(screen.results(), board, store=store_of(grid))
    if has_failed(board):
        raise typer.Exit(_FAILED)


def _plan(grid: GridRecipe, catalog: Catalog, aside: dict[str, Any], *, json: bool) -> None:
    from zoo import planning
    from zoo.cli.live import watching

    with watching() as observe:
        found = planning.plan(grid.data, **_arguments(grid), **aside, observe=observe, catalog=catalog)
    if json:
        screen.write_json({"format": 1, "seconds": found.seconds, **to_plain(found)})
        return
    from zoo.cli.render_forecast import show_forecast

    show_forecast(screen.results(), found)


def _arguments(grid: GridRecipe) -> dict[str, Any]:
    """What `compare` is called with for a grid."""
    from zoo.comparison import POLICIES

    return {
        "backbones": grid.backbones,
        "heads": grid.heads or ("gap",),
        "policies": grid.policies or POLICIES,
        "augmentations": grid.augmentations or ("none",),
        "seeds": grid.seeds,
        "epochs": grid.epochs,
        "batch_size": grid.batch_size,
        "learning_rate": grid.learning_rate,
        "schedule": grid.schedule,
        "optimiser": grid.optimiser,
        "weight_decay": grid.weight_decay,
        "accumulate": grid.accumulate,
        "ema": grid.ema,
        "precision": grid.precision,
        "views": grid.views,
        "label_smoothing": grid.label_smoothing,
        "patience": grid.patience,
        "metric": grid.metric,
        "split": grid.split,
        "split_seed": grid.split_seed,
        "source": grid.source,
        "store": store_of(grid),
    }
