"""Pitfalls of section B: opening, compiling, learning rates. Named after their numbers in the specification."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

from zoo.augmenting import Augmenter
from zoo.contracts import Phase
from zoo.errors import ContractError
from zoo.events import EpochEnded
from zoo.forward import forward, value_of
from zoo.values import Side

if TYPE_CHECKING:
    from conftest import Bench

HEAD = Phase(name="head", epochs=1, learning_rate=1e-2)
ALL = Phase(name="all", epochs=1, learning_rate=1e-2, open_blocks=4)
STILL = "gap:dropout=0.0"


def values(built: Any) -> list[np.ndarray]:
    """Every weight of a network, as it is now."""
    return [value_of(weight.variable) for weight in built.assembly.weights]


def test_pitfall_15_each_phase_changes_what_it_declares(bench: Bench) -> None:
    """Head, then everything: after each phase exactly the declared weights have moved."""
    recipe = bench.recipe(epochs=1)
    built = bench.build(recipe)
    for phase in (HEAD, ALL):
        before = values(built)
        bench.train(built, recipe, phases=(phase,))
        for weight, old, new in zip(built.assembly.weights, before, values(built), strict=True):
            moved = old.tobytes() != new.tobytes()
            assert moved == built.assembly.is_open(weight, phase), weight.path


@pytest.mark.parametrize("policy", ["unfreeze-all", "lp-ft"])
def test_pitfall_16_whoever_watches_cannot_disturb_by_compiling(bench: Bench, policy: str) -> None:
    """An observer that opens everything and compiles the network after every epoch: same losses, same weights.

    Observers get events and no model; this one got hold of it anyway.
    """
    recipe = bench.recipe(policy, epochs=4)
    undisturbed, disturbed = bench.build(recipe), bench.build(recipe)
    expected = bench.train(undisturbed, recipe).history
    compiled = []

    def compiles(event: object) -> None:
        if isinstance(event, EpochEnded):
            model = disturbed.assembly.model
            model.compile("sgd", "categorical_crossentropy")
            compiled.append(event.record.epoch)

    found = bench.train(disturbed, recipe, observe=compiles).history
    assert compiled == [1, 2, 3, 4]
    assert [record.loss for record in found] == [record.loss for record in expected]
    assert all(np.array_equal(*pair) for pair in zip(values(undisturbed), values(disturbed), strict=True))


def test_pitfall_17_a_second_phase_starts_where_the_first_ended(bench: Bench) -> None:
    """The first validation loss of a second phase at a rate of almost nothing is the best one of the first phase."""
    recipe = bench.recipe(head=STILL, epochs=2)
    still = Phase(name="still", epochs=1, learning_rate=1e-30, open_blocks=4, drop_layers=False)
    history = bench.train(bench.build(recipe), recipe, phases=(HEAD, still)).history
    assert [record.phase for record in history] == ["head", "still"]
    assert history[1].val_loss == pytest.approx(history[0].val_loss, abs=1e-6)


def test_pitfall_18_nothing_is_carried_over_between_runs(bench: Bench) -> None:
    """Two runs in a row give what the second gives alone: optimiser, metrics and order are new each time."""
    recipe = bench.recipe("unfreeze-all")
    bench.train(bench.build(recipe), recipe)
    after = bench.train(bench.build(recipe), recipe)
    alone = bench.train(bench.build(recipe), recipe)
    assert [r.loss for r in after.history] == [r.loss for r in alone.history]


def test_pitfall_19_a_frozen_run_goes_on_in_plain_keras(bench: Bench, tmp_path: Any) -> None:
    """Saved after freeze-all, loaded, all opened and trained: no optimiser state is in the file that could not fit."""
    from zoo.artefact import load_model, save_model

    recipe = bench.recipe("freeze-all")
    built = bench.build(recipe)
    bench.train(built, recipe)
    save_model(built.assembly.deliverable(), tmp_path)
    model = load_model(tmp_path)
    assert not hasattr(model, "optimizer")
    said = model.predict(bench.pixels, verbose=0)
    model.trainable = True
    before = [value_of(weight) for weight in model.trainable_weights]
    model.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
    assert np.array_equal(model.predict(bench.pixels, verbose=0), said)
    model.fit(bench.pixels.astype(np.float32), bench.labels, batch_size=16, verbose=0)
    moved = [not np.array_equal(old, value_of(now)) for old, now in zip(before, model.trainable_weights, strict=True)]
    assert len(moved) == sum(weight.trainable for weight in built.assembly.weights)
    assert np.mean(moved) > 0.9  # a bias before BatchNorm on batch statistics has no gradient


def test_pitfall_20_cuts_lie_between_blocks(bench: Bench) -> None:
    """Prefix and tail give what the whole gives, at every boundary, also where a cut carries two tensors."""
    assembly = bench.build(bench.recipe()).assembly
    whole = forward(assembly.model, [bench.pixels])[0]
    counts = []
    for boundary in range(len(assembly.blocks) + 1):
        prefix = assembly.prefix(boundary)
        tensors = [bench.pixels] if prefix is None else forward(prefix, [bench.pixels])
        counts.append(len(tensors))
        assert np.abs(forward(assembly.tail(boundary), tensors)[0] - whole).max() <= 1e-6
    assert counts == [1, 1, 1, 2, 1]


def test_pitfall_21_nothing_depends_on_automatic_names(bench: Bench) -> None:
    """Built again in the same process, the same recipe has the same blocks, numbers and history."""
    recipe = bench.recipe("unfreeze-top-k:k=2", backbone="scratch-cnn:depth=2,width=4,size=32")
    first, second = bench.build(recipe), bench.build(recipe)
    assert [b.name for b in first.assembly.blocks] == [b.name for b in second.assembly.blocks]
    assert [w.block for w in first.assembly.weights] == [w.block for w in second.assembly.weights]
    sides = tuple(Side(side.pixels.repeat(2, 1).repeat(2, 2), side.labels, side.key) for side in bench.sides())
    losses = [[r.loss for r in bench.train(built, recipe, sides=sides).history] for built in (first, second)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("form", ["flat", "nested", "sequential"])
def test_pitfall_22_a_policy_does_not_care_how_layers_are_nested(form: str) -> None:
    """Flat, nested and Sequential compositions of one network have the same open weights."""
    from zoo.assembly import assemble
    from zoo.contracts import Block

    def unit(name: str) -> list[Any]:
        return [keras.layers.Conv2D(4, 3, name=f"{name}_conv"), keras.layers.BatchNormalization(name=f"{name}_bn")]

    if form == "sequential":
        backbone = keras.Sequential([keras.Input((8, 8, 3)), *unit("a"), *unit("b")])
    else:
        entry = x = keras.Input((8, 8, 3))
        for name in ("a", "b"):
            if form == "nested":
                x = keras.Sequential([keras.Input(x.shape[1:]), *unit(name)], name=f"{name}_unit")(x)
            else:
                for layer in unit(name):
                    x = layer(x)
        backbone = keras.Model(entry, x)
    head = keras.Sequential([keras.Input(backbone.output_shape[1:]), keras.layers.Flatten(), keras.layers.Dense(2)])
    blocks = (Block(name="a", layers=("a_*",)), Block(name="b", layers=("b_*",)))
    assembly = assemble(backbone, head, blocks, name="x")
    phase = Phase(name="top", epochs=1, learning_rate=1.0, open_blocks=1, open_weights="batch-norm")
    assert sorted(w.path for w in assembly.weights if assembly.is_open(w, phase) and w.block < 2) == [
        "b_bn/beta",
        "b_bn/gamma",
    ]
    with assembly.opened(phase) as tail:
        assert len(tail.trainable_variables) == 4


def test_pitfall_23_the_best_epoch_of_all_phases_is_kept(bench: Bench) -> None:
    """A second phase at rate 10 cannot spoil what is delivered, and the run says that it degraded."""
    recipe = bench.recipe(epochs=9, patience=None)
    good = Phase(name="head", epochs=6, learning_rate=0.05)
    wild = Phase(name="wild", epochs=3, learning_rate=10.0, open_blocks=4)
    built = bench.build(recipe)
    trained = bench.train(built, recipe, phases=(good, wild))
    best = max(record.val_accuracy for record in trained.history)
    side = bench.sides()[1]
    delivered = forward(built.assembly.deliverable(), [side.pixels])[0].argmax(axis=1)
    assert (delivered == side.labels).mean() == best == trained.history[trained.best_epoch - 1].val_accuracy
    assert trained.best_epoch <= 6
    assert trained.notes == (
        f"degraded in phase 'wild': the kept epoch is {trained.best_epoch}, from an earlier phase",
    )


def test_pitfall_24_a_backbone_can_be_built_twice_in_one_graph(catalog: Any, tmp_path: Any) -> None:
    """Two copies of a backbone in one model predict, save and load."""
    record = catalog.backbone("scratch-cnn")
    options = {option.name: option.default for option in record.options}
    entry = keras.Input((32, 32, 3))
    twins = [record.build(size=32, weights=None, **options) for _ in range(2)]
    for number, twin in enumerate(twins):
        twin.name = f"twin_{number}"
    model = keras.Model(entry, keras.layers.Concatenate()([twin(entry) for twin in twins]))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    path = tmp_path / "twins.keras"
    model.save(path)
    again = keras.models.load_model(path)
    assert np.array_equal(model.predict(pixels, verbose=0), again.predict(pixels, verbose=0))


def test_pitfall_25_a_saved_model_loads_whatever_was_frozen(bench: Bench, tmp_path: Any) -> None:
    """Saved while layers are closed and loaded into an open network: equal predictions."""
    recipe = bench.recipe("bn-affine")
    built = bench.build(recipe)
    with built.assembly.opened(HEAD):
        built.assembly.model.save_weights(tmp_path / "closed.weights.h5")
    other = bench.build(bench.recipe(seed=7))
    other.assembly.model.load_weights(tmp_path / "closed.weights.h5")
    pair = [forward(network.assembly.model, [bench.pixels])[0] for network in (built, other)]
    assert np.array_equal(pair[0], pair[1])


def test_blocks_that_do_not_fit_are_refused(bench: Bench) -> None:
    """A layer in two blocks, in none, an empty block and a wrong order are errors that name the layer."""
    from zoo.assembly import assemble
    from zoo.contracts import Block
    from zoo.testing import tiny_backbone

    tiny = tiny_backbone()
    model = tiny.build(size=16, weights=None)
    head = keras.Sequential([keras.Input(model.output_shape[1:]), keras.layers.GlobalAveragePooling2D()])
    blocks = tiny.blocks_for({})
    doubled = (*blocks, Block(name="more", layers=("top_conv",)))
    with pytest.raises(
        ContractError, match="'top_conv' of backbone 'x' must be in exactly one block; it is in: top, more"
    ):
        assemble(model, head, doubled, name="x")
    with pytest.raises(ContractError, match="'top_conv' of backbone 'x' must be in exactly one block; it is in: none"):
        assemble(model, head, blocks[:3], name="x")
    with pytest.raises(ContractError, match="'ghost' of backbone 'x' matches no layer"):
        assemble(model, head, (*blocks, Block(name="ghost", layers=("nothing*",))), name="x")
    with pytest.raises(ContractError, match="needs a tensor of the later block"):
        assemble(model, head, blocks[::-1], name="x")


def test_early_stopping_counts_within_a_phase(bench: Bench) -> None:
    """A phase ends after `patience` epochs without improvement, and the next one still has its turn."""
    recipe = bench.recipe(epochs=9, patience=2, head=STILL)
    frozen = Phase(name="frozen", epochs=8, learning_rate=1e-30)
    events: list[Any] = []
    trained = bench.train(bench.build(recipe), recipe, phases=(frozen, HEAD), observe=events.append)
    assert [record.phase for record in trained.history] == ["frozen"] * 3 + ["head"]
    assert [event.record for event in events if isinstance(event, EpochEnded)] == list(trained.history)


def test_pitfall_95_augmented_pictures_differ_between_epochs(bench: Bench) -> None:
    """Augmentation comes after the cache: each epoch sees new pictures, and validation never does."""
    seen: list[np.ndarray] = []

    class Spy(keras.layers.Layer):
        """Adds noise and remembers what came out."""

        def call(self, pictures: Any) -> Any:
            noisy = pictures + keras.random.uniform(keras.ops.shape(pictures), seed=len(seen))
            seen.append(keras.ops.convert_to_numpy(noisy))
            return noisy

    recipe = bench.recipe(epochs=2, batch_size=48)
    side = Side(bench.pixels, bench.labels, "train")
    bench.train(bench.build(recipe), recipe, sides=(side, bench.sides()[1]), augment=Augmenter((Spy(),)))
    assert len(seen) == 2
    assert np.abs(np.sort(seen[0].ravel()) - np.sort(seen[1].ravel())).max() > 0
