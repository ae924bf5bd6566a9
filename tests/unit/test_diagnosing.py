"""`zoo.diagnose`: what it finds on networks whose statistics are known to fit or not, and what it refuses."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo import diagnosing
from zoo.contracts import Backbone, Block, Weights
from zoo.errors import SourceError, UsageError, WeightsError
from zoo.hookspecs import hookimpl
from zoo.inputs import Finding
from zoo.pixels import prepare
from zoo.plugins import load_catalog
from zoo.testing import tiny_backbone

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.diagnosis import Diagnosis
    from zoo.registry import Catalog

SOME = Weights(id="some", origin="nowhere", licence="none", trained_on="pictures like these")


def pictures_of(label: int, count: int, seed: int) -> np.ndarray:
    """Pictures of a class as the fixture `photos` has them, resized to 16 px."""
    draw = np.random.default_rng(seed)
    values = draw.normal(90 + 70 * label, 40, (count, 20, 24, 3)).clip(0, 255).astype(np.uint8)
    return np.stack([prepare(picture, size=16) for picture in values])


def known(name: str, *, off: float = 1.0, momentum: float = 0.5) -> Backbone:
    """The tiny backbone with statistics of such pictures; the first layer's variance is off by a factor."""
    plain = tiny_backbone(name=name, momentum=momentum)

    def build(*, size: int, weights: object) -> Any:
        import keras

        from zoo.moments import measure
        from zoo.shift import pooled

        model = plain.build(size=size, weights=None)
        if weights is None:
            return model
        pixels = np.concatenate([pictures_of(label, 32, seed=9 + label) for label in (0, 1)])
        for number, layer in enumerate(measure(model, pixels, by_batch=True, batch_size=64, places=None).layers):
            mean, variance = pooled(layer)
            own = model.get_layer(layer.name)
            assert isinstance(own, keras.layers.BatchNormalization)
            own.moving_mean.assign(mean)
            own.moving_variance.assign(variance * (1.0 if number else off))
        return model

    return dataclasses.replace(plain, build=build, weights=(SOME,))


def bare() -> Backbone:
    """A network without BatchNorm."""

    def build(*, size: int, weights: object) -> Any:
        import keras

        if weights is not None:
            raise WeightsError("The weights are gone.", hint="Fetch them.")
        entry = keras.Input((size, size, 3))
        return keras.Model(entry, keras.layers.Conv2D(4, 3, name="conv")(entry))

    plain = tiny_backbone(name="bare")
    return dataclasses.replace(plain, build=build, blocks=(Block(name="all", layers=("conv",)),), weights=(SOME,))


@pytest.fixture
def stock() -> Catalog:
    """Networks of known statistics."""

    class Stock:
        @staticmethod
        @hookimpl
        def zoo_backbones() -> list[Backbone]:
            slow = known("far", off=255.0**2, momentum=0.99)
            broken = known("broken", off=float("nan"))
            return [known("fitting"), known("off", off=400.0), slow, broken, bare(), tiny_backbone()]

    return load_catalog(only=[], extra=[Stock])


@pytest.fixture
def ask(photos: Path, tmp_path: Path, stock: Catalog) -> Any:
    """A silent diagnosis of the photos."""

    def call(backbone: str, data: Path | None = None, **options: Any) -> Diagnosis:
        quiet = {"store": tmp_path / "store", "observe": lambda _: None, "catalog": options.pop("catalog", stock)}
        return zoo.diagnose(
            data or photos, backbone=f"{backbone}{',' if ':' in backbone else ':'}size=16", **quiet, **options
        )

    return call


def names(found: Diagnosis) -> list[str]:
    """Of the verdicts."""
    return [verdict.name for verdict in found.verdicts]


def test_statistics_of_such_pictures_fit(ask: Any) -> None:
    """Nothing is wrong, the first verdict says so, and no more steps are needed than there are."""
    found = ask("fitting", epochs=20)
    assert names(found) == ["fit"]
    assert found.fits
    assert found.shift.divergence < 0.05
    assert (found.train, found.validation, found.training) == (34, 7, 34)
    assert found.steps == 20 * 34 // 32
    assert [layer.name for layer in found.layers] == ["stem_bn", "unit1_bn", "unit2_bn", "top_bn"]
    assert found.passes == 41 + 17 + 17 + 2 * 34  # as they are, estimated, scored, other colours


def test_a_network_that_makes_no_numbers_is_told_to_be_broken(ask: Any) -> None:
    """One weight that is not a number: that is the diagnosis, and there is no advice; it is no error."""
    found = ask("broken")
    assert names(found) == ["wrong-inputs"]
    assert "not-a-number" in found.verdicts[0].title
    assert "weights are broken" in found.verdicts[0].reason + found.verdicts[0].remedy
    assert found.advice is None
    assert found.layers == ()
    assert not found.fits
    json.loads(found.to_json())


def test_a_variance_that_is_off_is_found_where_it_is(ask: Any) -> None:
    """400 times too large a variance in the first layer."""
    found = ask("off", epochs=1)
    assert found.layers[0].log_ratio == pytest.approx(-np.log(400), abs=0.3)
    assert found.layers[0].divergence > 100
    assert "shifted" in names(found)
    assert found.travel.layer == "stem_bn"


def test_too_few_steps_are_told_with_what_would_do(ask: Any) -> None:
    """255² away at momentum 0.99, 10 steps planned: the number that is needed, and a momentum for 10 steps."""
    found = ask("far", epochs=10)
    verdict = next(one for one in found.verdicts if one.name == "few-steps")
    assert f"{found.travel.needed:,} needed" in verdict.title
    assert found.travel.needed > 500
    assert 0.2 < found.travel.sufficient < 0.6
    assert "stats=precise" in verdict.remedy
    assert f"{found.travel.sufficient:.3g}" in verdict.remedy


def test_estimated_statistics_bring_features_back(ask: Any) -> None:
    """With a stored variance that mutes the first layer, statistics of other pictures tell more right."""
    found = ask("far")
    assert found.effect.pictures == 17
    assert found.effect.re_estimated.log_me > found.effect.stored.log_me


def test_a_validation_part_that_is_different_is_told(ask: Any, tmp_path: Path) -> None:
    """Pre-split data whose validation pictures are darker and flatter."""
    folder = tmp_path / "split"
    for part, count, scale in (("train", 24, 1.0), ("val", 16, 0.4)):
        for label, name in enumerate(("dark", "light")):
            (folder / part / name).mkdir(parents=True)
            for number, picture in enumerate(pictures_of(label, count, seed=label + 10 * count)):
                Image.fromarray((picture * scale).astype(np.uint8)).save(folder / part / name / f"{number:02}.png")
    found = ask("fitting", folder)
    assert "sides-differ" in names(found)
    assert found.sides.p_value <= 0.01


def test_random_weights_and_no_batch_norm_are_told(ask: Any) -> None:
    """There is nothing that could misfit, and no advice is made up."""
    assert names(ask("tiny")) == ["untrained"]
    found = ask("bare:weights=none")
    assert names(found) == ["no-batch-norm"]
    assert found.layers == ()


@pytest.mark.parametrize(("sure", "name"), [(True, "wrong-inputs"), (False, "doubtful-inputs")])
def test_inputs_in_doubt_are_told_and_hold_no_advice_back(
    ask: Any, monkeypatch: pytest.MonkeyPatch, *, sure: bool, name: str
) -> None:
    """Of inputs that are surely wrong no advice follows; neither are called fitting."""
    finding = Finding("swapped", "Red and blue may be swapped.", "Look at the files.", sure=sure)
    monkeypatch.setattr("zoo.readings.counted", lambda *_, **__: (finding, 0))
    found = ask("fitting", epochs=20)
    assert names(found) == [name, "fit"]
    assert not found.fits
    assert (found.advice is None) == sure


def test_the_test_part_is_not_decoded(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the split, pictures of the training and validation parts are asked for and no others."""
    asked: list[int] = []
    original = diagnosing.load_pixels

    def load(table: Any, indices: Any, **options: Any) -> Any:
        asked.extend(indices)
        return original(table, indices, **options)

    monkeypatch.setattr(diagnosing, "load_pixels", load)
    ask("fitting", pictures=20)
    assert len(asked) == len(set(asked)) == 20
    monkeypatch.setattr(diagnosing, "_looked_at", lambda *_, **__: {"verdicts": (), "layers": ()})
    ask("fitting")
    assert len(set(asked)) == 41  # of 48: seven are the test part


def test_the_sample_is_even_and_repeats(ask: Any) -> None:
    """Both classes have their share, and the same seed gives the same numbers."""
    labels = np.repeat([0, 1], [300, 100])
    rows = diagnosing._evenly(labels, 40, seed=3)
    assert np.bincount(labels[rows]).tolist() == [30, 10]
    assert np.bincount(labels[rows[:20]], minlength=2).tolist() == [15, 5]
    assert ask("fitting").to_dict()["shift"] == ask("fitting").to_dict()["shift"]


@pytest.mark.parametrize("pictures", [15, 2.5, True, "all"])
def test_a_wrong_number_of_pictures_is_refused(ask: Any, pictures: object) -> None:
    """Before anything is read."""
    with pytest.raises(UsageError, match="pictures must be"):
        ask("fitting", pictures=pictures)


def test_what_cannot_be_diagnosed_is_refused_with_a_hint(ask: Any, tmp_path: Path, photos: Path) -> None:
    """An unknown backbone, weights that are gone, one class, a number out of its range."""
    with pytest.raises(UsageError, match="no backbone named 'fiting'") as unknown:
        ask("fiting")
    assert "fitting" in unknown.value.hint
    with pytest.raises(WeightsError, match="gone"):
        ask("bare")
    with pytest.raises(UsageError, match="batch_size"):
        ask("fitting", batch_size=1)
    (tmp_path / "one").mkdir()
    (photos / "dark").rename(tmp_path / "one" / "dark")
    with pytest.raises(SourceError):
        ask("fitting", tmp_path / "one")


def test_a_backbone_for_another_backend_is_refused(ask: Any, stock: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to set."""
    entries = [
        dataclasses.replace(one, item=dataclasses.replace(one.item, backends=("torch",)))
        if getattr(one.item, "name", "") == "fitting"
        else one
        for one in stock.entries
    ]
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setattr("zoo.feasibility.active_backend", lambda: "jax")
    with pytest.raises(UsageError, match="cannot be built") as refused:
        ask("fitting", catalog=dataclasses.replace(stock, entries=tuple(entries)))
    assert "KERAS_BACKEND=torch" in refused.value.hint


def test_the_record_becomes_json_and_html(ask: Any, tmp_path: Path) -> None:
    """JSON holds all that was measured; the page needs nothing from elsewhere, and names cannot break it."""
    found = dataclasses.replace(ask("off"), backbone="<b>&amp", location="</style><script>")
    document = json.loads(found.to_json())
    assert document["format"] == 1
    assert document["layers"][0]["name"] == "stem_bn"
    assert document["travel"]["needed"] == found.travel.needed
    page = found.to_html()
    assert "<script" not in page
    assert not re.search(r"(src|href|url\()", page)
    assert page.count("<rect") == 3 * len(found.layers)
    assert "prefers-color-scheme: dark" in page
    assert found.verdicts[0].title in found._repr_html_()
