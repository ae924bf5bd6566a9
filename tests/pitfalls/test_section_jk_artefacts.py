"""Pitfalls of sections J and K: what is saved and loaded, memory and speed. Named after their numbers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

import zoo
from zoo.artefact import load_model, save_model
from zoo.augmenting import Augmenter
from zoo.errors import RunFormatError, TrainingError
from zoo.events import Note, RunEnded
from zoo.prefix import FeatureCache

if TYPE_CHECKING:
    from conftest import Bench

    from zoo.registry import Catalog
    from zoo.runs import Run


@pytest.fixture
def run(photos: Path, tmp_path: Path, catalog: Catalog) -> Run:
    """A finished run with augmentation."""
    return zoo.fit(
        photos,
        backbone="tiny",
        policy="unfreeze-all",
        augment="light",
        epochs=2,
        batch_size=8,
        store=tmp_path / "store",
        observe=lambda _: None,
        catalog=catalog,
    )


PLAIN = """
import json, sys
sys.modules["zoo"] = None  # as if it were not installed
import keras, numpy as np
model = keras.models.load_model(sys.argv[1], safe_mode=True)
card = json.load(open(sys.argv[2], encoding="utf-8"))
probabilities = model.predict(np.load(sys.argv[3]), verbose=0)
print(json.dumps([probabilities.tolist(), [card["classes"][i] for i in probabilities.argmax(1)]]))
"""


@pytest.mark.backends
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_pitfall_87_and_99_plain_keras_loads_it_on_every_backend(
    run: Run, photos: Path, tmp_path: Path, backend: str
) -> None:
    """A fresh process without zoo predicts the same probabilities (1e-4) and the same names, from the folder alone."""
    pytest.importorskip(backend)
    from zoo.pixels import prepare

    paths = sorted(photos.glob("*/*.png"))[::6]
    np.save(tmp_path / "pixels.npy", np.stack([prepare(path, size=16) for path in paths]))
    arguments = [str(run.folder / "model.keras"), str(run.folder / "card.json"), str(tmp_path / "pixels.npy")]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PLAIN, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    probabilities, names = json.loads(done.stdout.splitlines()[-1])
    mine = run.predict(paths)
    assert [prediction.label for prediction in mine] == names
    ours = [list(prediction.probabilities.values()) for prediction in mine]
    assert np.abs(np.array(ours) - np.array(probabilities)).max() <= 1e-4


def test_pitfall_84_saved_and_loaded_scores_are_equal_key_by_key(run: Run) -> None:
    """The card's scores are the record's, field by field."""
    card = json.loads((run.folder / "card.json").read_text(encoding="utf-8"))
    assert run.scores is not None
    assert card["validation"]["accuracy"] == run.scores.accuracy
    assert card["validation"]["loss"] == run.scores.loss
    assert card["classes"] == ["dark", "light"]


def test_pitfall_32_and_38_the_model_takes_raw_pixels(run: Run) -> None:
    """uint8 and float 0-255 give the same, and it is what `predict` gives."""
    pixels = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    as_bytes = run.model.predict(pixels, verbose=0)
    assert np.array_equal(as_bytes, run.model.predict(pixels.astype("float32"), verbose=0))
    rows = np.array([list(prediction.probabilities.values()) for prediction in run.predict(pixels)])
    assert np.abs(rows - as_bytes).max() <= 1e-6


def test_pitfall_33_a_file_is_predicted_as_in_its_folder(run: Run, photos: Path) -> None:
    """One file alone and the same file among others: the same probabilities to 1e-6."""
    folder = run.predict(photos / "dark")
    alone = run.predict(photos / "dark" / "07.png")[0]
    among = next(prediction for prediction in folder if prediction.item.endswith("07.png"))
    assert alone.probability == pytest.approx(among.probability, abs=1e-6)


def test_pitfall_88_no_augmentation_is_in_the_model(run: Run) -> None:
    """No Random layer is in what leaves the library."""
    assert not [layer.name for layer in run.model.layers if "Random" in type(layer).__name__]


def test_pitfall_89_three_ways_to_call_the_model_agree(run: Run) -> None:
    """model(x), model.predict(x) and model(x, training=False) are equal, five times over."""
    pixels = np.random.default_rng(1).integers(0, 256, (4, 16, 16, 3)).astype("float32")
    expected = run.model.predict(pixels, verbose=0)
    for _ in range(5):
        for result in (run.model(pixels), run.model(pixels, training=False)):
            assert np.abs(keras.ops.convert_to_numpy(result) - expected).max() <= 1e-6


def test_pitfall_86_a_lambda_is_refused_when_it_is_saved(tmp_path: Path) -> None:
    """A model that plain Keras would not load safely is an error at the save, not at the customer's."""
    entry = keras.Input((4,))
    model = keras.Model(entry, keras.layers.Lambda(lambda x: x * 2)(entry))
    with pytest.raises(TrainingError, match="The saved model cannot be loaded again"):
        save_model(model, tmp_path)
    assert not (tmp_path / "model.keras").exists()


def test_pitfall_85_a_damaged_model_is_said(run: Run) -> None:
    """A truncated model file gives the path and the next step, no traceback of a library."""
    path = run.folder / "model.keras"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(RunFormatError, match="cannot be loaded") as caught:
        load_model(run.folder)
    assert str(path) in caught.value.message


def test_pitfall_90_an_augmentation_that_changes_the_shape_is_refused(bench: Bench) -> None:
    """Cropping in training only would break at the first validation: an error before the first step."""
    recipe = bench.recipe(epochs=1)
    with pytest.raises(TrainingError, match=r"turned pictures of shape \(16, 16, 3\) into \(8, 8, 3\)"):
        bench.train(bench.build(recipe), recipe, augment=Augmenter((keras.layers.RandomCrop(8, 8, seed=1),)))


def test_pitfall_94_features_beyond_the_limit_are_not_kept(bench: Bench) -> None:
    """Size is estimated before anything is computed; above the limit nothing is held, and that is said."""
    assembly = bench.build(bench.recipe()).assembly
    events: list[Any] = []
    cache = FeatureCache(limit=1000, observe=events.append)
    features = cache.features((assembly.prefix(4),), bench.pixels, key="x")
    assert features.stored is None
    assert [event.level for event in events if isinstance(event, Note)] == ["warning"]
    assert features.take(slice(0, 3))[0].shape == (3, 4, 4, 12)


def test_the_cache_never_grows_beyond_its_limit(bench: Bench) -> None:
    """Least recently used features leave; a hit is the very array that was kept."""
    assembly = bench.build(bench.recipe()).assembly
    size = 48 * 4 * 4 * 12 * 4
    cache = FeatureCache(limit=2 * size)
    first = cache.features((assembly.prefix(4),), bench.pixels, key="a").stored
    for key in ("b", "a", "c"):
        cache.features((assembly.prefix(4),), bench.pixels, key=key)
    assert cache.features((assembly.prefix(4),), bench.pixels, key="a").stored is first
    assert len(cache._entries) == 2


def test_pitfall_93_memory_does_not_grow_with_rows(photos: Path, tmp_path: Path, catalog: Catalog) -> None:
    """Resident memory grows by less than 2 MB a row after the fifth."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("resident memory is read from /proc, which is not there")
    resident: list[float] = []

    def watch(event: Any) -> None:
        if isinstance(event, RunEnded):
            pages = int(statm.read_text(encoding="ascii").split()[1])
            resident.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)

    zoo.compare(
        photos,
        backbones=["tiny"],
        policies=["bn-trainable"],
        seeds=14,
        epochs=1,
        batch_size=8,
        store=tmp_path,
        observe=watch,
        catalog=catalog,
    )
    assert len(resident) == 14
    assert np.polyfit(range(9), resident[5:], 1)[0] < 2.0


TORCH_ONLY = """
import sys
import zoo
from zoo.hookspecs import hookimpl
from zoo.plugins import load_catalog
from zoo.testing import tiny_backbone

class Tiny:
    @staticmethod
    @hookimpl
    def zoo_backbones():
        return [tiny_backbone()]

run = zoo.fit(sys.argv[1], backbone="tiny", policy="bn-trainable", augment="light", epochs=1, batch_size=8,
              store=sys.argv[2], observe=lambda event: None, catalog=load_catalog(only=[], extra=[Tiny]))
run.predict(sys.argv[1])
print("tensorflow" in sys.modules, run.receipt.verdict)
"""


@pytest.mark.backends
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_pitfall_96_and_97_other_backends_need_no_tensorflow(photos: Path, tmp_path: Path, backend: str) -> None:
    """A whole run on torch or JAX never imports TensorFlow."""
    pytest.importorskip(backend)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TORCH_ONLY, str(photos), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "KERAS_BACKEND": backend},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split()[-2:] == ["False", "PASS"]
