"""What a grid would share and take, told before anything of it runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import psutil

from zoo import disk_space
from zoo.backend import clean_state, require_keras
from zoo.building import plan_phases
from zoo.comparison import POLICIES, dataset_of
from zoo.disk_cache import open_cache
from zoo.lineup import check_settings, combinations, lines_of, recipe_of, sizes_of
from zoo.plugins import load_catalog
from zoo.progress import for_python
from zoo.side_pixels import pixels_key
from zoo.specs import channels_of
from zoo.store import Store
from zoo.workload import Forecast, Job, Network, forecast

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zoo.dataset import Dataset
    from zoo.events import Observer
    from zoo.registry import Catalog
    from zoo.values import Part, Recipe, RunRecord

_SAMPLE = 16
"""Pictures that are decoded to see how long that takes."""


def plan(
    data: object = None,
    *,
    backbones: Sequence[str],
    heads: Sequence[str] = ("gap",),
    policies: Sequence[str] = POLICIES,
    augmentations: Sequence[str] = ("none",),
    seeds: int = 1,
    split: tuple[float, float, float] = (0.7, 0.15, 0.15),
    split_seed: int = 0,
    source: str | None = None,
    store: str | Path = "zoo-runs",
    cache: bool = True,
    cache_limit: int | str | None = None,
    jobs: int = 1,
    observe: Observer | None = None,
    catalog: Catalog | None = None,
    **settings: Any,  # noqa: ANN401 - the training options of `compare`
) -> Forecast:
    """What `compare` would share, and the time, memory and disk it would take at most. Nothing is trained.

    The pictures are checked and divided as `compare` does. Each backbone is built with random weights (nothing is
    downloaded) and, unless finished runs of the store tell, a forward pass of noise is timed.

    Args:
        data: As in `compare`, and so are the rest.
        backbones: Names with options.
        heads: Names with options.
        policies: Names with options.
        augmentations: Names with options.
        seeds: Runs of each row.
        split: Shares of training, validation and test pictures.
        split_seed: Draws the split.
        source: Source to use.
        store: Folder that keeps runs.
        cache: Whether the cache on disk would be used.
        cache_limit: Most that is kept there.
        jobs: Worker processes.
        observe: Told about everything.
        catalog: Items to choose from.
        settings: Training options of `compare`, such as `epochs`, `batch_size` and `learning_rate`.

    Raises:
        ZooError: As `compare`.
    """
    items, watch = catalog or load_catalog(), observe or for_python()
    specs = combinations(items, backbones, heads, policies, augmentations)
    check_settings({"seeds": seeds})
    lines = lines_of(settings)
    disk = open_cache(cache_limit, observe=watch) if cache else None
    with Store(store) as opened:
        draw = {"fractions": split, "split_seed": split_seed}
        dataset = dataset_of(data, items, opened, source=source, specs=specs, disk=disk, observe=watch, **draw)
        recipes = [recipe_of(dataset, row, seed, line) for row in specs for line in lines for seed in range(seeds)]
        return _forecast(recipes, dataset, items, opened, workers=max(1, jobs))


def _forecast(recipes: Sequence[Recipe], dataset: Dataset, catalog: Catalog, store: Store, *, workers: int) -> Forecast:
    require_keras()  # before the next line imports it: TensorFlow reads its variables when it is imported
    from zoo.experiment import identify
    from zoo.network_facts import facts_of

    alpha = dataset.report.alpha
    waiting = [one for one in recipes if store.find(identify(one, catalog, alpha=alpha)[1]) is None]
    runs, networks = store.runs(), {}
    base = int(psutil.Process().memory_info().rss)
    with clean_state(0):
        for recipe in waiting:
            if _name(recipe) not in networks:
                record = catalog.backbone(recipe.backbone.name)
                known = _known_time(recipe, runs)
                networks[_name(recipe)] = facts_of(record, recipe.backbone, precision=recipe.precision, known=known)
    train, validation = len(dataset.split.train), len(dataset.split.validation)
    decode, pixels = _pixels(dataset, waiting)
    return forecast(
        [_job(recipe, catalog, networks[_name(recipe)]) for recipe in waiting],
        networks,
        train=train,
        validation=validation,
        finished=len(recipes) - len(waiting),
        decode=decode,
        pixels=pixels,
        free=disk_space.free(dataset.cache.folder if dataset.cache is not None else store.directory),
        base_memory=base,
        workers=workers,
    )


def _name(recipe: Recipe) -> str:
    return str(recipe.backbone) + ("" if recipe.precision == "float32" else f" in {recipe.precision}")


def _job(recipe: Recipe, catalog: Catalog, network: Network) -> Job:
    weightless = recipe.backbone.values()["weights"] == "none"
    name = _name(recipe) + (f", seed {recipe.seed}" if weightless else "")
    options = (recipe.optimiser, recipe.weight_decay, recipe.accumulate, recipe.ema, recipe.label_smoothing)
    return Job(
        title=recipe.title,
        network=_name(recipe),
        start=name,
        graph=f"{name} · {recipe.head}",
        purpose=f"{recipe.policy} {options}",
        phases=plan_phases(recipe, catalog, blocks=network.blocks),
        batch=recipe.batch_size,
        augmented=recipe.augmentation.name != "none",
        views=recipe.views,
        solved=catalog.head(recipe.head.name).solve is not None,
    )


def _known_time(recipe: Recipe, runs: Sequence[RunRecord]) -> float | None:
    """Seconds of a forward pass for one picture, of the last finished run with this backbone."""
    for run in reversed(runs):
        same = (run.recipe.backbone, run.recipe.precision) == (recipe.backbone, recipe.precision)
        if same and run.milliseconds_per_image:
            return run.milliseconds_per_image / 1000
    return None


def _pixels(dataset: Dataset, waiting: Sequence[Recipe]) -> tuple[float, int]:
    """Seconds to decode the pictures that are not in the cache, and their bytes."""
    from zoo.pixels import load_pixels

    parts: tuple[Part, ...] = ("train", "validation")
    absent = 0
    for size in sizes_of(recipe.backbone for recipe in waiting):
        for part in parts:
            indices = dataset.indices(part)
            if dataset.cache is None or pixels_key(dataset.report, indices, size=size, channels=3) not in dataset.cache:
                absent += len(indices) * 3 * size * size
    odd = {(channels_of(one.backbone), str(one.backbone)) for one in waiting if channels_of(one.backbone) != 3}  # noqa: PLR2004 - RGB
    count = len(dataset.split.train) + len(dataset.split.validation)
    if not absent and not odd:
        return 0.0, 0
    sample = dataset.split.train[:_SAMPLE]
    began = time.perf_counter()
    load_pixels(dataset.report.table, sample, size=64)
    return count * (time.perf_counter() - began) / len(sample), absent
