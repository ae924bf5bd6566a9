"""Cases of the same kinds as the numbered pitfalls, found by reading the code with hostile eyes."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.artefact import save_model
from zoo.assembly import assemble
from zoo.building import plan_phases
from zoo.contracts import Block, Phase
from zoo.errors import ContractError, RunFormatError, TrainingError
from zoo.experiment import identify
from zoo.forward import forward
from zoo.hookspecs import hookimpl
from zoo.plugins import load_catalog
from zoo.prefix import FeatureCache, fingerprint
from zoo.testing import tiny_backbone

if TYPE_CHECKING:
    from conftest import Bench

    from zoo.registry import Catalog

QUICK: dict[str, Any] = {"epochs": 1, "batch_size": 8, "observe": lambda _: None}


def network(activation: str = "relu", scale: float = 1.0) -> Any:
    """A network whose weights are all equal and whose configuration varies."""
    entry = keras.Input((8, 8, 3))
    x = keras.layers.Rescaling(scale)(entry)
    x = keras.layers.Conv2D(4, 3, kernel_initializer="ones")(x)
    return keras.Model(entry, keras.layers.Activation(activation)(x))


def test_pitfall_74_features_of_another_network_are_never_taken() -> None:
    """Equal weights and shapes, another activation or scale: another key. Built twice: the same key."""
    keys = [fingerprint(network()), fingerprint(network("tanh")), fingerprint(network(scale=0.5))]
    assert len(set(keys)) == 3
    assert fingerprint(network()) == keys[0]
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    cache = FeatureCache()
    for model in (network(), network("tanh"), network(scale=0.5)):
        stored = cache.features((model,), pixels, key="x").stored
        assert stored is not None
        assert np.array_equal(stored[0], forward(model, [pixels])[0])


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_pitfall_56_a_class_name_that_is_no_text_survives(photos: Path, tmp_path: Path, catalog: Catalog) -> None:
    """A folder named in another encoding is trained on, stored and predicted."""
    odd = os.fsencode(photos) + b"/caf\xe9"
    os.rename(photos / "dark", odd)  # noqa: PTH104 - the name is bytes
    run = zoo.fit(photos, backbone="tiny", policy="freeze-all", store=tmp_path, catalog=catalog, **QUICK)
    assert zoo.load(run.id, store=tmp_path).classes == run.classes
    assert run.predict(photos / "light" / "00.png")[0].label in run.classes


@pytest.mark.parametrize("weights", ["~nobody-there/w.h5", "x" * 5000 + ".h5"])
def test_pitfall_104_odd_weights_cost_their_row_only(
    photos: Path, tmp_path: Path, catalog: Catalog, weights: str
) -> None:
    """A path that the system refuses fails one row; the other is finished."""
    board = zoo.compare(
        photos,
        backbones=["tiny", f"tiny-fast:weights={weights}"],
        policies=["freeze-all"],
        store=tmp_path,
        catalog=catalog,
        **QUICK,
    )
    assert sorted(row.status for row in board.rows if row.kind == "run") == ["failed", "finished"]


class Rude:
    """A backbone that leaves the program, and one with a phase that is misspelt."""

    phase: Any = Phase(name="p", epochs=1, learning_rate=1e-3)

    @hookimpl
    def zoo_backbones(self) -> list[zoo.Backbone]:
        """One leaves, one is fine, one gives nothing."""
        tiny = tiny_backbone()
        record = {field: getattr(tiny, field) for field in tiny.__slots__}

        def leave(*, size: int, weights: Any) -> Any:
            sys.exit(3)

        def nothing(*, size: int, weights: Any) -> Any:
            return None

        return [
            tiny,
            zoo.Backbone(**(record | {"name": "leaves", "build": leave})),
            zoo.Backbone(**(record | {"name": "nothing", "build": nothing})),
        ]

    @hookimpl
    def zoo_policies(self) -> list[zoo.Policy]:
        """Plans the phase that the test sets."""

        def plan(blocks: int, epochs: int) -> tuple[Phase, ...]:
            return (self.phase,)

        return [zoo.Policy(name="set", title="set by the test", plan=plan)]


def test_pitfall_105_a_backbone_that_exits_costs_its_row_only(photos: Path, tmp_path: Path) -> None:
    """sys.exit, or None instead of a model, inside build is a failed row; the others are finished."""
    board = zoo.compare(
        photos,
        backbones=["leaves", "nothing", "tiny"],
        policies=["freeze-all"],
        store=tmp_path,
        catalog=load_catalog(only=[], extra=[Rude()]),
        **QUICK,
    )
    rows = {row.backbone: row for row in board.rows if row.kind == "run"}
    assert {name: row.status for name, row in rows.items()} == {
        "leaves": "failed",
        "nothing": "failed",
        "tiny": "finished",
    }
    assert "SystemExit" in rows["leaves"].reason
    assert "built a NoneType, not a functional keras.Model" in rows["nothing"].reason


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"open_weights": "batchnorm"}, "open_weights='batchnorm'"),
        ({"batch_norm": "frozen"}, "batch_norm='frozen'"),
        ({"open_blocks": -1}, "open_blocks=-1"),
        ({"learning_rate": float("inf")}, "learning_rate=inf"),
        ({"epochs": 1.0}, "epochs=1.0"),
    ],
)
def test_a_misspelt_phase_is_refused(bench: Bench, changes: dict[str, Any], fault: str) -> None:
    """A policy cannot open something else than it meant because a word is misspelt."""
    rude = Rude()
    rude.phase = Phase(**({"name": "p", "epochs": 1, "learning_rate": 1e-3} | changes))
    bench.catalog = load_catalog(only=[], extra=[rude])
    with pytest.raises(ContractError, match=fault):
        plan_phases(bench.recipe("set", epochs=1), bench.catalog, blocks=4)


def test_a_policy_in_the_making_is_run_again(bench: Bench) -> None:
    """Two plugins of one origin with other code have other digests."""

    def digest(rate: float) -> str:
        source = f"def plan(blocks, epochs):\n    return (Phase(name='p', epochs=epochs, learning_rate={rate}),)"
        names: dict[str, Any] = {"Phase": Phase}
        exec(source, names)  # noqa: S102 - as a notebook would
        record = zoo.Policy(name="mine", title="mine", plan=names["plan"])

        class Mine:
            """The policy."""

            @staticmethod
            @hookimpl
            def zoo_policies() -> list[zoo.Policy]:
                """The one."""
                return [record]

            @staticmethod
            @hookimpl
            def zoo_backbones() -> list[zoo.Backbone]:
                """The tiny one."""
                return [tiny_backbone()]

        bench.catalog = load_catalog(only=[], extra=[Mine])
        return identify(bench.recipe("mine"), bench.catalog)[1]

    assert digest(0.001) == digest(0.001) != digest(0.5)


def test_pitfall_73_the_digest_asks_the_running_keras(bench: Bench) -> None:
    """Keras' epsilon changes numbers, so it changes the digest."""
    before = identify(bench.recipe(), bench.catalog)[1]
    epsilon = keras.config.epsilon()
    keras.config.set_epsilon(1e-3)
    try:
        assert identify(bench.recipe(), bench.catalog)[1] != before
    finally:
        keras.config.set_epsilon(epsilon)
    assert identify(bench.recipe(), bench.catalog)[1] == before


def test_a_run_whose_model_is_lost_is_run_again(photos: Path, tmp_path: Path, catalog: Catalog) -> None:
    """`Run the recipe again` is advice that helps."""
    options: dict[str, Any] = {**QUICK, "backbone": "tiny", "policy": "freeze-all", "catalog": catalog}
    run = zoo.fit(photos, store=tmp_path, **options)
    (run.folder / "model.keras").unlink()
    with pytest.raises(RunFormatError, match="is gone"):
        zoo.load(run.id, store=tmp_path)
    again = zoo.fit(photos, store=tmp_path, **options)
    assert again.id != run.id
    assert again.scores == run.scores


def test_pitfall_68_a_layer_that_does_not_save_itself_is_found(photos: Path, tmp_path: Path) -> None:
    """The stored score belongs to the file: a file that predicts something else is an error."""

    @keras.saving.register_keras_serializable(package="test")
    class Forgetful(keras.layers.Layer):
        """Forgets its factor when it is saved."""

        factor = 1.0

        def call(self, x: Any) -> Any:
            return x * self.factor

    class Plugin:
        """A head with that layer."""

        @staticmethod
        @hookimpl
        def zoo_heads() -> list[zoo.Head]:
            """The one head."""

            def build(feature_shape: Any, classes: int) -> Any:
                entry = keras.Input(feature_shape)
                x = keras.layers.GlobalAveragePooling2D()(entry)
                layer = Forgetful()
                layer.factor = 40.0
                return keras.Model(entry, layer(keras.layers.Dense(classes)(x)))

            return [zoo.Head(name="forgetful", title="forgets", build=build)]

        @staticmethod
        @hookimpl
        def zoo_backbones() -> list[zoo.Backbone]:
            """The tiny one."""
            return [tiny_backbone()]

    with pytest.raises(TrainingError, match="The saved model gives a picture a probability that is"):
        zoo.fit(
            photos,
            backbone="tiny",
            head="forgetful",
            policy="freeze-all",
            store=tmp_path,
            catalog=load_catalog(only=[], extra=[Plugin]),
            **QUICK,
        )


def test_pitfall_79_a_second_phase_that_diverges_costs_itself_only(bench: Bench) -> None:
    """A loss that is not finite in a later phase ends that phase; the earlier best is kept and it is said."""
    recipe = bench.recipe(epochs=4, patience=None)
    good = Phase(name="head", epochs=2, learning_rate=0.05)
    wild = Phase(name="wild", epochs=2, learning_rate=1e30, open_blocks=4)
    built = bench.build(recipe)
    trained = bench.train(built, recipe, phases=(good, wild))
    assert trained.best_epoch <= 2
    assert any(note.startswith("diverged in phase 'wild'") for note in trained.notes)
    assert np.isfinite(forward(built.assembly.deliverable(), [bench.pixels])[0]).all()


def test_a_head_with_state_of_its_own_trains(bench: Bench) -> None:
    """SpectralNormalization keeps a vector that moves; in the head it may."""
    entry = keras.Input((4, 4, 12))
    x = keras.layers.GlobalAveragePooling2D()(entry)
    head = keras.Model(entry, keras.layers.SpectralNormalization(keras.layers.Dense(2))(x))
    tiny = tiny_backbone()
    recipe = bench.recipe(epochs=1)
    built = bench.build(recipe)
    assembly = assemble(tiny.build(size=16, weights=None), head, tiny.blocks_for({}), name="tiny")
    object.__setattr__(built, "assembly", assembly)
    assert bench.train(built, recipe).steps == 3


def test_shared_layers_are_refused_by_name() -> None:
    """One layer in two places of a graph cannot be in one block."""
    entry = keras.Input((8, 8, 3))
    relu = keras.layers.ReLU(name="b_relu")
    x = relu(keras.layers.Conv2D(4, 3, name="a_conv")(entry))
    x = relu(keras.layers.Conv2D(4, 3, name="b_conv")(x))
    head = keras.Sequential([keras.Input((4, 4, 4)), keras.layers.GlobalAveragePooling2D()])
    blocks = (Block(name="a", layers=("a_*",)), Block(name="b", layers=("b_*",)))
    with pytest.raises(ContractError, match="Backbone 'x' uses a layer more than once: 'b_relu'"):
        assemble(keras.Model(entry, x), head, blocks, name="x")


def test_a_source_that_stumbles_over_a_path_does_not_stop_others(photos: Path, tmp_path: Path) -> None:
    """A third party's `accepts` that expects text is passed over."""

    class Narrow:
        """Expects text."""

        @staticmethod
        @hookimpl
        def zoo_sources() -> list[zoo.Source]:
            """The one source."""

            def accepts(location: Any) -> bool:
                return bool(location.endswith(".csv"))

            return [zoo.Source(name="narrow", title="narrow", accepts=accepts, load=lambda location: location)]

        @staticmethod
        @hookimpl
        def zoo_backbones() -> list[zoo.Backbone]:
            """The tiny one."""
            return [tiny_backbone()]

    items = load_catalog(only=[], extra=[Narrow])
    with pytest.raises(zoo.DataError) as caught:
        zoo.fit(7, backbone="tiny", policy="freeze-all", store=tmp_path, catalog=items, **QUICK)
    assert (
        "These sources failed on it: narrow (AttributeError: 'int' object has no attribute 'endswith')"
        in caught.value.hint
    )
    run = zoo.fit(photos, backbone="tiny", policy="freeze-all", store=tmp_path, catalog=items, **QUICK)
    assert run.status == "finished"


def test_a_damaged_archive_is_no_traceback(photos: Path, tmp_path: Path, catalog: Catalog) -> None:
    """Flipped bytes inside a model file give an error of ours."""
    run = zoo.fit(photos, backbone="tiny", policy="freeze-all", store=tmp_path, catalog=catalog, **QUICK)
    path = run.folder / "model.keras"
    content = bytearray(path.read_bytes())
    content[40:400] = bytes(360)
    path.write_bytes(content)
    with pytest.raises(RunFormatError, match="cannot be loaded"):
        run.model  # noqa: B018 - it is loaded when it is asked for


def test_the_board_survives_a_lost_test_look(photos: Path, tmp_path: Path, catalog: Catalog) -> None:
    """If a test picture broke since the scan, the board comes without a test score and says so."""
    events: list[Any] = []

    def watch(event: Any) -> None:
        events.append(event)
        if type(event).__name__ == "RunEnded":
            ready = next(e for e in events if type(e).__name__ == "DataReady")
            Path(str(ready.report.table.pictures[ready.split.test[0]].path)).unlink()

    options: dict[str, Any] = {"backbones": ["tiny"], "policies": ["unfreeze-all"], "catalog": catalog}
    learns = {"epochs": 6, "learning_rate": 0.02, "observe": watch}
    board = zoo.compare(photos, store=tmp_path, **(QUICK | options | learns))
    assert board.recommended is not None
    assert board.recommended.test is None
    assert any(note.startswith("The recommended row has no test score") for note in board.notes)


def test_a_folder_named_demo_does_not_hide_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, catalog: Catalog
) -> None:
    """No data given means the demo, whatever lies in the present folder."""
    for name in ("a", "b"):
        (tmp_path / "demo" / name).mkdir(parents=True)
        Image.new("RGB", (20, 20)).save(tmp_path / "demo" / name / "x.png")
    monkeypatch.chdir(tmp_path)
    from zoo.dataset import find_source

    assert find_source("demo", catalog, source="demo")[0].name == "demo"


def test_a_lambda_leaves_no_draft(tmp_path: Path) -> None:
    """A save that is refused leaves nothing behind."""
    entry = keras.Input((4,))
    with pytest.raises(TrainingError, match="cannot be loaded again"):
        save_model(keras.Model(entry, keras.layers.Lambda(lambda x: x)(entry)), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_more_blocks_than_there_are_is_said(bench: Bench) -> None:
    """`k=9` on a network of four blocks opens all four, and a note says so."""
    from zoo.proof import early_notes

    recipe = bench.recipe("unfreeze-top-k:k=9")
    assert "tiny has 4 blocks, so unfreeze-top-k:k=9 opens all of them." in early_notes(recipe, bench.build(recipe), 40)
