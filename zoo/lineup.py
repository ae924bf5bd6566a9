"""What a call of `zoo.compare` or `zoo.fit` names, as checked recipes: every combination with every seed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

from zoo.building import size_of
from zoo.decoding import RGB
from zoo.errors import RecipeError, UsageError
from zoo.feasibility import check_backends, check_channels
from zoo.grid import SEVERAL
from zoo.recipe import complete_augmentation, complete_backbone, complete_head, complete_policy, validate_recipe
from zoo.settings import SETTINGS, plain, setting_fault
from zoo.specs import channels_of
from zoo.values import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zoo.dataset import Dataset
    from zoo.registry import Catalog
    from zoo.values import Metric, Optimiser, Precision, Schedule, Spec


@dataclass(frozen=True)
class Settings:
    """The plain settings that all rows of a call share; see `Recipe`."""

    epochs: int
    batch_size: int
    learning_rate: float | Literal["auto"] | None
    schedule: Schedule
    optimiser: Optimiser
    weight_decay: float
    accumulate: int
    ema: float
    precision: Precision
    views: int
    label_smoothing: float
    patience: int | None
    metric: Metric


def check_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Refuses a setting before the pictures are even looked at; the same with plain numbers. Raises: RecipeError."""
    for name, value in settings.items():
        fault = setting_fault(name, value)
        if fault:
            raise RecipeError(fault, hint=f"Change {name}.")
    return {name: plain(value) for name, value in settings.items()}


def check_pictures(pictures: object, *, least: int) -> None:
    """Refuses a number of pictures to look at. Raises: UsageError."""
    if isinstance(pictures, bool) or not isinstance(pictures, int) or pictures < least:
        raise UsageError(f"pictures must be a whole number of at least {least}, not {pictures!r}.", hint="Change it.")


def lines_of(settings: dict[str, Any]) -> list[Settings]:
    """Settings of rows: one for each combination of the values that are lists.

    Args:
        settings: By the names of `Settings`, those that are not named at their defaults; `learning_rate` and
            `batch_size` may be a list or tuple of values.

    Raises:
        UsageError: If there is no setting of some name.
        RecipeError: If a value is wrong.
    """
    known: dict[str, Any] = {field.name: SETTINGS[field.name].default for field in dataclasses.fields(Settings)}
    for name in settings:
        if name not in known:
            raise UsageError(f"There is no training option {name!r}.", hint=f"There are: {', '.join(sorted(known))}.")
    settings = known | settings
    columns = {name: settings[name] for name in SEVERAL if isinstance(settings[name], list | tuple)}
    for name, values in columns.items():
        if not values or len(set(values)) < len(values):
            raise RecipeError(
                f"{name} must be one value or a list of different ones, not {values!r}.", hint=f"Change {name}."
            )
    made = []
    for values in product(*columns.values()):
        one = settings | dict(zip(columns, values, strict=True))
        made.append(Settings(**check_settings(one)))
    return made


def combinations(
    catalog: Catalog,
    backbones: Sequence[str],
    heads: Sequence[str],
    policies: Sequence[str],
    augmentations: Sequence[str],
) -> list[tuple[Spec, Spec, Spec, Spec]]:
    """All combinations, each once, those that share a network side by side. Raises: UsageError, RecipeError."""
    named = {"backbone": backbones, "head": heads, "policy": policies, "augmentation": augmentations}
    for kind, names in named.items():
        if isinstance(names, str) or not names:
            raise UsageError(
                f"No {kind} is named: {names!r}.", hint=f"Give at least one; `zoo list {kind}s` shows them."
            )
    columns = (
        [complete_backbone(catalog, name) for name in backbones],
        [complete_head(catalog, name) for name in heads],
        [complete_policy(catalog, name) for name in policies],
        [complete_augmentation(catalog, name) for name in augmentations],
    )
    check_backends(catalog, columns[0])
    return list(dict.fromkeys(product(*columns)))


def recipe_of(dataset: Dataset, row: tuple[Spec, Spec, Spec, Spec], seed: int, settings: Settings) -> Recipe:
    """The checked recipe of a backbone, head, policy and augmentation on a data set. Raises: RecipeError."""
    backbone, head, policy, augmentation = row
    check_channels(dataset.report, backbone)
    recipe = Recipe(
        backbone=backbone,
        head=head,
        policy=policy,
        augmentation=augmentation,
        data=dataset.report.digest,
        split=dataset.split.digest,
        classes=dataset.classes,
        seed=seed,
        **dataclasses.asdict(settings),
    )
    validate_recipe(recipe)
    return recipe


def sizes_of(backbones: Iterable[Spec]) -> set[int]:
    """Sides in pixels of the pictures that completed specs of backbones take, those that do not take RGB left out."""
    return {size_of(spec) for spec in backbones if channels_of(spec) == RGB}
