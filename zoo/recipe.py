"""Recipes: completing their specs from the catalog, checking them, naming them by digest, writing and reading them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

from zoo.errors import RecipeError, RunFormatError
from zoo.respelling import respelt
from zoo.settings import AUTO, OPTIONS, SETTINGS, SINCE, setting_fault
from zoo.specs import backbone_options, complete_spec, parse_spec, spec_name
from zoo.values import Recipe, Spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.contracts import Backbone, Option
    from zoo.registry import Catalog, Kind
    from zoo.values import OptionValue

VERSION = 3
"""Version of the stored form of a recipe. `zoo.settings.SINCE` says what came later than 1, and is read as default."""

_DAMAGED = "Delete that run, or restore it from a copy."
_SPECS: tuple[Kind, ...] = ("backbone", "head", "policy", "augmentation")
_SETTINGS = (
    *("epochs", "batch_size", "learning_rate", *OPTIONS),
    *("label_smoothing", "patience", "metric", "seed"),
)


def complete_backbone(catalog: Catalog, spec: str | Spec) -> Spec:
    """Parse the spec of a backbone and fill in its defaults, `weights` and `size` included.

    Args:
        catalog: Where the backbone is looked up.
        spec: What a person wrote, such as `efficientnetb0:size=160`, or a spec that is checked again.

    Raises:
        UnknownNameError: There is no such backbone.
        RecipeError: An option is unknown, or its value is wrong.
    """
    return _completed(catalog, spec, kind="backbone")


def complete_head(catalog: Catalog, spec: str | Spec) -> Spec:
    """As `complete_backbone`, for a head."""
    return _completed(catalog, spec, kind="head")


def complete_policy(catalog: Catalog, spec: str | Spec) -> Spec:
    """As `complete_backbone`, for a policy."""
    return _completed(catalog, spec, kind="policy")


def complete_augmentation(catalog: Catalog, spec: str | Spec) -> Spec:
    """As `complete_backbone`, for an augmentation."""
    return _completed(catalog, spec, kind="augmentation")


def complete_source(catalog: Catalog, spec: str | Spec) -> Spec:
    """As `complete_backbone`, for a source."""
    return _completed(catalog, spec, kind="source")


def item_options(catalog: Catalog, *, kind: Kind, name: str) -> tuple[Option, ...]:
    """All options of an item, those that the host adds included.

    Raises:
        UnknownNameError: There is no such item.
    """
    item = catalog.get(kind, name)
    return backbone_options(cast("Backbone", item)) if kind == "backbone" else item.options


def item_origins(catalog: Catalog, recipe: Recipe) -> dict[str, str]:
    """Where the four items of a recipe come from, by kind: with versions of plugins, so it belongs into a digest."""
    return {kind: catalog.origin(kind, getattr(recipe, kind).name) for kind in _SPECS}


def validate_recipe(recipe: Recipe) -> None:
    """Check everything about a recipe that needs neither catalog nor data.

    Raises:
        RecipeError: Says which value is wrong.
    """
    for name in _SETTINGS:
        fault = setting_fault(name, getattr(recipe, name))
        if fault:
            raise RecipeError(fault, hint=f"Change {name} in the call, on the command line or in the grid file.")
    if len(recipe.classes) < 2:  # noqa: PLR2004 — a choice needs two
        raise RecipeError(
            f"A classifier needs at least 2 classes, not {list(recipe.classes)!r}.",
            hint="Give each class a folder of its own.",
        )
    twice = [name for name, count in Counter(recipe.classes).items() if count > 1]
    if twice:
        raise RecipeError(f"Class {twice[0]!r} occurs twice.", hint="Class names must differ.")


def recipe_digest(recipe: Recipe, environment: Mapping[str, object]) -> str:
    """Hex SHA-256 of recipe and environment: runs with equal digests have equal numbers.

    Args:
        recipe: The recipe; how its specs are spelt does not count, only what they mean.
        environment: What else changes the numbers, as JSON values; the order of keys does not count.
    """
    return _sha256({"recipe": _meaning(recipe), "environment": environment})


def row_digest(recipe: Recipe) -> str:
    """Hex SHA-256 of a recipe without its seed: names the row of a board that its seeds are averaged in."""
    meaning = _meaning(recipe)
    del meaning["seed"]
    return _sha256({"row": meaning})


def recipe_to_json(recipe: Recipe) -> dict[str, Any]:
    """The recipe as JSON values; `recipe_from_json` gives the same recipe back."""
    document: dict[str, Any] = {"version": VERSION}
    for kind in _SPECS:
        spec: Spec = getattr(recipe, kind)
        options = [[name, value] for name, value in spec.options]
        document[kind] = {"name": spec.name, "options": options, "text": spec.text}
    rate, patience = recipe.learning_rate, recipe.patience
    return document | {
        "data": recipe.data,
        "split": recipe.split,
        "classes": list(recipe.classes),
        "epochs": int(recipe.epochs),  # NumPy's integers are none to JSON, and 1 is spelt unlike 1.0
        "batch_size": int(recipe.batch_size),
        "learning_rate": rate if rate in (None, AUTO) else float(rate),
        "schedule": recipe.schedule,
        "optimiser": recipe.optimiser,
        "weight_decay": float(recipe.weight_decay),
        "accumulate": int(recipe.accumulate),
        "ema": float(recipe.ema),
        "precision": recipe.precision,
        "views": int(recipe.views),
        "label_smoothing": float(recipe.label_smoothing),
        "patience": None if patience is None else int(patience),
        "metric": recipe.metric,
        "seed": int(recipe.seed),
    }


def recipe_from_json(document: Mapping[str, Any]) -> Recipe:
    """Read what `recipe_to_json` wrote; specs are spelt as they are today (`zoo.respelling`).

    Raises:
        RunFormatError: The version is unknown, a key is absent or too many, or a value cannot be one.
    """
    version = document.get("version") if isinstance(document, Mapping) else None
    if type(version) is not int or not 1 <= version <= VERSION:
        message = f"The stored recipe has version {version!r}; this keras-zoo reads versions 1 to {VERSION}."
        raise RunFormatError(message, hint="Use the version of keras-zoo that wrote it, or a newer one.")
    expected = {field.name for field in fields(Recipe)} | {"version"}
    expected -= {name for name, since in SINCE.items() if since > version}
    if set(document) != expected:
        odd = ", ".join(sorted(repr(name) for name in set(document) ^ expected))
        raise RunFormatError(f"The stored recipe lacks keys, or has too many: {odd}.", hint=_DAMAGED)
    values = {name: value for name, value in document.items() if name != "version"}
    try:
        values |= {kind: _spec_from_json(document[kind]) for kind in _SPECS}
        values["classes"] = _texts(document["classes"])
        values["data"], values["split"] = _texts([document["data"], document["split"]])
        recipe = Recipe(**values)
        validate_recipe(recipe)
    except (TypeError, ValueError, KeyError, RecipeError) as error:
        raise RunFormatError(f"The stored recipe is damaged: {error}", hint=_DAMAGED) from error
    return respelt(recipe)


def _completed(catalog: Catalog, spec: str | Spec, *, kind: Kind) -> Spec:
    if isinstance(spec, Spec):
        options = item_options(catalog, kind=kind, name=spec.name)
        return complete_spec(spec.name, dict(spec.options), kind=kind, options=options)
    options = item_options(catalog, kind=kind, name=spec_name(spec, kind=kind))
    return parse_spec(spec, kind=kind, options=options)


def _meaning(recipe: Recipe) -> dict[str, Any]:
    """What the digest is made of.

    Options of later versions count only where they are not at their defaults: without them a recipe means what it
    meant in version 1, so that finished runs are found again.
    """
    document = recipe_to_json(recipe) | {"version": 1}
    for name in OPTIONS:
        if document[name] == SETTINGS[name].default:
            del document[name]
    for kind in _SPECS:
        del document[kind]["text"]  # depends on which values are defaults, not on what they are
    return document


def _sha256(document: Mapping[str, object]) -> str:
    # ASCII escapes keep class names that are no valid Unicode (surrogates from file names) writable.
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _spec_from_json(document: Mapping[str, Any]) -> Spec:
    name, text = _texts([document["name"], document["text"]])
    options: list[tuple[str, OptionValue]] = []
    for key, value in document["options"]:
        if not isinstance(key, str) or not isinstance(value, str | int | float):
            message = f"{key!r} cannot be {value!r}"
            raise TypeError(message)
        options.append((key, value))
    return Spec(name=name, options=tuple(options), text=text)


def _texts(values: Sequence[object]) -> tuple[str, ...]:
    if not isinstance(values, list) or any(not isinstance(value, str) for value in values):
        message = f"{values!r} is no list of texts"
        raise TypeError(message)
    return tuple(cast("list[str]", values))
