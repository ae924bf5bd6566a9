"""What a grid would share and take, told before anything of it runs."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any

import psutil

from zoo import disk_space, environment
from zoo.backend import clean_state, require_keras
from zoo.building import choose_weights, plan_phases, size_of
from zoo.comparison import POLICIES, dataset_of
from zoo.contracts import Weights
from zoo.disk_cache import open_cache
from zoo.errors import ZooError
from zoo.lineup import check_settings, combinations, lines_of, recipe_of
from zoo.plugins import load_catalog
from zoo.progress import for_python
from zoo.sharing import Labour, check_labour, variables, visible_gpus
from zoo.side_pixels import pixels_key
from zoo.specs import channels_of
from zoo.store import Store
from zoo.workload import Forecast, Job, Network, forecast

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
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
    check_labour(Labour(jobs))
    lines = lines_of(settings)
    disk = open_cache(cache_limit, observe=watch) if cache else None
    with Store(store) as opened:
        dataset = dataset_of(
            data, items, opened, source=source, split=(split, split_seed), specs=specs, disk=disk, observe=watch
        )
        recipes = [recipe_of(dataset, row, seed, line) for row in specs for line in lines for seed in range(seeds)]
        return _forecast(recipes, dataset, items, opened, workers=max(1, jobs))


def _forecast(recipes: Sequence[Recipe], dataset: Dataset, catalog: Catalog, store: Store, *, workers: int) -> Forecast:
    with _as_in_a_worker(workers):
        require_keras()  # before the next line imports it: TensorFlow reads its variables when it is imported
        from zoo.experiment import identify, is_complete
        from zoo.network_facts import facts_of

        found = [store.find(identify(one, catalog, alpha=dataset.report.alpha)[1]) for one in recipes]
    pairs = zip(recipes, found, strict=True)
    waiting = [recipe for recipe, run in pairs if run is None or not is_complete(store, run)]
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
        downloads=_downloads(waiting, catalog),
    )


def _downloads(waiting: Sequence[Recipe], catalog: Catalog) -> tuple[str, ...]:
    """Weights that come with no installed package, each once."""
    found: dict[str, None] = {}
    for recipe in waiting:
        choice = None
        with contextlib.suppress(ZooError):  # a file that is not there fails its rows, which say so
            choice = choose_weights(catalog.backbone(recipe.backbone.name), recipe.backbone)
        if isinstance(choice, Weights) and not choice.bundled:
            size = f" ({choice.megabytes:.0f} MB)" if choice.megabytes else ""
            found[f"{recipe.backbone.name} {choice.id}{size}"] = None
    return tuple(found)


@contextlib.contextmanager
def _as_in_a_worker(workers: int) -> Iterator[None]:
    """The environment variables of one of several workers, which are part of what finished runs are found by."""
    gpus = visible_gpus(len(environment.gpus()), os.environ)
    jobs = min(workers, len(gpus)) if gpus else workers
    own = variables(0, jobs, cores=environment.cores(), gpus=gpus, environment=os.environ)
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _name(recipe: Recipe) -> str:
    return str(recipe.backbone) + ("" if recipe.precision == "float32" else f" in {recipe.precision}")


def _job(recipe: Recipe, catalog: Catalog, network: Network) -> Job:
    weightless, head = recipe.backbone.values()["weights"] == "none", catalog.head(recipe.head.name)
    name = _name(recipe) + (f", seed {recipe.seed}" if weightless else "")
    if head.taps:  # what taps give crosses every cut above them, so these features are not those of other heads
        taps = head.taps(network.blocks, **recipe.head.values())
        name += f", taps at {', '.join(map(str, taps))}"
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
        solved=head.solve is not None,
    )


def _known_time(recipe: Recipe, runs: Sequence[RunRecord]) -> float | None:
    """Seconds of a forward pass for one picture, of the last finished run with this backbone."""
    from zoo.experiment import ENGINE

    for run in reversed(runs):
        same = (run.recipe.backbone, run.recipe.precision) == (recipe.backbone, recipe.precision)
        same = same and run.environment.get("engine") == ENGINE  # another passed pictures otherwise
        if same and run.milliseconds_per_image:
            return run.milliseconds_per_image / 1000
    return None


def _pixels(dataset: Dataset, waiting: Sequence[Recipe]) -> tuple[float, int]:
    """Seconds to decode the pictures that are not in the cache, and their bytes."""
    from zoo.pixels import load_pixels

    parts: tuple[Part, ...] = ("train", "validation")
    absent: dict[int, int] = {}
    for size, channels in sorted({(size_of(one.backbone), channels_of(one.backbone)) for one in waiting}):
        for part in parts:
            indices = dataset.indices(part)
            key = pixels_key(dataset.report, indices, size=size, channels=channels)
            if dataset.cache is None or key not in dataset.cache:
                absent[channels] = absent.get(channels, 0) + len(indices) * channels * size * size
    if not absent:
        return 0.0, 0
    sample, seconds = dataset.split.train[:_SAMPLE], 0.0
    for channels in absent:  # each number of channels is decoded on its own
        began = time.perf_counter()
        load_pixels(dataset.report.table, sample, size=64, channels=channels)
        seconds += time.perf_counter() - began
    count = len(dataset.split.train) + len(dataset.split.validation)
    return count * seconds / len(sample), sum(absent.values())
