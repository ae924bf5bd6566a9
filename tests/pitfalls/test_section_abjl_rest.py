"""Pitfalls of several sections that concern what the library does not take: other modules, other ranges, old code."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import zoo
from zoo.assembly import functional
from zoo.builtin import source_folder
from zoo.errors import ContractError
from zoo.events import EpochEnded
from zoo.forward import forward
from zoo.health import scan
from zoo.hookspecs import hookimpl
from zoo.plugins import load_catalog

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.registry import Catalog

TORCH = """
import sys
import keras, torch, zoo
from zoo.contracts import Backbone, Block
from zoo.errors import ZooError
from zoo.hookspecs import hookimpl
from zoo.plugins import load_catalog

def build(*, size, weights):
    pictures = keras.Input((size, size, 3))
    moved = keras.layers.Permute((3, 1, 2))(pictures)
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    maps = keras.layers.TorchModuleWrapper(module, name="body", output_shape=(None, 4, size - 2, size - 2))(moved)
    return keras.Model(pictures, keras.layers.Permute((2, 3, 1))(maps))

class Plugin:
    @staticmethod
    @hookimpl
    def zoo_backbones():
        blocks = (Block(name="all", layers=("*",)),)
        return [Backbone(name="wrapped", title="t", family="f", image_size=16, min_size=8, blocks=blocks, pixels="raw",
                         reference="r", build=build)]

try:
    zoo.fit(sys.argv[1], backbone="wrapped", policy="freeze-all", epochs=1, catalog=load_catalog(extra=[Plugin]))
except ZooError as error:
    print(error)
"""


def test_pitfall_9_torch_modules_are_refused_by_name(photos: Path, tmp_path: Path) -> None:
    """Their running statistics are buffers that no policy could prove fixed: the layer is named, and why."""
    pytest.importorskip("torch")
    done = subprocess.run(
        [sys.executable, "-c", TORCH, str(photos)],
        env={**os.environ, "KERAS_BACKEND": "torch", "ZOO_LOAD_PLUGINS": ""},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Backbone 'wrapped' holds a torch module ('body')." in done.stdout


@pytest.mark.parametrize("name", ["vgg16", "densenet121", "efficientnetb0"])
def test_pitfall_30_bytes_and_floats_are_the_same_pictures(name: str, catalog: Catalog) -> None:
    """0–255 as uint8 and as float32 give equal features; a hundredth of that gives others."""
    model = catalog.backbone(name).build(size=32, weights=None)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    whole = forward(model, [pixels])[0]
    np.testing.assert_array_equal(forward(model, [pixels.astype(np.float32)])[0], whole)
    assert np.abs(forward(model, [pixels.astype(np.float32) / 100])[0] - whole).max() > 1e-3 * np.abs(whole).max()


def test_pitfall_30_arrays_of_0_to_1_are_left_out_and_named(tmp_path: Path) -> None:
    """A float array among pictures is no picture: its file is named with what it holds."""
    draw = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(3):
            np.save(tmp_path / name / f"{number}.npy", draw.integers(0, 256, (20, 20, 3)).astype(np.uint8))
    np.save(tmp_path / "a" / "scaled.npy", draw.random((20, 20, 3), dtype=np.float32))
    report = scan(source_folder.load(tmp_path))
    assert [(one.id, "float32" in one.reason) for one in report.skipped] == [("a/scaled.npy", True)]


def test_pitfall_91_an_interrupted_run_starts_again(photos: Path, tmp_path: Path, catalog: Catalog) -> None:
    """It is not resumed, as the documentation says: the second call gives what an undisturbed run gives."""

    def stop(event: Any) -> None:
        if isinstance(event, EpochEnded) and event.record.epoch == 2:
            raise KeyboardInterrupt

    options: dict[str, Any] = {"backbone": "tiny", "policy": "unfreeze-all", "epochs": 3, "catalog": catalog}
    with pytest.raises(KeyboardInterrupt):
        zoo.fit(photos, store=tmp_path / "a", observe=stop, **options)
    again = zoo.fit(photos, store=tmp_path / "a", **options)
    alone = zoo.fit(photos, store=tmp_path / "b", **options)
    figures = [[(r.epoch, r.loss, r.val_loss) for r in run.record.history] for run in (again, alone)]
    assert figures[0] == figures[1]
    assert len(figures[0]) == 3


class Old:
    """A plugin written for Keras 2."""

    @staticmethod
    @hookimpl
    def zoo_heads() -> list[Any]:
        """Fails where the module is gone."""
        from keras.preprocessing.image import ImageDataGenerator

        return [ImageDataGenerator]


def test_pitfall_92_code_for_keras_2_gets_a_reason_of_one_line(catalog: Catalog) -> None:
    """A plugin that imports what Keras 3 has not is failed with the cause; the others are there."""
    found = load_catalog(only=[], extra=[Old])
    (report,) = [one for one in found.plugins if one.status == "failed"]
    assert report.cause.startswith("ImportError: cannot import name 'ImageDataGenerator'")
    assert "\n" not in report.cause
    assert found.names("head") == catalog.names("head")


def test_pitfall_92_a_model_of_another_keras_is_refused() -> None:
    """What is no Keras 3 model, whatever its class is called, is named by its class."""

    class Functional:
        """As tf_keras has one."""

    with pytest.raises(ContractError, match=r"Backbone 'old' built a Functional, not a functional keras.Model"):
        functional(Functional(), name="old")
