"""Networks that are set back to their start, and the files that are written of them."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

import zoo
from zoo import artefact, experiment, template
from zoo import delivery as delivery_module
from zoo.artefact import load_model
from zoo.backend import clean_state
from zoo.delivery import FEW, Delivery
from zoo.errors import ReceiptError, RecipeError, RunFormatError, TrainingError
from zoo.evaluation import predict
from zoo.events import RunStarted
from zoo.forward import BATCH, value_of
from zoo.hookspecs import hookimpl
from zoo.kernels import computes_on_cpu
from zoo.plugins import load_catalog
from zoo.reuse import Networks
from zoo.testing import tiny_backbone

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Bench

POLICIES = (
    "freeze-all",
    "bn-stats",
    "bn-affine",
    "bn-trainable",
    "bn-trainable:stats=moving",
    "unfreeze-all",
    "lp-ft",
    "gradual",
    "fine-tune",
    "layer-decay",
    "l2-sp",
    "auto-rgn",
    "lora",
)


class Weighted:
    """The tiny backbone with weights in a file, and one with a layer of its own."""

    @staticmethod
    @hookimpl
    def zoo_backbones() -> list[Any]:
        """Two backbones."""
        tiny = tiny_backbone()

        def build(*, size: int, weights: Any) -> Any:
            model = tiny.build(size=size, weights=None)
            if weights is not None:
                model.load_weights(weights)
            return model

        def own(*, size: int, weights: Any) -> Any:
            model = build(size=size, weights=weights)
            return keras.Model(model.inputs, Own(name="top_own")(model.output))

        record = {name: getattr(tiny, name) for name in tiny.__slots__}
        return [type(tiny)(**record | {"build": build}), type(tiny)(**record | {"name": "own", "build": own})]


@keras.saving.register_keras_serializable("tests")
class Own(keras.layers.Layer):  # type: ignore[misc]
    """A layer that is not Keras'."""

    def call(self, inputs: Any) -> Any:
        """Leaves its input as it is."""
        return inputs


@pytest.fixture
def weighted(bench: Bench, tmp_path: Path) -> tuple[Bench, str]:
    """A bench whose backbones start from a file, and the file's name as an option."""
    keras.utils.set_random_seed(5)
    path = tmp_path / "tiny.weights.h5"
    tiny_backbone().build(size=16, weights=None).save_weights(path)
    return dataclasses.replace(bench, catalog=load_catalog(only=[], extra=[Weighted])), f"weights={path}"


def trained(bench: Bench, networks: Networks, recipe: Any) -> tuple[Any, Any]:
    """A run in a state of its own, as in a grid: what training left, and all values of the network."""
    with clean_state(recipe.seed):
        built, _ = networks.take(recipe, bench.catalog)
        left = bench.train(built, recipe, augment=built.augment, solve=built.solve)
    return left, [value_of(variable) for variable in built.assembly.model.variables]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_run_does_not_depend_on_those_before_it(weighted: tuple[Bench, str], policy: str) -> None:
    """After other runs of the same network, history, probabilities and all values are those of a first run."""
    bench, weights = weighted
    options = {"backbone": f"tiny:{weights}", "head": "mlp", "epochs": 4}
    recipe = bench.recipe(policy, **options, seed=3, learning_rate=0.01)
    networks = Networks()
    other = options | {"head": "concat-pool"}  # the backbone goes on to another head
    for before in (bench.recipe("unfreeze-all", **other), bench.recipe(policy, **options, seed=1)):
        trained(bench, networks, before)
    again, values = trained(bench, networks, recipe)
    first, expected = trained(bench, Networks(), recipe)
    timeless = [[dataclasses.replace(one, seconds=0.0) for one in left.history] for left in (again, first)]
    assert timeless[0] == timeless[1]
    assert again.probabilities.tobytes() == first.probabilities.tobytes()
    assert [one.tobytes() for one in values] == [one.tobytes() for one in expected]


def test_a_training_step_is_traced_once_for_seeds_and_rates(weighted: tuple[Bench, str]) -> None:
    """The second run has the function of the first; another smoothing needs another one."""
    bench, weights = weighted
    networks, functions = Networks(), []
    for changes in ({"seed": 0}, {"seed": 1, "learning_rate": 0.1}, {"label_smoothing": 0.1}):
        recipe = bench.recipe("bn-trainable", backbone=f"tiny:{weights}", **changes)
        trained(bench, networks, recipe)
        assembly = networks.take(recipe, bench.catalog)[0].assembly
        tails = [model for key, model in assembly._parts.items() if key[0] == "rest" and key[-1] is not None]
        assert len(tails) == 1, "tails that are compiled for something else are let go"
        functions.append(tails[0].train_function)
    assert functions[0] is not None
    assert functions[0] is functions[1]
    assert functions[0] is not functions[2]


def test_another_network_is_another_network(weighted: tuple[Bench, str]) -> None:
    """Head, options, weights and the seed of random weights make another network; a rate does not."""
    bench, weights = weighted
    networks = Networks()

    def network(**changes: Any) -> Any:
        recipe = bench.recipe(**{"backbone": f"tiny:{weights}", **changes})
        return networks.take(recipe, bench.catalog)[0].assembly

    first = network()
    body = first.model.get_layer("stem_conv")
    assert network(learning_rate=0.5, seed=9) is first
    assert network(head="concat-pool").model.get_layer("stem_conv") is body, "another head has the same backbone"
    assert network(head="mlp") is not first
    assert network(precision="bfloat16").model.get_layer("stem_conv") is not body
    random = network(backbone="tiny")
    assert network(backbone="tiny") is random
    assert network(backbone="tiny", seed=1) is not random


def test_networks_with_layers_of_others_are_built_anew(weighted: tuple[Bench, str]) -> None:
    """A layer that is not Keras' may keep something that is no variable."""
    bench, weights = weighted
    networks = Networks()
    recipe = bench.recipe(backbone=f"own:{weights}")
    assert networks.take(recipe, bench.catalog)[0].assembly is not networks.take(recipe, bench.catalog)[0].assembly


def accept(rows: Any, delivered: Any) -> None:
    """A check that is content."""
    assert len(rows) == len(delivered)


def test_the_whole_file_is_loaded_and_run_once(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second file of a network is compared weight by weight, without loading it; both are good."""
    built = bench.build(bench.recipe())
    model, loads = built.assembly.deliverable(), []
    monkeypatch.setattr(
        delivery_module, "load_draft", lambda *given, own=delivery_module.load_draft: loads.append(1) or own(*given)
    )
    writer = Delivery(model)
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        for variable in built.assembly.head.weights:
            variable.assign(value_of(variable) + number)
        writer.write(folder, bench.pixels, accept)
        assert sorted(path.name for path in folder.iterdir()) == ["model.keras"]
        again = load_model(folder)
        assert [value_of(one).tobytes() for one in again.weights] == [value_of(one).tobytes() for one in model.weights]
    assert len(loads) == 1
    assert writer.milliseconds_per_image > 0


def test_a_file_with_another_weight_is_refused(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in a second file, which is not loaded, one changed weight is found and named."""
    built = bench.build(bench.recipe())
    writer, kernel = Delivery(built.assembly.deliverable()), built.assembly.head.weights[0]
    writer.write(tmp_path, bench.pixels, accept)
    right = value_of(kernel)

    def written(model: Any, folder: Path) -> Path:
        kernel.assign(np.nextafter(right, 2, dtype=np.float32))
        draft = own(model, folder)
        kernel.assign(right)
        return draft

    own = delivery_module.write_draft
    monkeypatch.setattr(delivery_module, "write_draft", written)
    monkeypatch.setattr(template.Template, "fill", lambda *_: None)
    with pytest.raises(TrainingError, match="has another"):
        writer.write(tmp_path, bench.pixels, accept)


def test_a_refused_network_is_tried_again(bench: Bench, tmp_path: Path) -> None:
    """What the check refuses once is not taken for good later."""
    writer = Delivery(bench.build(bench.recipe()).assembly.deliverable())

    def refuse(rows: Any, delivered: Any) -> None:
        raise ReceiptError(f"{len(rows)} pictures from {rows[0]} to {rows[-1]}, {delivered.shape}", hint="none")

    for _ in range(2):
        with pytest.raises(ReceiptError, match=f"{FEW if computes_on_cpu() else 48} pictures from 0 to 47,"):
            writer.write(tmp_path, bench.pixels, refuse)
    assert not (tmp_path / "model.keras").exists()


@pytest.mark.parametrize(("count", "passes"), [(BATCH, 2), (BATCH + 1, 1)])
def test_the_time_of_a_picture_is_never_that_of_tracing(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, passes: int
) -> None:
    """Where the first batch is the only one, there is a second pass, and that is timed."""
    taken: list[float] = []

    def timed(model: Any, pixels: Any) -> Any:
        taken.append(100.0 / 10 ** len(taken))
        return dataclasses.replace(predict(model, pixels), milliseconds_per_image=taken[-1])

    monkeypatch.setattr(delivery_module, "predict", timed)
    writer = Delivery(bench.build(bench.recipe()).assembly.deliverable())
    writer.write(tmp_path, bench.pixels[:count], accept)
    assert len(taken) == passes
    assert writer.milliseconds_per_image == taken[-1]


def test_models_of_one_graph_are_loaded_once(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three files the third has another graph; each predicts what a model loaded by itself does."""
    folders = []
    one, other = bench.build(bench.recipe()), bench.build(bench.recipe(head="mlp"))
    for number, built in enumerate((one, one, other)):
        folders.append(tmp_path / str(number))
        folders[-1].mkdir()
        built.assembly.head.weights[0].assign(value_of(built.assembly.head.weights[0]) * (1 + number))
        Delivery(built.assembly.deliverable()).write(folders[-1], bench.pixels, accept)
    expected = [predict(load_model(folder), bench.pixels).probabilities for folder in folders]
    loads: list[Any] = []
    own = artefact.load_model
    monkeypatch.setattr(artefact, "load_model", lambda folder: loads.append(folder) or own(folder))
    found = [predict(model, bench.pixels).probabilities for model in artefact.load_models(folders)]
    assert [one.tobytes() for one in found] == [one.tobytes() for one in expected]
    assert loads == [folders[0], folders[2]]


def test_a_damaged_file_among_several_is_named(bench: Bench, tmp_path: Path) -> None:
    """It is an error of that run, with its path."""
    built = bench.build(bench.recipe())
    Delivery(built.assembly.deliverable()).write(tmp_path, bench.pixels, accept)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "model.keras").write_bytes(b"no zip")
    with pytest.raises(RunFormatError, match="broken"):
        list(artefact.load_models([tmp_path, broken]))


def test_rates_and_batch_sizes_make_rows(photos: Path, tmp_path: Path, catalog: Any) -> None:
    """Two rates and two batch sizes are four rows, told apart on the board, each equal to a call of its own."""
    options: dict[str, Any] = {"epochs": 1, "catalog": catalog, "observe": lambda _: None, "cache": False}
    grid = {"backbones": ["tiny"], "policies": ["freeze-all"], **options}
    board = zoo.compare(photos, **grid, learning_rate=[0.01, 0.1], batch_size=[8, 16], store=tmp_path / "one")
    rows = {row.settings: row for row in board.rows if row.kind == "run"}
    assert sorted(rows) == [f"batch_size {size}, learning_rate {rate}" for size in (16, 8) for rate in ("0.01", "0.1")]
    alone = zoo.fit(
        photos,
        backbone="tiny",
        policy="freeze-all",
        **options,
        learning_rate=0.1,
        batch_size=8,
        store=tmp_path / "two",
    )
    assert rows["batch_size 8, learning_rate 0.1"].score == pytest.approx(alone.scores.accuracy, abs=1e-11)
    with pytest.raises(RecipeError, match="learning_rate must be one value or a list of different ones"):
        zoo.compare(photos, **grid, learning_rate=[0.1, 0.1], store=tmp_path / "one")


def test_garbage_is_looked_for_where_there_is_some(
    photos: Path, tmp_path: Path, catalog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After rows that opened blocks, and where no network is kept; not after heads on features, which leave little."""
    ended: list[str] = []
    looked: list[str] = []
    monkeypatch.setattr(experiment, "gc", SimpleNamespace(collect=lambda: looked.append(ended[-1])))

    def observe(event: Any) -> None:
        if isinstance(event, RunStarted):
            ended.append(str(event.recipe.policy))

    grid = {"backbones": ["tiny"], "policies": ["freeze-all", "bn-affine", "unfreeze-all"], "epochs": 1}
    zoo.compare(photos, **grid, catalog=catalog, store=tmp_path, observe=observe, cache=False, jobs=0)
    assert looked == ["bn-affine", "unfreeze-all"]
    assert ended == ["freeze-all", "bn-affine", "unfreeze-all"]
