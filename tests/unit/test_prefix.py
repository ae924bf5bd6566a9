"""Frozen work: what is computed, what is kept where, and that it changes nothing."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

from zoo import prefix as prefix_module
from zoo.disk_cache import DiskCache
from zoo.forward import forward, value_of
from zoo.front import fixed_front
from zoo.prefix import FeatureCache, Features, fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Bench

ABOUT = {"backbone": "tiny", "part": "train"}


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Names of the models that batches have passed since the last question."""
    seen: list[str] = []
    own = prefix_module.forward_batch

    def counted(model: Any, tensors: Any) -> Any:
        seen.append(model.name)
        return own(model, tensors)

    monkeypatch.setattr(prefix_module, "forward_batch", counted)

    def taken() -> list[str]:
        names = list(seen)
        seen.clear()
        return names

    return taken


def path_of(bench: Bench, head: str = "gap") -> tuple[Any, ...]:
    """Closed blocks and front of a head."""
    assembly = bench.build(bench.recipe(head=head)).assembly
    parts = (assembly.prefix(4), assembly.front(4))
    return tuple(part for part in parts if part is not None)


@pytest.mark.parametrize(
    ("head", "width"), [("gap", 12), ("concat-pool", 24), ("mlp", 24), ("probe", 12), ("cosine", 12), ("flatten", None)]
)
def test_the_front_of_a_head_ends_before_its_weights(bench: Bench, head: str, width: int | None) -> None:
    """Front and rest say together what the network says; pooling is in the front, flattening would save nothing."""
    assembly = bench.build(bench.recipe(head=head)).assembly
    front = assembly.front(4)
    assert (front is None) == (width is None)
    assert assembly.front(3) is None
    tensors = forward(assembly.prefix(4), [bench.pixels])
    if front is not None:
        assert sum(output.shape[-1] for output in front.outputs) == width
        assert front.weights == []
        tensors = forward(front, tensors)
    found = forward(assembly.rest(4), tensors)[0]
    assert found == pytest.approx(forward(assembly.model, [bench.pixels])[0], abs=1e-5)


def test_layers_that_act_otherwise_in_training_are_no_front() -> None:
    """Dropout before pooling stays in the rest; so does what comes after it."""
    entry = keras.Input((4, 4, 3))
    x = keras.layers.AveragePooling2D(2)(entry)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Dropout(0.5)(x))
    (end,) = fixed_front(keras.Model(entry, keras.layers.Dense(2)(x)))
    assert tuple(end.shape) == (None, 2, 2, 3)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Dropout(0.5)(entry))
    assert fixed_front(keras.Model(entry, keras.layers.Dense(2)(x))) == ()


def test_heads_share_the_features_of_the_backbone(bench: Bench, passes: Callable[[], list[str]]) -> None:
    """A second head passes its own front only, over features that are there."""
    cache = FeatureCache()
    cache.features(path_of(bench), bench.pixels, key="train")
    assert set(passes()) == {"prefix_4", "front"}
    cache.features(path_of(bench, "concat-pool"), bench.pixels, key="train")
    assert set(passes()) == {"front"}
    cache.features(path_of(bench), bench.pixels, key="train")
    assert passes() == []


def test_features_behind_the_front_are_kept_where_those_before_it_are_too_large(
    bench: Bench, passes: Callable[[], list[str]]
) -> None:
    """The backbone's maps take 9,216 bytes and the pooled ones 2,304: with room for these alone they are the same."""
    path = path_of(bench)
    roomy, tight = FeatureCache(), FeatureCache(limit=3000)
    expected = roomy.features(path, bench.pixels, key="train").stored
    passes()
    found = tight.features(path, bench.pixels, key="train").stored
    assert passes() == ["prefix_4", "front"] * 2
    assert expected is not None
    assert found is not None
    assert [one.tobytes() for one in found] == [one.tobytes() for one in expected]
    assert tight.features(path, bench.pixels, key="train").stored is found


def test_features_are_read_from_the_disk_by_the_next_process(
    bench: Bench, tmp_path: Path, passes: Callable[[], list[str]]
) -> None:
    """Another cache over the same folder computes nothing but the front, with equal bits; it is not held in memory."""
    path, folder = path_of(bench), tmp_path / "cache"
    first = FeatureCache(disk=DiskCache(folder, limit=2**30))
    expected = first.features(path[:1], bench.pixels, key="train", about=ABOUT).stored
    passes()
    second = FeatureCache(limit=1, disk=DiskCache(folder, limit=2**30))
    found = second.features(path[:1], bench.pixels, key="train", about=ABOUT).stored
    assert passes() == []
    assert found is not None
    assert expected is not None
    assert isinstance(found[0], np.memmap)
    assert [one.tobytes() for one in found] == [one.tobytes() for one in expected]
    (entry,) = DiskCache(folder, limit=2**30).entries()
    assert (entry.kind, entry.about["backbone"], entry.about["pictures"]) == ("features", "tiny", 48)


def test_pooled_features_and_paces_are_read_by_the_next_process(
    bench: Bench, tmp_path: Path, passes: Callable[[], list[str]]
) -> None:
    """What the head's front makes lies on disk too, so the maps are not read again; nor is a picture timed again."""
    path, many = path_of(bench), np.tile(bench.pixels, (3, 1, 1, 1))
    first = FeatureCache(disk=DiskCache(tmp_path, limit=2**30))
    expected = first.features(path, many, key="train", about=ABOUT).stored
    passes()
    second = FeatureCache(disk=DiskCache(tmp_path, limit=2**30))
    found = second.features(path, many, key="train", about=ABOUT).stored
    assert passes() == []
    assert expected is not None
    assert found is not None
    assert [one.tobytes() for one in found] == [one.tobytes() for one in expected]
    assert second.paces[path[0]] == first.paces[path[0]] > 0
    kinds = [entry.kind for entry in DiskCache(tmp_path, limit=2**30).entries()]
    assert sorted(kinds) == ["checks", "features", "features"]


def test_other_weights_are_other_features(bench: Bench, tmp_path: Path) -> None:
    """One changed weight of a closed block, and what is on disk is not used."""
    (closed,) = path_of(bench)[:1]
    cache = FeatureCache(disk=DiskCache(tmp_path, limit=2**30))
    first = cache.features((closed,), bench.pixels, key="train", about=ABOUT).stored
    closed.weights[-3].assign(value_of(closed.weights[-3]) + 1)
    second = cache.features((closed,), bench.pixels, key="train", about=ABOUT).stored
    assert first is not None
    assert second is not None
    assert first[0].tobytes() != second[0].tobytes()
    assert len(DiskCache(tmp_path, limit=2**30).entries()) == 2


def test_features_of_another_backend_are_not_taken(
    bench: Bench, tmp_path: Path, passes: Callable[[], list[str]]
) -> None:
    """What decides the last bits beside graph and weights is part of the key on disk."""
    path = path_of(bench)[:1]
    for backend in ("torch", "tensorflow", "torch"):
        cache = FeatureCache(disk=DiskCache(tmp_path, limit=2**30), surroundings=backend)
        cache.features(path, bench.pixels, key="train", about=ABOUT)
    assert passes() == ["prefix_4"] * 4  # two batches for each of two backends
    assert len(DiskCache(tmp_path, limit=2**30).entries()) == 2


CODE = "import keras\n\nclass Times(keras.layers.Layer):\n    def call(self, x):\n        return x * {factor}\n"


def test_other_code_of_a_plugins_layer_is_another_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer of the same name and configuration whose file was edited is not taken for what it was."""
    monkeypatch.syspath_prepend(str(tmp_path))
    prints = []
    for factor in ("2.0", "2.0", "30.0"):
        (tmp_path / "times_layer.py").write_text(CODE.format(factor=factor), encoding="utf-8")
        monkeypatch.delitem(sys.modules, "times_layer", raising=False)
        module = importlib.import_module("times_layer")
        entry = keras.Input((2, 2, 3))
        nested = keras.Sequential([keras.Input((2, 2, 3)), module.Times()])
        prints.append(fingerprint(keras.Model(entry, nested(entry))))
    assert prints[0] == prints[1] != prints[2]


def test_features_without_a_description_stay_in_memory(bench: Bench, tmp_path: Path) -> None:
    """Nothing nameless is written."""
    cache = FeatureCache(disk=DiskCache(tmp_path, limit=2**30))
    assert cache.features(path_of(bench)[:1], bench.pixels, key="train").stored is not None
    assert DiskCache(tmp_path, limit=2**30).entries() == ()


def test_what_fits_nowhere_is_computed_when_it_is_asked_for(bench: Bench) -> None:
    """With one note, and the same values."""
    told: list[Any] = []
    path = path_of(bench)
    streamed = FeatureCache(limit=10, observe=told.append).features(path, bench.pixels, key="train")
    kept = FeatureCache().features(path, bench.pixels, key="train")
    assert streamed.stored is None
    rows = np.array([40, 3, 17])
    assert streamed.take(rows)[0] == pytest.approx(kept.take(rows)[0], abs=1e-6)
    assert sum("computed anew" in getattr(event, "text", "") for event in told) == 1


def test_no_closed_block_means_the_pictures_themselves(bench: Bench) -> None:
    """Nothing is computed and nothing copied."""
    features = FeatureCache().features((), bench.pixels, key="train")
    assert isinstance(features, Features)
    assert features.take(slice(2))[0].base is bench.pixels


def test_what_many_batches_took_is_remembered(bench: Bench) -> None:
    """Five batches tell what a picture costs; two say nothing, for the first of them traces the graph."""
    (closed,) = path_of(bench)[:1]
    cache = FeatureCache()
    cache.features((closed,), bench.pixels, key="few")
    assert closed not in cache.paces
    cache.features((closed,), np.tile(bench.pixels, (3, 1, 1, 1)), key="many")
    assert 0 < cache.paces[closed] < 1


def test_features_are_known_whatever_is_open(bench: Bench, passes: Callable[[], list[str]]) -> None:
    """While a phase is open its closed layers are not trained; afterwards all are. The features are the same ones."""
    built = bench.build(bench.recipe())
    cache = FeatureCache()
    with built.assembly.opened(built.phases[0]):
        cache.features(built.assembly.path(4), bench.pixels, key="train")
    assert passes()
    cache.features(built.assembly.path(4), bench.pixels, key="train")
    assert passes() == []


def test_progress_says_whose_features_are_computed(bench: Bench) -> None:
    """Training or validation pictures, and whether it is the whole backbone or the little that a head adds to it."""
    told: list[Any] = []
    cache = FeatureCache(observe=told.append)
    for part in ("validation", "train"):
        cache.features(path_of(bench), bench.pixels, key=part, about={"backbone": "tiny", "part": part})
    cache.features(path_of(bench, "concat-pool"), bench.pixels, key="train", about=ABOUT)
    tasks = [event.task.removeprefix("computing frozen features") for event in told if event.done == event.total]
    head = ", the head's part"
    assert tasks == [", validation", f", validation{head}", ", train", f", train{head}", f", train{head}"]
