"""The made-up pictures: repeatable, independent of one another, and neither trivial nor empty."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zoo.builtin import source_demo
from zoo.builtin._panels import render
from zoo.builtin.source_demo import accepts, load
from zoo.errors import SourceError
from zoo.health import scan
from zoo.pixels import thumbnails


def array(table: Any) -> np.ndarray:
    """The pixels of a table, in order of the picture's number."""
    return np.stack([one.pixels for one in sorted(table.pictures, key=lambda one: one.id.split("/")[1])])


def test_table_is_balanced_and_sound() -> None:
    """Half of the pictures are of each class, all different, and the scan has nothing to say."""
    table = load(images=40, size=48)
    assert table.classes == ("clean", "damaged")
    assert [one.label for one in table.pictures] == [0] * 20 + [1] * 20
    assert all(one.id.startswith(table.classes[one.label]) for one in table.pictures)
    assert array(table).shape == (40, 48, 48, 3)
    assert scan(table).notes == ()


def test_same_seed_same_pictures() -> None:
    """Two calls agree in every pixel; another seed gives other pictures."""
    assert np.array_equal(array(load("demo", images=40, size=32)), array(load(images=40, size=32)))
    assert not np.array_equal(array(load(images=40, size=32, seed=1))[0], array(load(images=40, size=32))[0])


def test_pictures_depend_on_their_number_only() -> None:
    """A larger set begins with the smaller one."""
    assert np.array_equal(array(load(images=60, size=32))[:40], array(load(images=40, size=32)))


def test_damage_is_all_that_differs() -> None:
    """The same numbers with and without damage give the same picture but for some places."""
    changed = []
    for seed in range(20):
        pair = [render(np.random.default_rng(seed), size=64, damaged=kind).astype(int) for kind in (False, True)]
        changed.append((np.abs(pair[0] - pair[1]).max(axis=2) > 8).mean())
    assert min(changed) > 0.002
    assert np.median(changed) < 0.25


def test_colour_and_layout_do_not_give_the_class_away() -> None:
    """The nearest of the other thumbnails has the same class less often than in 7 of 10 cases."""
    table = load(images=240, size=64)
    small = thumbnails(array(table))
    labels = np.arange(240) % 2
    distance = ((small[:, None] - small[None]) ** 2).sum(axis=2)
    np.fill_diagonal(distance, np.inf)
    assert (labels[distance.argmin(axis=1)] == labels).mean() < 0.7


def test_damage_can_be_seen() -> None:
    """Damaged panels have more fine jagged detail than clean ones, in the mean over many."""
    pixels = array(load(images=160, size=64)).astype(np.float32).mean(axis=3)
    rough = np.abs(np.diff(pixels, n=2, axis=1)).mean(axis=(1, 2))
    assert rough[1::2].mean() > 1.05 * rough[::2].mean()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": 39}, "images=39.\nGive a whole number, 40 to 20,000."),
        ({"images": 40.0}, "images=40.0.\nGive a whole number, 40 to 20,000."),
        ({"seed": -1}, "seed=-1.\nGive a whole number, 0 or more."),
        ({"size": 16}, "size=16.\nGive a whole number, 32 to 512."),
    ],
)
def test_options_have_ranges(options: dict[str, Any], message: str) -> None:
    """Options out of their range are refused with the range."""
    with pytest.raises(SourceError) as caught:
        load("demo", **options)
    assert str(caught.value) == f"The demo pictures cannot be drawn with {message}"


def test_only_its_own_name_is_accepted() -> None:
    """The source answers to `demo`, not to paths."""
    assert [one for one in ("demo", "demo/", "Demo", "", None, 3) if accepts(one)] == ["demo"]
    with pytest.raises(SourceError, match="cannot load 'photos'"):
        load("photos")


def test_plugin_contributes_one_source() -> None:
    """The hook returns the record, and the options have the defaults of `load`."""
    (source,) = source_demo.zoo_sources()
    assert (source.name, source.load, source.accepts) == ("demo", load, accepts)
    assert {one.name: one.default for one in source.options} == {"images": 360, "seed": 0, "size": 128}
