"""Recipes: completed from a catalog, checked, named by digest, written and read."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.contracts import Augmentation, Backbone, Block, Head, Option, Policy, Source, Weights
from zoo.errors import RecipeError, RunFormatError, UnknownNameError
from zoo.recipe import (
    complete_augmentation,
    complete_backbone,
    complete_head,
    complete_policy,
    complete_source,
    item_options,
    item_origins,
    recipe_digest,
    recipe_from_json,
    recipe_to_json,
    row_digest,
    validate_recipe,
)
from zoo.registry import Catalog, Entry
from zoo.settings import SINCE
from zoo.values import Optimiser, Precision, Recipe, Schedule, Spec

BACKBONE = Backbone(
    name="lite0",
    title="t",
    family="f",
    image_size=224,
    min_size=32,
    blocks=(Block(name="s", layers=("*",)),),
    pixels="p",
    reference="r",
    build=dict,
    weights=(Weights(id="imagenet", origin="o", licence="l", trained_on="t"),),
)
ITEMS = (
    BACKBONE,
    Head(name="gap", title="t", build=dict, options=(Option("dropout", 0.2, "Share.", minimum=0, maximum=1),)),
    Policy(name="top", title="t", plan=dict, options=(Option("k", 1, "Blocks.", minimum=1),)),
    Augmentation(name="none", title="t", build=dict),
    Source(name="folder", title="t", accepts=bool, load=dict, options=(Option("links", False, "Follow links."),)),
)
RECIPE = Recipe(
    backbone=Spec("lite0", (("weights", "imagenet"), ("size", 160)), "lite0:size=160"),
    head=Spec("gap", (("dropout", 0.2),), "gap"),
    policy=Spec("top", (("k", 2), ("deep", True)), "top:k=2"),
    augmentation=Spec("none", (), "none"),
    data="d" * 64,
    split="s" * 64,
    classes=("scratch", "dent"),
)
RATE = "learning_rate must be a finite number greater than 0, 'auto', or left out for the policy's own rates"
BATCH = "batch_size must be a whole number of at least 2 (a batch of one gives BatchNormalization no statistics)"
ENVIRONMENT = {"python": "3.11.7", "packages": {"keras": "3.15.1", "numpy": "2.0"}, "gpus": []}


@pytest.fixture
def catalog() -> Catalog:
    """One item of each kind."""
    return Catalog(entries=tuple(Entry(item, f"{item.name} 1.0") for item in ITEMS))


def test_specs_are_completed_by_kind(catalog: Catalog) -> None:
    """Each kind is looked up among its own, and gets its defaults."""
    assert complete_backbone(catalog, "lite0:size=160") == RECIPE.backbone
    assert complete_head(catalog, " gap ") == RECIPE.head
    assert complete_policy(catalog, "top:k=3").options == (("k", 3),)
    assert complete_augmentation(catalog, "none") == Spec("none", (), "none")
    assert str(complete_source(catalog, "folder:links=yes")) == "folder:links=true"
    assert [option.name for option in item_options(catalog, kind="backbone", name="lite0")] == ["weights", "size"]


def test_a_spec_is_checked_again(catalog: Catalog) -> None:
    """A spec that is complete passes unchanged; one made by hand is completed or refused."""
    spec = complete_backbone(catalog, 'lite0:weights="C:\\a,b.h5"')
    assert complete_backbone(catalog, spec) == spec
    assert complete_policy(catalog, Spec("top", (("k", 2),))) == Spec("top", (("k", 2),), "top:k=2")
    with pytest.raises(RecipeError, match="Option 'k' of policy 'top' must be at least 1, not 0"):
        complete_policy(catalog, Spec("top", (("k", 0),)))
    with pytest.raises(RecipeError, match="The policy 'top' has no option 'size'"):
        complete_policy(catalog, Spec("top", (("size", 1),)))


def test_unknown_items_are_named(catalog: Catalog) -> None:
    """The name before the colon is looked up, not the whole text."""
    with pytest.raises(UnknownNameError) as caught:
        complete_backbone(catalog, "lite1:size=160")
    assert (caught.value.message, caught.value.hint) == ("There is no backbone named 'lite1'.", "Did you mean lite0?")


def test_origins_name_the_versions_of_plugins(catalog: Catalog) -> None:
    """The four items of a recipe with what provides them."""
    assert item_origins(catalog, RECIPE) == {
        "backbone": "lite0 1.0",
        "head": "gap 1.0",
        "policy": "top 1.0",
        "augmentation": "none 1.0",
    }


@pytest.mark.parametrize(
    "changes",
    [{}, {"learning_rate": 1e-4, "patience": None, "label_smoothing": 0.1, "seed": 2**32 - 1, "epochs": np.int64(3)}],
)
def test_a_sound_recipe_passes(changes: dict[str, Any]) -> None:
    """Defaults and NumPy's numbers are fine."""
    validate_recipe(replace(RECIPE, **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs must be a whole number of at least 1, not 0."),
        ({"epochs": True}, "epochs must be a whole number of at least 1, not True."),
        (
            {"batch_size": 1},
            f"{BATCH}, not 1.",
        ),
        ({"label_smoothing": 1.0}, "label_smoothing must be a number of at least 0 and less than 1, not 1.0."),
        ({"label_smoothing": -0.1}, "label_smoothing must be a number of at least 0 and less than 1, not -0.1."),
        ({"patience": 0}, "patience must be a whole number of at least 1, or none at all, not 0."),
        (
            {"learning_rate": float("nan")},
            f"{RATE}, not nan.",
        ),
        (
            {"learning_rate": 0},
            f"{RATE}, not 0.",
        ),
        (
            {"learning_rate": "fast"},
            f"{RATE}, not 'fast'.",
        ),
        (
            {"schedule": "linear"},
            "schedule must be 'policy', 'constant', 'cosine' or 'one-cycle', not 'linear'.",
        ),
        ({"optimiser": "Adam"}, "optimiser must be 'adam', 'adamw', 'sgd', 'rmsprop' or 'lion', not 'Adam'."),
        ({"weight_decay": -1e-4}, "weight_decay must be a number of at least 0 and less than 1, not -0.0001."),
        ({"accumulate": 0}, "accumulate must be a whole number of at least 1, not 0."),
        ({"accumulate": 2.0}, "accumulate must be a whole number of at least 1, not 2.0."),
        ({"ema": 1}, "ema must be a number of at least 0 and less than 1, not 1."),
        ({"views": -1}, "views must be a whole number of at least 0, not -1."),
        ({"precision": "float64"}, "precision must be 'float32', 'bfloat16' or 'float16', not 'float64'."),
        ({"seed": 2**32}, "seed must be a whole number from 0 to 4294967295, not 4294967296."),
        ({"seed": -1}, "seed must be a whole number from 0 to 4294967295, not -1."),
        ({"metric": "f1"}, "metric must be 'accuracy' or 'balanced_accuracy', not 'f1'."),
        ({"classes": ("dent",)}, "A classifier needs at least 2 classes, not ['dent']."),
        ({"classes": ("a", "b", "a")}, "Class 'a' occurs twice."),
    ],
)
def test_a_wrong_value_is_said(changes: dict[str, Any], message: str) -> None:
    """Each limit of a recipe has its message with the value."""
    with pytest.raises(RecipeError) as caught:
        validate_recipe(replace(RECIPE, **changes))
    assert caught.value.message == message
    assert caught.value.hint


def test_the_digest_is_that_of_the_meaning() -> None:
    """Spelling and order of keys do not count; neither does 1 against 1.0 as a rate."""
    digest = recipe_digest(RECIPE, ENVIRONMENT)
    assert len(digest) == 64
    assert digest == recipe_digest(RECIPE, dict(reversed(ENVIRONMENT.items())))
    assert digest == recipe_digest(replace(RECIPE, head=replace(RECIPE.head, text="gap:dropout=0.2")), ENVIRONMENT)
    one, same = (replace(RECIPE, learning_rate=rate) for rate in (1, np.float64(1.0)))
    assert recipe_digest(one, {}) == recipe_digest(same, {})


@pytest.mark.parametrize(
    "changes",
    [
        {"backbone": Spec("lite0", (("weights", "none"), ("size", 160)))},
        {"head": Spec("gap", (("dropout", 0.3),))},
        {"policy": Spec("top", (("k", 2), ("deep", False)))},
        {"augmentation": Spec("flip")},
        {"data": "e" * 64},
        {"split": "e" * 64},
        {"classes": ("dent", "scratch")},
        {"epochs": 11},
        {"batch_size": 16},
        {"learning_rate": 1e-3},
        {"learning_rate": "auto"},
        {"schedule": "cosine"},
        {"optimiser": "sgd"},
        {"weight_decay": 0.01},
        {"accumulate": 2},
        {"ema": 0.99},
        {"precision": "bfloat16"},
        {"views": 4},
        {"label_smoothing": 0.1},
        {"patience": None},
        {"metric": "balanced_accuracy"},
        {"seed": 1},
    ],
)
def test_every_field_changes_the_digest(changes: dict[str, Any]) -> None:
    """Two recipes that differ have different digests; only the seed leaves the row the same."""
    other = replace(RECIPE, **changes)
    assert recipe_digest(other, ENVIRONMENT) != recipe_digest(RECIPE, ENVIRONMENT)
    assert (row_digest(other) == row_digest(RECIPE)) is (set(changes) == {"seed"})


def test_the_environment_changes_the_digest() -> None:
    """Another version of a package gives other numbers, in the same row."""
    other = ENVIRONMENT | {"packages": {"keras": "3.16.0", "numpy": "2.0"}}
    assert recipe_digest(RECIPE, other) != recipe_digest(RECIPE, ENVIRONMENT)


def test_digests_stay_what_they_were() -> None:
    """A change of the digest's form would make every finished run of every store run again: it must be on purpose."""
    assert row_digest(RECIPE) == "8f41fe80f7625b78229bdf5eb0f8d271c279c199007a2bea6e43e07321779c9c"
    assert recipe_digest(RECIPE, ENVIRONMENT) == "77627207dbb9066c64f0ffe558d185be92d92f9afd303b7dc1be7f9fb72479e2"


_NAMES = st.text(st.characters(exclude_categories=()), min_size=1)
_VALUES = st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans()
_SPECS = st.builds(Spec, _NAMES, st.lists(st.tuples(st.text(), _VALUES)).map(tuple), st.text())


@settings(deadline=None)
@given(
    st.builds(
        Recipe,
        backbone=_SPECS,
        head=_SPECS,
        policy=_SPECS,
        augmentation=_SPECS,
        data=st.text(),
        split=st.text(),
        classes=st.lists(_NAMES, min_size=2, unique=True).map(tuple),
        epochs=st.integers(1),
        batch_size=st.integers(2),
        learning_rate=st.none() | st.just("auto") | st.floats(1e-9, 1e9),
        schedule=st.sampled_from(get_args(Schedule)),
        optimiser=st.sampled_from(get_args(Optimiser)),
        weight_decay=st.floats(0, 1, exclude_max=True),
        accumulate=st.integers(1),
        ema=st.floats(0, 1, exclude_max=True),
        precision=st.sampled_from(get_args(Precision)),
        views=st.integers(0),
        label_smoothing=st.floats(0, 1, exclude_max=True),
        patience=st.none() | st.integers(1),
        metric=st.sampled_from(["accuracy", "balanced_accuracy"]),
        seed=st.integers(0, 2**32 - 1),
    )
)
def test_a_recipe_survives_json(recipe: Recipe) -> None:
    """Written and read back it is equal and of equal digest, whatever its texts hold, even lone surrogates."""
    back = recipe_from_json(json.loads(json.dumps(recipe_to_json(recipe), sort_keys=True)))
    assert back == recipe
    assert recipe_digest(back, {}) == recipe_digest(recipe, {})


@pytest.mark.parametrize(("version", "later"), [(1, 7), (2, 1), (3, 0)])
def test_older_versions_are_read_with_the_defaults_of_their_time(version: int, later: int) -> None:
    """A recipe from before some options is the same recipe, of the same digest, with all of these off."""
    old = recipe_to_json(RECIPE) | {"version": version}
    absent = [name for name, since in SINCE.items() if since > version]
    for name in absent:
        del old[name]
    assert len(absent) == later
    assert recipe_from_json(old) == RECIPE
    assert recipe_digest(recipe_from_json(old), ENVIRONMENT) == recipe_digest(RECIPE, ENVIRONMENT)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 4}, "The stored recipe has version 4; this keras-zoo reads versions 1 to 3."),
        ({"version": True}, "The stored recipe has version True; this keras-zoo reads versions 1 to 3."),
        (
            {"version": 1},
            "The stored recipe lacks keys, or has too many: 'accumulate', 'ema', 'optimiser', 'precision'",
        ),
        ({"precision": "half"}, "The stored recipe is damaged: precision must be 'float32', 'bfloat16' or 'float16'"),
        ({"momentum": 1}, "The stored recipe lacks keys, or has too many: 'momentum'."),
        ({"epochs": "10"}, "The stored recipe is damaged: epochs must be a whole number of at least 1, not '10'."),
        ({"classes": "ab"}, "The stored recipe is damaged: 'ab' is no list of texts"),
        ({"classes": [1, 2]}, "The stored recipe is damaged: [1, 2] is no list of texts"),
        ({"data": None}, f"The stored recipe is damaged: [None, '{'s' * 64}'] is no list of texts"),
        ({"head": {"name": "gap", "text": "gap"}}, "The stored recipe is damaged: 'options'"),
        (
            {"head": {"name": "gap", "text": "", "options": [["k", [1]]]}},
            "The stored recipe is damaged: 'k' cannot be [1]",
        ),
        (
            {"head": {"name": "gap", "text": "", "options": [["k"]]}},
            "The stored recipe is damaged: not enough values to",
        ),
        ({"head": 7}, "The stored recipe is damaged: 'int' object is not subscriptable"),
    ],
)
def test_a_damaged_recipe_is_refused(changes: dict[str, Any], message: str) -> None:
    """What cannot be read is an error of the store, not a crash."""
    with pytest.raises(RunFormatError) as caught:
        recipe_from_json(recipe_to_json(RECIPE) | changes)
    assert caught.value.message.startswith(message)
    assert caught.value.hint


@pytest.mark.parametrize("document", [[], None, {}, "recipe"])
def test_something_else_is_no_recipe(document: Any) -> None:
    """A file that holds other JSON is refused by its version."""
    with pytest.raises(RunFormatError, match="The stored recipe has version None"):
        recipe_from_json(document)


def test_a_missing_key_is_named() -> None:
    """The error says which."""
    document = recipe_to_json(RECIPE)
    del document["seed"]
    with pytest.raises(RunFormatError, match="too many: 'seed'"):
        recipe_from_json(document)
