"""One run from recipe to record: build, train, prove, evaluate, keep."""

from __future__ import annotations

import dataclasses
import gc
import json
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import statistics
from zoo.artefact import CARD, MODEL, write_card
from zoo.backend import clean_state, require_keras
from zoo.building import carriers, codes_of, size_of, weights_fingerprint
from zoo.cards import can_be_read, card_of
from zoo.channels import has_alpha
from zoo.endings import OUT_OF_MEMORY, SMALLER, in_one_line, memory_words
from zoo.environment import environment
from zoo.errors import DivergedError, TrainingError, WeightsError, ZooError
from zoo.events import EpochEnded, Note, RateTested, RunEnded, RunStarted, Stage, ignore
from zoo.explaining import Done, Looks, explain_divergence, explanation_of
from zoo.forward import value_of
from zoo.proof import check_delivered, early_notes, inference_accuracy, momenta_of, prove, verdict
from zoo.rate_curve import read_curve, write_curve
from zoo.recipe import item_origins, recipe_digest, row_digest
from zoo.run_facts import fact_of
from zoo.runtime import runtime
from zoo.specs import channels_of

if TYPE_CHECKING:
    import numpy as np

    from zoo.building import Built
    from zoo.dataset import Dataset
    from zoo.delivery import Delivery
    from zoo.events import Observer
    from zoo.explanations import Explanation
    from zoo.input_check import InputCheck
    from zoo.inputs import Finding
    from zoo.prefix import FeatureCache
    from zoo.registry import Catalog
    from zoo.reuse import Networks
    from zoo.store import Store
    from zoo.training import Trained
    from zoo.values import Recipe, RunRecord, Side, Status


ENGINE = 4
"""Counts changes of the library that change the bits of results although no version does: raise it with them."""

SOLVERS = ("scipy",)
"""Packages that the numbers depend on where the head is solved."""


@dataclass(frozen=True)
class Bench:
    """What the runs of one call share.

    Attributes:
        catalog: All items.
        dataset: The pictures.
        store: Where runs are kept.
        cache: Features of frozen blocks.
        networks: The network of the last run, for the next one that has the same.
        inputs: What is wrong with the pictures as networks get them.
        looks: What explanations of scores have found out about the pictures.
        observe: Told about everything.
    """

    catalog: Catalog
    dataset: Dataset
    store: Store
    cache: FeatureCache
    networks: Networks
    inputs: InputCheck
    observe: Observer = ignore
    looks: Looks = field(default_factory=Looks)


def make_bench(catalog: Catalog, dataset: Dataset, store: Store, observe: Observer) -> Bench:
    """What the runs of this process share. Imports Keras. Raises: UsageError."""
    keras = require_keras()  # before the next line imports it: TensorFlow reads its variables when it is imported
    from zoo.input_check import InputCheck
    from zoo.prefix import FeatureCache
    from zoo.reuse import Networks

    around = {**environment(keras.backend.backend()), "engine": ENGINE, "runtime": runtime(keras)}
    cache = FeatureCache(
        disk=dataset.cache, observe=observe, surroundings=json.dumps(around, sort_keys=True, default=str)
    )
    return Bench(catalog, dataset, store, cache, Networks(), InputCheck(dataset.cache, observe), observe)


def run(
    recipe: Recipe,
    bench: Bench,
    *,
    index: int = 1,
    total: int = 1,
    reraise: bool = False,
    batch_size: int | None = None,
) -> RunRecord:
    """Runs a recipe, or takes the record of an equal run that is finished.

    Whatever happens inside is kept in the store with its reason; only `KeyboardInterrupt` passes.

    Args:
        recipe: What to run.
        bench: What runs share.
        index: 1-based position in the grid, for events.
        total: Number of runs in the grid.
        reraise: Raise the error of a failed run after it is stored.
        batch_size: Pictures in a batch instead of the recipe's, for which memory ran out. The run keeps the digest of
            the recipe, so that it is found again, and says in its notes and environment what it had.
    """
    surroundings, digest = identify(recipe, bench.catalog, alpha=bench.dataset.report.alpha)
    known = bench.store.find(digest)
    if known is not None and is_complete(bench.store, known):
        bench.observe(RunEnded(known, index, total, reused=True))
        return known
    bench.observe(RunStarted(recipe, index, total))
    if batch_size is not None:
        surroundings = {**surroundings, "batch_size": batch_size}
    run_id = bench.store.begin(recipe, digest=digest, environment=surroundings, row=row_digest(recipe))
    record = bench.store.get(run_id)
    began = time.perf_counter()
    problem: ZooError | None = None
    bench.inputs.last = None
    try:
        with clean_state(recipe.seed):
            record = _execute(record, bench) if batch_size is None else _with_batches_of(batch_size, record, bench)
        folder = bench.store.folder(run_id)
        card = card_of(record, bench.catalog.backbone(recipe.backbone.name), tested=read_curve(folder))
        write_card(card, folder)
    except KeyboardInterrupt:
        bench.store.finish(dataclasses.replace(record, status="interrupted", reason="stopped by the person"))
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a row that fails costs itself only, whatever a plugin raises
        bench.networks.forget()  # nobody knows what state it is in
        problem = _explained(error, bench.catalog)
        bench.store.save_traceback(run_id, traceback.format_exc())
        record = _without_scores(record, problem, bench)
    record = dataclasses.replace(record, seconds=time.perf_counter() - began)
    bench.store.finish(record)
    opened = record.receipt is None or any(row.declared != "nothing" for row in record.receipt.rows[:-1])
    if opened or not bench.networks.keeps:
        gc.collect()  # what was traced and compiled lies in circles; a head alone leaves little
    bench.observe(RunEnded(record, index, total))
    if problem is not None and reraise:
        raise problem
    return record


def _without_scores(record: RunRecord, problem: ZooError, bench: Bench) -> RunRecord:
    """The record of a run that failed or diverged, with what is known of its inputs and its course."""
    status: Status = "diverged" if isinstance(problem, DivergedError) else "failed"
    wrong, notes = bench.inputs.last, record.notes
    if wrong is not None and wrong.text not in notes:
        notes = (wrong.text, *notes)
    reason, told = in_one_line(problem.message, problem.hint), None
    if isinstance(problem, DivergedError):
        try:
            history = bench.store.get(record.id).history
            told = explain_divergence(record.recipe, history, problem, wrong_input=fact_of(wrong))
        except Exception as error:  # noqa: BLE001 - the run must be stored, whatever goes wrong in what is said of it
            bench.observe(Note(f"The divergence could not be explained: {type(error).__name__}: {error}"))
    return dataclasses.replace(record, status=status, reason=reason, notes=notes, explanation=told)


def identify(recipe: Recipe, catalog: Catalog, *, alpha: str = "") -> tuple[dict[str, Any], str]:
    """What changes the numbers besides the recipe, and the digest of both, by which a finished run is found again.

    Weights that cannot be had are `missing` here, and fail the row later, when it is built.

    Args:
        recipe: Of the run.
        catalog: Where its items are looked up.
        alpha: Of the data, as in `HealthReport`; counts only where the backbone takes pictures with alpha.
    """
    keras = require_keras()
    try:
        weights = weights_fingerprint(catalog.backbone(recipe.backbone.name), recipe.backbone)
    except ZooError:
        weights = "missing"
    surroundings = {
        **environment(keras.backend.backend(), more=SOLVERS if catalog.head(recipe.head.name).solve else ()),
        "engine": ENGINE,
        "runtime": runtime(keras),
        "weights": weights,
        "plugins": item_origins(catalog, recipe),
        "code": codes_of(recipe, catalog),
    }
    if alpha and has_alpha(channels_of(recipe.backbone)):
        surroundings["alpha"] = alpha
    return surroundings, recipe_digest(recipe, surroundings)


def is_complete(store: Store, record: RunRecord) -> bool:
    """Whether the files of a finished run are there and can be opened; if not, it has to be run again."""
    folder = store.folder(record.id)
    return all(can_be_read(folder / name) for name in (MODEL, CARD, "predictions-validation.npz"))


def _explained(error: BaseException, catalog: Catalog) -> ZooError:
    """The error as one of ours, with the ways out that only the whole catalog knows."""
    if isinstance(error, WeightsError):
        able = carriers(catalog)
        more = f"These installed backbones carry their weights: {', '.join(able)}." if able else ""
        return WeightsError(error.message, hint=" ".join(filter(None, (error.hint, more))))
    if isinstance(error, ZooError):
        return error
    told = memory_words(error)
    if told is not None:
        return TrainingError(f"{OUT_OF_MEMORY}: {told}." if told else f"{OUT_OF_MEMORY}.", hint=SMALLER)
    line = (str(error).strip().splitlines() or [""])[0]
    text = in_one_line(f"{type(error).__name__}: {line}" if line else type(error).__name__)
    wrapped = TrainingError(text, hint="The traceback is in the run's folder.")
    wrapped.__cause__ = error
    return wrapped


def _execute(record: RunRecord, bench: Bench) -> RunRecord:
    """Builds, trains, proves and saves, and tries what was saved; returns the filled record."""
    recipe, dataset = record.recipe, bench.dataset
    bench.observe(Stage("building the network"))
    built, delivery = bench.networks.take(recipe, bench.catalog)
    size, channels = size_of(recipe.backbone), channels_of(recipe.backbone)
    sides = (dataset.side("train", size, channels), dataset.side("validation", size, channels))
    wrong = _checked_inputs(recipe, bench, built, sides[0])
    notes = _early(recipe, bench, built, len(sides[0].labels), wrong)
    before = [value_of(weight.variable) for weight in built.assembly.weights]
    trained = _trained(record, bench, built, sides)
    receipt = prove(built, trained, before)

    bench.observe(Stage("saving the model"))
    _keep(record, bench, built, delivery, trained, sides[1])
    scores = statistics.score(trained.probabilities, sides[1].labels)
    inference = inference_accuracy(built, sides[0], bench.cache)
    status, reason, late = verdict(recipe, built, trained, scores, inference, sides)
    done = Done(recipe, built, trained, scores, inference, receipt, sides, before, momenta_of(built))
    return dataclasses.replace(
        record,
        status=status,
        reason=reason,
        explanation=_explained_score(done, bench, wrong),
        notes=(*notes, *trained.notes, *late),
        validation=scores,
        train_accuracy=trained.history[-1].accuracy,
        inference_accuracy=inference,
        receipt=receipt,
        history=trained.history,
        best_epoch=trained.best_epoch,
        trainable_weights=trained.trainable_weights,
        total_weights=sum(weight.size for weight in built.assembly.weights),
        milliseconds_per_image=delivery.milliseconds_per_image,
    )


def _keep(
    record: RunRecord, bench: Bench, built: Built, delivery: Delivery, trained: Trained, validation: Side
) -> None:
    """Writes the model, tries what was written, and keeps what it says of the validation pictures."""

    def check(rows: np.ndarray[Any, Any], delivered: np.ndarray[Any, Any]) -> None:
        check_delivered(trained.probabilities[rows], delivered, precision=record.recipe.precision)

    whole = built.assembly.prefix(len(built.assembly.blocks))
    delivery.milliseconds_per_image = delivery.milliseconds_per_image or 1000 * bench.cache.paces.get(whole, 0.0)
    delivery.write(bench.store.folder(record.id), validation.pixels, check, bench.observe)
    bench.store.save_predictions(
        record.id,
        "validation",
        ids=bench.dataset.ids("validation"),
        labels=validation.labels,
        probabilities=trained.probabilities,
    )


def _explained_score(done: Done, bench: Bench, wrong: Finding | None) -> Explanation | None:
    return explanation_of(
        done,
        bench.dataset,
        bench.cache,
        looks=bench.looks,
        thumbnails=_thumbnails(bench.store, done.recipe),
        wrong_input=fact_of(wrong),
        observe=bench.observe,
    )


def _early(recipe: Recipe, bench: Bench, built: Built, count: int, wrong: Finding | None) -> tuple[str, ...]:
    """What can be said before training; what is wrong with the inputs is told already, and kept with each run."""
    notes = early_notes(recipe, built, count)
    for text in notes:
        bench.observe(Note(text, level="warning"))
    return notes if wrong is None else (wrong.text, *notes)


def _checked_inputs(recipe: Recipe, bench: Bench, built: Built, side: Side) -> Finding | None:
    """What is wrong with the pictures as the backbone gets them; it is looked for before its first run only."""
    record, spec = bench.catalog.backbone(recipe.backbone.name), recipe.backbone
    return bench.inputs.finding(
        built.assembly.prefix(len(built.assembly.blocks)),
        side,
        name=(str(spec), weights_fingerprint(record, spec), recipe.precision),
        trained=spec.values()["weights"] != "none",
        about={"data": Path(bench.dataset.report.table.location).name, "backbone": spec.name},
    )


def _with_batches_of(size: int, record: RunRecord, bench: Bench) -> RunRecord:
    """As `_execute`, with smaller batches than the recipe says; the record keeps the recipe and a note."""
    recipe = record.recipe
    done = _execute(dataclasses.replace(record, recipe=dataclasses.replace(recipe, batch_size=size)), bench)
    rows = done.receipt.rows if done.receipt is not None else ()
    adapts = f"; batch statistics are those of {size} pictures" if any(row.statistics_declared for row in rows) else ""
    text = (
        f"Memory ran out with batches of {recipe.batch_size} pictures, so this run had batches of {size}{adapts}. "
        "It is not quite comparable with the others."
    )
    return dataclasses.replace(done, recipe=recipe, notes=(*done.notes, text))


def _thumbnails(store: Store, recipe: Recipe) -> float | None:
    """Accuracy of the nearest neighbour among thumbnails, which the call has measured for its board."""
    fitting = [one for one in store.board_contexts() if (one["data"], one["split"]) == (recipe.data, recipe.split)]
    lines = [line for one in fitting for line in one["baselines"] if line["name"] == "nearest neighbour"]
    return float(lines[-1]["accuracy"]) if lines else None


def _trained(record: RunRecord, bench: Bench, built: Built, sides: tuple[Side, Side]) -> Trained:
    """Trains a network in place."""
    from zoo.training import train

    return train(
        built.assembly,
        built.phases,
        record.recipe,
        sides=sides,
        augment=built.augment,
        solve=built.solve,
        cache=bench.cache,
        judge=statistics.score,
        observe=_recording(bench, record.id),
    )


def _recording(bench: Bench, run_id: str) -> Observer:
    def observe(event: Any) -> None:  # noqa: ANN401 - any event
        if isinstance(event, RateTested):
            write_curve(event.test, bench.store.folder(run_id))
        if isinstance(event, EpochEnded):
            bench.store.add_epoch(run_id, event.record)
        bench.observe(event)

    return observe
