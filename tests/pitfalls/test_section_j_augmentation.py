"""Pitfalls 63, 88, 89 and 95 for every built-in augmentation, in whole runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

import zoo
from zoo.augmenting import Augmenter
from zoo.stepping import Task

if TYPE_CHECKING:
    from conftest import Bench

    from zoo.registry import Catalog
    from zoo.runs import Run

NAMES = ("strong", "randaugment", "augmix", "mixup", "cutmix:base=none")


class Black(keras.layers.Layer):
    """Paints everything black."""

    def call(self, pictures: Any) -> Any:
        """Nothing is left."""
        return pictures * 0


@pytest.fixture(scope="module")
def runs(catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """The runs, by augmentation, of a grid over all built-in ones with label smoothing, on procedural pictures."""
    store = tmp_path_factory.mktemp("store")
    board = zoo.compare(
        "demo:images=60",
        backbones=["tiny"],
        policies=["unfreeze-all"],
        augmentations=NAMES,
        epochs=2,
        batch_size=8,
        label_smoothing=0.1,
        store=store,
        catalog=catalog,
    )
    return {row.augmentation: zoo.load(row.run_ids[0], store=store) for row in board.rows if row.kind == "run"}


def test_pitfall_63_validation_is_never_augmented(bench: Bench) -> None:
    """With pictures painted black in training and weights that stand still, validation is as without."""
    recipe = bench.recipe("unfreeze-all", epochs=1, learning_rate=1e-12)
    plain = bench.train(bench.build(recipe), recipe).history[0]
    black = bench.train(bench.build(recipe), recipe, augment=Augmenter((Black(),))).history[0]
    assert black.val_loss == pytest.approx(plain.val_loss, abs=1e-6)
    assert abs(black.loss - plain.loss) > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_pitfall_95_every_epoch_sees_new_pictures(bench: Bench, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the network is trained on differs between epochs; what it is validated on are the raw pictures."""
    seen: list[np.ndarray[Any, Any]] = []
    known: list[Any] = []
    batch, validation = Task.batch, Task.known

    def spy_batch(self: Task, *arguments: Any) -> Any:
        tensors, targets = batch(self, *arguments)
        seen.append(np.sort(tensors[0].reshape(len(tensors[0]), -1).sum(axis=1)))
        return tensors, targets

    def spy_known(self: Task) -> Any:
        known.append(validation(self))
        return known[-1]

    monkeypatch.setattr(Task, "batch", spy_batch)
    monkeypatch.setattr(Task, "known", spy_known)
    item, _, options = name.partition(":")
    augmentation = bench.catalog.augmentation(item)
    layers = augmentation.build(16, 0, **dict(part.split("=") for part in options.split(",") if part))
    recipe = bench.recipe("from-scratch", epochs=2, batch_size=48)
    augment = Augmenter(tuple(layers), mixes_labels=augmentation.mixes_labels)
    bench.train(bench.build(recipe), recipe, augment=augment)
    assert len(seen) == 2
    assert not np.array_equal(*seen)
    np.testing.assert_array_equal(known[0].take(slice(None))[0], bench.sides()[1].pixels)


def test_every_augmentation_trains_to_a_row(runs: dict[str, Run]) -> None:
    """Every row has a score, and each augmentation gave other training losses."""
    assert set(runs) == set(NAMES)
    assert all(run.record.validation is not None for run in runs.values())
    losses = {run.record.history[0].loss for run in runs.values()}
    assert len(losses) == len(NAMES)
    assert np.isfinite(list(losses)).all()


def test_pitfall_88_and_89_the_delivered_model_does_not_augment(runs: dict[str, Run]) -> None:
    """No layer of an augmentation is in it, and three ways to call it agree, five times over."""
    pixels = np.random.default_rng(1).integers(0, 256, (4, 16, 16, 3)).astype("float32")
    for run in runs.values():
        model = run.model
        assert not [la.name for la in model.layers if "Random" in type(la).__name__ or "zoo" in type(la).__module__]
        expected = model.predict(pixels, verbose=0)
        for _ in range(5):
            for result in (model(pixels), model(pixels, training=False)):
                assert np.abs(keras.ops.convert_to_numpy(result) - expected).max() <= 1e-6
