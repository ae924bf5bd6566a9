"""Fixtures for all tests."""

from __future__ import annotations

import dataclasses
import itertools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from zoo.hookspecs import hookimpl
from zoo.plugins import load_catalog
from zoo.recipe import complete_augmentation, complete_backbone, complete_head, complete_policy
from zoo.testing import tiny_backbone
from zoo.values import Recipe, Side

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.contracts import Backbone
    from zoo.registry import Catalog

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as zoo does before it imports Keras; tests import Keras first


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take minutes come first, so that no process is left alone with them in the end."""
    items.sort(key=lambda item: "conformance" not in item.path.parts)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photos beside the repository, or a skip that says so."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        if os.environ.get("ZOO_REQUIRE_SHARED"):
            pytest.fail(f"The real photos are missing, and ZOO_REQUIRE_SHARED is set: {folder}")
        pytest.skip(f"The real photos are not there: {folder}")
    return folder


@pytest.fixture(scope="session")
def _caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Names of folders for caches that no two tests share."""
    root = tmp_path_factory.mktemp("caches")
    return (root / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def _own_cache(_caches: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a cache of its own, and nothing is written into that of the person who runs it."""
    monkeypatch.setenv("ZOO_CACHE", str(next(_caches)))


class TinyPlugin:
    """Contributes the tiny backbone to a catalog."""

    @staticmethod
    @hookimpl
    def zoo_backbones() -> list[Backbone]:
        """Two sizes of momentum, so that the lag of the statistics can be told apart."""
        return [tiny_backbone(), tiny_backbone(name="tiny-fast", momentum=0.5)]


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """Everything built in and the tiny backbones; no installed plugins."""
    return load_catalog(only=[], extra=[TinyPlugin])


@dataclass
class Bench:
    """A network in training, for tests that look inside."""

    catalog: Catalog
    pixels: np.ndarray
    labels: np.ndarray

    def recipe(
        self, policy: str = "freeze-all", *, backbone: str = "tiny", head: str = "gap", **changes: Any
    ) -> Recipe:
        """A recipe over the bench's pictures."""
        plain = Recipe(
            backbone=complete_backbone(self.catalog, backbone),
            head=complete_head(self.catalog, head),
            policy=complete_policy(self.catalog, policy),
            augmentation=complete_augmentation(self.catalog, "none"),
            data="data",
            split="split",
            classes=("dark", "light"),
            epochs=2,
            batch_size=16,
        )
        return dataclasses.replace(plain, **changes)

    def sides(self) -> tuple[Side, Side]:
        """Training pictures, and every third of them again for validation."""
        return Side(self.pixels, self.labels, "train"), Side(self.pixels[::3], self.labels[::3], "validation")

    def build(self, recipe: Recipe) -> Any:
        """The network and phases of a recipe, seeded."""
        from zoo.backend import clean_state
        from zoo.building import build

        with clean_state(recipe.seed):
            return build(recipe, self.catalog)

    def train(self, built: Any, recipe: Recipe, **options: Any) -> Any:
        """Trains a built network in place."""
        from zoo import statistics
        from zoo.prefix import FeatureCache
        from zoo.training import train

        options.setdefault("sides", self.sides())
        options.setdefault("cache", FeatureCache())
        phases = options.pop("phases", built.phases)
        return train(built.assembly, phases, recipe, judge=statistics.score, **options)


@pytest.fixture
def bench(catalog: Catalog) -> Bench:
    """48 pictures of noise in two classes, with a mean of about 200 and a difference that can be learned."""
    draw = np.random.default_rng(0)
    labels = np.arange(48, dtype=np.int64) % 2
    pixels = draw.normal(190, 30, (48, 16, 16, 3)) + 30 * labels[:, None, None, None]
    return Bench(catalog, pixels.clip(0, 255).astype(np.uint8), labels)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with two classes of 24 pictures each that a tiny network can learn."""
    draw = np.random.default_rng(1)
    folder = tmp_path / "photos"
    for label, name in enumerate(("dark", "light")):
        (folder / name).mkdir(parents=True)
        for number in range(24):
            pixels = draw.normal(90 + 70 * label, 40, (20, 24, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number:02}.png")
    return folder
