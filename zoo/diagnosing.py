"""Do a backbone's BatchNorm statistics fit somebody's pictures, and what follows for training?

One pass in inference mode over a sample of the training and validation pictures shows what each BatchNorm layer gets;
a short one over some of them in training mode, how far the moving statistics would have to go; a third, what features
are worth with statistics that are estimated again. The test part is not looked at.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo import advice
from zoo.backend import clean_state, require_keras
from zoo.batch_noise import batch_noise
from zoo.batching import planned_steps, step_plan
from zoo.building import build_backbone, choose_weights, size_of
from zoo.comparison import dataset_of
from zoo.diagnosis import Diagnosis, Effect, LayerDiagnosis, Overall, Scores
from zoo.disk_cache import open_cache
from zoo.errors import DivergedError
from zoo.events import Stage
from zoo.feasibility import check_channels
from zoo.lineup import check_pictures, check_settings, combinations
from zoo.pixels import load_pixels
from zoo.plugins import load_catalog
from zoo.progress import for_python
from zoo.resampling import sign_flip
from zoo.shift import divergence_interval, shift_of
from zoo.side_difference import side_difference
from zoo.specs import channels_of
from zoo.store import Store
from zoo.transferability import log_me, neighbour_hits, probe
from zoo.travel import layer_steps, travel_of
from zoo.verdicts import no_batch_norm, untrained, verdicts, wrong_inputs

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.advice import Advice
    from zoo.dataset import Dataset
    from zoo.events import Observer
    from zoo.inputs import Finding
    from zoo.moments import Moments, Watch
    from zoo.registry import Catalog
    from zoo.shift import Shift
    from zoo.values import Precision, Spec

    Array = np.ndarray[Any, Any]

PICTURES = 768
"""Pictures that are looked at, if no other number is given: three quarters of them for training."""

ESTIMATED, SCORED, CHECKED = 32, 64, 64
"""Pictures at most that statistics are estimated from, features are scored on, and inputs are checked on."""

_LEAST = 16


@dataclass(frozen=True)
class _Sample:
    """Pictures that are looked at, training pictures first, in an order that mixes the classes."""

    pixels: Array
    labels: Array
    train: int

    @property
    def is_validation(self) -> Array:
        """Bool (n,)."""
        return np.arange(len(self.labels)) >= self.train


def diagnose(
    data: object = None,
    *,
    backbone: str,
    pictures: int = PICTURES,
    epochs: int = 10,
    batch_size: int = 32,
    precision: Precision = "float32",
    seed: int = 0,
    split: tuple[float, float, float] = (0.7, 0.15, 0.15),
    split_seed: int = 0,
    source: str | None = None,
    store: str | Path = "zoo-runs",
    cache: bool = True,
    cache_limit: int | str | None = None,
    observe: Observer | None = None,
    catalog: Catalog | None = None,
) -> Diagnosis:
    """Whether a backbone's BatchNorm statistics fit the pictures, and which policy to try. Nothing is trained.

    Training and validation pictures are those of `fit` with the same split. With the default number of pictures the
    whole costs about one and a half forward passes of Keras over them.

    Args:
        data: As in `fit`.
        backbone: Name with options, for example `efficientnet-lite0:size=160`.
        pictures: Pictures that are looked at, at most, at least 16; drawn evenly from the classes of both parts.
        epochs: Epochs of the training that the advice is for.
        batch_size: Pictures in a batch of that training.
        precision: What the backbone's layers compute in.
        seed: Of the sample, and of weights where they are random.
        split: Shares of training, validation and test pictures.
        split_seed: Draws the split.
        source: Source to use.
        store: Folder that keeps runs; here it remembers what the pictures are.
        cache: Use decoded pictures that are kept on disk.
        cache_limit: Most that is kept there.
        observe: Told about everything.
        catalog: Items to choose from.

    Raises:
        ZooError: Unknown names, weights that cannot be had, unusable data, a backbone that cannot be built here.
    """
    check_pictures(pictures, least=_LEAST)
    check_settings({"epochs": epochs, "batch_size": batch_size, "precision": precision, "seed": seed})
    items, watch = catalog or load_catalog(), observe or for_python()
    rows = combinations(items, [backbone], ["gap"], ["freeze-all"], ["none"])
    spec = rows[0][0]
    disk = open_cache(cache_limit, observe=watch) if cache else None
    with Store(store) as opened:
        dataset = dataset_of(
            data, items, opened, source=source, split=(split, split_seed), specs=rows, disk=disk, observe=watch
        )
        check_channels(dataset.report, spec)
        sample = _sample(dataset, spec, most=pictures, seed=seed, observe=watch)
    count = len(dataset.split.train)
    batch, _ = step_plan(count, batch_size=batch_size, accumulate=1)
    steps = planned_steps(count, epochs=epochs, batch_size=batch)
    require_keras()
    with clean_state(seed):
        watch(Stage(f"building {spec}"))
        record = items.backbone(spec.name)
        model = build_backbone(record, spec, seed=seed, precision=precision)
        trained = choose_weights(record, spec) is not None
        found = _looked_at(model, sample, trained=trained, batch=batch, steps=steps, observe=watch)
    diagnosis = Diagnosis(
        backbone=str(spec),
        location=dataset.report.table.location,
        classes=dataset.classes,
        train=sample.train,
        validation=len(sample.labels) - sample.train,
        training=count,
        epochs=epochs,
        batch_size=batch,
        steps=steps,
        data=dataset.report.digest,
        split=dataset.split.digest,
        seed=seed,
        **found,
    )
    return dataclasses.replace(diagnosis, advice=_advice(diagnosis))


def _sample(dataset: Dataset, spec: Spec, *, most: int, seed: int, observe: Observer) -> _Sample:
    """Decodes the pictures that are looked at, and no others."""
    labels = {part: dataset.labels(part) for part in ("train", "validation")}
    held = min(len(labels["validation"]), most // 4)
    chosen = {
        "train": _evenly(labels["train"], most - held, seed=seed),
        "validation": _evenly(labels["validation"], held, seed=seed),
    }
    indices = [dataset.indices(part)[row] for part in ("train", "validation") for row in chosen[part].tolist()]
    pixels = load_pixels(
        dataset.report.table,
        indices,
        size=size_of(spec),
        channels=channels_of(spec),
        observe=observe,
        directory=dataset.directory,
        ready=dataset.ready,
    )
    if dataset.ready is not None:
        dataset.ready.drop()
    known = np.concatenate([labels[part][chosen[part]] for part in ("train", "validation")])
    return _Sample(pixels, known, len(chosen["train"]))


def _evenly(labels: Array, most: int, *, seed: int) -> Array:
    """Row numbers of at most so many pictures, each class in its share, in an order that mixes them."""
    draw = np.random.default_rng([seed, 0xD1A6])
    place = np.zeros(len(labels))
    for label in np.unique(labels):
        rows = draw.permutation(np.flatnonzero(labels == label))
        place[rows] = (np.arange(len(rows)) + draw.random()) / len(rows)
    return np.argsort(place, kind="stable")[:most]


def _looked_at(
    model: Any,  # noqa: ANN401 - a Keras model
    sample: _Sample,
    *,
    trained: bool,
    batch: int,
    steps: int,
    observe: Observer,
) -> dict[str, Any]:
    """The fields of a diagnosis that need the network."""
    from zoo.moments import Watch, has_batch_norm, measure

    began = time.perf_counter()
    watch = Watch(model)
    found = watch.measure(sample.pixels, observe=observe) if has_batch_norm(model) else None
    if found is None or not found.layers:  # those that are shared say nothing
        return {"verdicts": (no_batch_norm(),), "layers": ()}
    rows = np.arange(sample.train)
    observe(Stage("looking at the inputs"))
    finding, read = _inputs(model, watch, found, sample.pixels[: sample.train], trained=trained)
    if finding is not None and finding.sure and finding.cause == "not-a-number":  # nothing else can be measured
        passed = len(sample.labels) + read
        return {
            "verdicts": (wrong_inputs(finding),),
            "layers": (),
            "passes": passed,
            "seconds": time.perf_counter() - began,
        }
    estimated = rows[: min(ESTIMATED, max(2, sample.train // 2))]
    # All places: where next to no contrast is left, the variance is that of the padded borders, which a grid misses.
    adapting = measure(model, sample.pixels, rows=estimated, by_batch=True, places=None, observe=observe)
    scored = rows[len(estimated) :][:SCORED]
    effect = _effect(watch, sample, found, adapting, scored, observe) if trained else None
    travel = travel_of(adapting.layers, steps=steps)
    passes = len(sample.labels) + len(estimated) + len(scored) * (effect is not None) + read
    shifts = shift_of(found.layers, rows)
    shift = _overall(found, shifts, rows)
    noise = batch_noise(found.layers, sample.labels, batch_size=batch)
    sides = side_difference(found.layers, sample.labels, sample.is_validation)
    if trained:
        said = verdicts(shift=shift, effect=effect, finding=finding, noise=noise, travel=travel, sides=sides)
    else:
        said = (untrained(len(found.layers)),)
    return {
        "verdicts": said,
        "layers": _layers(found, adapting, shifts),
        "shift": shift,
        "effect": effect,
        "travel": travel,
        "noise": noise,
        "sides": sides,
        "passes": passes,
        "seconds": time.perf_counter() - began,
    }


def _inputs(
    model: Any,  # noqa: ANN401 - a Keras model
    watch: Watch,
    found: Moments,
    pixels: Array,
    *,
    trained: bool,
) -> tuple[Finding | None, int]:
    """What is wrong with the inputs, and how many pictures passed the network to find that out."""
    from zoo.readings import counted
    from zoo.second_looks import SecondLooks

    looks = SecondLooks(model, watch, found) if trained else None
    reader = looks if looks is not None and looks.sees else None
    return counted(model, pixels, trained=trained, most=CHECKED, reader=reader)


def _advice(found: Diagnosis) -> Advice | None:
    """Which policy to try first; of inputs that are surely wrong nothing follows but to mend them."""
    facts = advice.of_diagnosis(found)
    if facts is None or any(verdict.name == "wrong-inputs" for verdict in found.verdicts):
        return None
    return advice.advise(facts)


def _overall(found: Moments, shift: Shift, rows: Array) -> Overall:
    low, high = divergence_interval(found.layers, rows=rows, known=shift)
    return Overall(shift.mean_shift, shift.log_ratio, shift.divergence, low, high)


def _layers(found: Moments, adapting: Moments, shifts: Shift) -> tuple[LayerDiagnosis, ...]:
    return tuple(
        LayerDiagnosis(
            name=layer.name,
            channels=layer.mean.shape[1],
            mean_shift=shift.typical_mean_shift,
            log_ratio=shift.log_ratio,
            divergence=shift.typical_divergence,
            sure=shift.sure,
            activation=layer.activation,
            dead=layer.dead,
            saturated=layer.saturated,
            momentum=layer.momentum,
            steps=layer_steps(moving),
        )
        for layer, moving, shift in zip(found.layers, adapting.layers, shifts.layers, strict=True)
    )


def _effect(
    watch: Watch,
    sample: _Sample,
    found: Moments,
    adapting: Moments,
    scored: Array,
    observe: Observer,
) -> Effect | None:
    """Features with both statistics; None where too few pictures of different classes are there to be scored."""
    labels = sample.labels[scored]
    sizes = np.unique(labels, return_counts=True)[1] if len(labels) else np.zeros(0)
    if len(sizes) < 2 or sizes.max() < 2:  # noqa: PLR2004 - nothing to tell apart
        return None
    again = watch.re_estimated_features(sample.pixels, adapting.layers, rows=scored, observe=observe)
    observe(Stage("scoring features"))
    (old, old_hits), (new, new_hits) = (_scores(values, labels) for values in (found.features[scored], again))
    p_value = sign_flip((new_hits - old_hits) / len(labels), np.random.default_rng(0))
    return Effect(len(labels), old, new, p_value)


def _scores(features: Array, labels: Array) -> tuple[Scores, Array]:
    """Scores, and for each picture how often it was told right, by probe and neighbours, 0 to 2."""
    if not np.isfinite(features).all():
        raise DivergedError(
            "The network makes features of these pictures that are not finite.",
            hint="Check the pictures and the weights of the backbone, or take precision float32.",
        )
    probed, near = probe(features, labels).hits, neighbour_hits(features, labels)
    scores = Scores(float(probed.mean()), float(near.mean()), log_me(features, labels))
    return scores, probed.astype(np.float64) + near
