"""`zoo.scout`: what it looks at, what it keeps, and what a backbone that fails costs."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import zoo
from zoo import scouting
from zoo.contracts import Backbone, Weights
from zoo.disk_cache import open_cache
from zoo.errors import AbsentWeightsError, UsageError
from zoo.events import Note
from zoo.hookspecs import hookimpl
from zoo.plugins import load_catalog
from zoo.prefix import FeatureCache
from zoo.registry import Catalog
from zoo.testing import tiny_backbone
from zoo.weights import offline

if TYPE_CHECKING:
    from pathlib import Path

SOME = Weights(id="some", origin="nowhere", licence="none", trained_on="nothing")


def scout(photos: Path, store: Path, catalog: Catalog, *backbones: str, **options: Any) -> zoo.Ranking:
    """A silent call."""
    return zoo.scout(photos, backbones=backbones, store=store, catalog=catalog, observe=lambda _: None, **options)


def stocked(*items: Backbone) -> Catalog:
    """A catalog with these backbones only, and what is built in of the other kinds."""

    class Stock:
        @staticmethod
        @hookimpl
        def zoo_backbones() -> list[Backbone]:
            return list(items)

    whole = load_catalog(only=[], extra=[Stock])
    kept = [entry for entry in whole.entries if not isinstance(entry.item, Backbone) or entry.item in items]
    return Catalog(entries=tuple(kept))


def with_weights(name: str, *, fault: BaseException | None = None, **changes: Any) -> Backbone:
    """The tiny backbone as one that declares weights, which are random ones or an error."""
    plain = tiny_backbone(name=name)

    def build(*, size: int, weights: object) -> Any:
        if weights is not None and fault is not None:
            raise fault
        return plain.build(size=size, weights=None)

    return dataclasses.replace(plain, build=build, weights=(SOME,), **changes)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of pictures that went through models whose features are kept."""
    seen: list[int] = []
    real = FeatureCache._fill

    def spy(self: FeatureCache, stored: Any, path: Any, source: Any, task: str) -> None:
        seen.append(len(source[0]))
        real(self, stored, path, source, task)

    monkeypatch.setattr(FeatureCache, "_fill", spy)
    return seen


def test_backbones_are_ranked_with_their_scores_and_costs(photos: Path, tmp_path: Path, catalog: Catalog) -> None:
    """Each has a place, three scores inside their intervals, its weights, its time; one is recommended."""
    found = scout(photos, tmp_path, catalog, "tiny", "tiny:size=24", "tiny-fast:size=8")
    assert [one.rank for one in found.candidates] == [1, 2, 3]
    ranked = [getattr(one, found.ranked_by).value for one in found.candidates]
    assert ranked == sorted(ranked, reverse=True)
    for one in found.candidates:
        for measure in (one.log_me, one.neighbours, one.probe):
            assert measure.low <= measure.value <= measure.high
        assert one.milliseconds_per_image > 0
        assert one.features == 12
        assert one.parameters == catalog.backbone("tiny").build(size=16, weights=None).count_params()
    assert [one.recommended for one in found.candidates].count(True) == 1
    assert found.best.rank == 1 or found.best.tied_with_best
    assert str(found).startswith("1")


def test_only_training_pictures_are_looked_at(photos: Path, tmp_path: Path, catalog: Catalog) -> None:
    """What is kept on disk is of the training part alone, and of as many pictures as it has."""
    found = scout(photos, tmp_path, catalog, "tiny")
    kept = open_cache().entries()
    assert {entry.about["part"] for entry in kept} == {"train"}
    assert {entry.about["pictures"] for entry in kept} == {found.pictures} == {found.training}


def test_compare_finds_what_scout_computed(photos: Path, tmp_path: Path, catalog: Catalog, passes: list[int]) -> None:
    """After scout, a `freeze-all` row passes validation pictures through the backbone and no training picture."""
    training = scout(photos, tmp_path, catalog, "tiny").training
    before = {entry.key for entry in open_cache().entries()}
    board = zoo.compare(
        photos,
        backbones=["tiny"],
        policies=["freeze-all"],
        epochs=1,
        jobs=0,
        store=tmp_path,
        catalog=catalog,
        observe=lambda _: None,
    )
    new = [entry.about for entry in open_cache().entries() if entry.key not in before and entry.kind == "features"]
    assert board.n_train == training
    assert {about["part"] for about in new} == {"validation"}


def test_scout_finds_what_it_computed(
    photos: Path, tmp_path: Path, catalog: Catalog, passes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second call passes no picture, builds no network and says the same."""
    first = scout(photos, tmp_path, catalog, "tiny", "tiny:size=24")
    done = len(passes)
    monkeypatch.setattr("zoo.scouting.build", None)
    again = scout(photos, tmp_path, catalog, "tiny", "tiny:size=24")
    assert done
    assert len(passes) == done
    assert [one.known for one in first.candidates] == [False, False]
    assert again.candidates == tuple(dataclasses.replace(one, known=True) for one in first.candidates)


def test_without_the_cache_nothing_is_kept_and_scores_are_the_same(
    photos: Path, tmp_path: Path, catalog: Catalog
) -> None:
    """`cache=False` writes no entry; the three scores are equal to the last bit."""
    plain = scout(photos, tmp_path / "a", catalog, "tiny", cache=False)
    assert not open_cache().entries()
    kept = scout(photos, tmp_path / "b", catalog, "tiny")
    scores = [[(one.log_me, one.neighbours, one.probe) for one in found.candidates] for found in (plain, kept)]
    assert scores[0] == scores[1]


def test_a_sample_has_equal_shares_of_the_classes(photos: Path, tmp_path: Path, catalog: Catalog) -> None:
    """With fewer pictures than there are, each class gives its share, and the call says of how many."""
    found = scout(photos, tmp_path, catalog, "tiny", pictures=10)
    assert found.pictures == 10 < found.training
    whole = zoo.scouting.dataset_of(
        photos, catalog, zoo.scouting.Store(tmp_path), source=None, specs=[], disk=None, observe=lambda _: None
    )
    chosen = scouting._sampled(whole, 10)
    shares = [np.bincount(data.labels("train")) / len(data.labels("train")) for data in (whole, chosen)]
    assert np.abs(shares[0] - shares[1]).max() <= 0.1
    assert set(chosen.split.train) < set(whole.split.train)
    assert chosen.split.test == whole.split.test
    assert chosen.split.digest != whole.split.digest


def test_a_backbone_that_fails_costs_its_own_row(photos: Path, tmp_path: Path) -> None:
    """An error of any kind is the reason of one row, told in a note; the other is ranked."""
    catalog = stocked(with_weights("good"), with_weights("bad", fault=RuntimeError("broken\nfor good")))
    told: list[str] = []

    def observe(event: object) -> None:
        if isinstance(event, Note):
            told.append(event.text)

    found = zoo.scout(photos, store=tmp_path, catalog=catalog, observe=observe)
    assert [(one.backbone, one.rank) for one in found.candidates] == [("good", 1), ("bad", None)]
    assert found.candidates[1].reason == "RuntimeError: broken."
    assert any("RuntimeError: broken" in text for text in told)


def test_features_that_are_not_finite_cost_their_row(
    photos: Path, tmp_path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are told as such, not ranked."""
    real = scouting._passed

    def spoilt(*words: Any) -> Any:
        features, facts = real(*words)
        features[0] = np.nan
        return features, facts

    monkeypatch.setattr(scouting, "_passed", spoilt)
    found = scout(photos, tmp_path, catalog, "tiny")
    assert found.best is None
    assert "not finite" in found.candidates[0].reason


def test_weights_that_would_have_to_be_fetched_are_left_out(photos: Path, tmp_path: Path) -> None:
    """Without `download` no download is possible, and who was not named is only counted; named, it is a failed row."""
    asked: list[bool] = []

    def catalog() -> Catalog:
        far = with_weights("far")

        def build(*, size: int, weights: object) -> Any:
            asked.append(offline())
            if offline():
                raise AbsentWeightsError("Not here.", hint="Fetch it.")
            return tiny_backbone().build(size=size, weights=None)

        return stocked(with_weights("near"), dataclasses.replace(far, build=build))

    found = zoo.scout(photos, store=tmp_path, catalog=catalog(), observe=lambda _: None)
    assert [one.backbone for one in found.candidates] == ["near"]
    assert found.absent == ("far",)
    named = scout(photos, tmp_path, catalog(), "near", "far")
    assert "--download" in named.candidates[1].reason
    assert "ZOO_OFFLINE" not in os.environ
    fetched = zoo.scout(photos, store=tmp_path, catalog=catalog(), observe=lambda _: None, download=True)
    assert {one.backbone for one in fetched.candidates} == {"near", "far"}
    assert asked == [True, True, False]


def test_where_no_weights_are_here_the_error_says_what_to_do(photos: Path, tmp_path: Path) -> None:
    """All absent, or no backbone with weights at all: both are told with the way out."""
    absent = stocked(with_weights("far", fault=AbsentWeightsError("Not here.")))
    with pytest.raises(UsageError, match="None of 1 backbones") as told:
        zoo.scout(photos, store=tmp_path, catalog=absent, observe=lambda _: None)
    assert "--download" in told.value.hint
    with pytest.raises(UsageError, match="No installed backbone has pretrained weights"):
        zoo.scout(photos, store=tmp_path, catalog=stocked(tiny_backbone()), observe=lambda _: None)


def test_backbones_of_other_backends_are_counted(photos: Path, tmp_path: Path) -> None:
    """Who cannot be built on this backend is left out and told."""
    import keras

    other = next(name for name in ("torch", "jax") if name != keras.backend.backend())
    catalog = stocked(with_weights("near"), with_weights("elsewhere", backends=(other,)))
    found = zoo.scout(photos, store=tmp_path, catalog=catalog, observe=lambda _: None)
    assert found.unfit == ("elsewhere",)


@pytest.mark.parametrize(("name", "value"), [("pictures", 3), ("pictures", True), ("rank_by", "luck")])
def test_wrong_arguments_are_refused(photos: Path, tmp_path: Path, catalog: Catalog, name: str, value: object) -> None:
    """With the value, before any picture is read."""
    with pytest.raises(UsageError, match=repr(value)):
        scout(photos, tmp_path, catalog, "tiny", **{name: value})
