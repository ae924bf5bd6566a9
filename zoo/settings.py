"""The plain settings of a run: what each means and which values it takes, said once for recipes, files and flags."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real
from types import MappingProxyType
from typing import TYPE_CHECKING, get_args

from zoo.values import Metric

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes:
        name: Its name in `Recipe`, in a grid file and, with dashes, on the command line.
        default: Its value if it is not given.
        holds: Whether a value of any type is allowed.
        words: What `holds` allows, to follow `must be`.
        help: One sentence.
    """

    name: str
    default: object
    holds: Callable[[object], bool]
    words: str
    help: str


def setting_fault(name: str, value: object) -> str:
    """Say why a setting cannot have a value, as a sentence; "" if it can."""
    setting = SETTINGS[name]
    return "" if setting.holds(value) else f"{name} must be {setting.words}, not {value!r}."


def _whole(value: object, *, low: int, high: float = math.inf) -> bool:
    return not isinstance(value, bool) and isinstance(value, Integral) and low <= int(value) <= high


def _real(value: object, holds: Callable[[float], bool]) -> bool:
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    return math.isfinite(float(value)) and holds(float(value))


_ALL = (
    Setting(
        "seeds",
        1,
        lambda value: _whole(value, low=1),
        "a whole number of at least 1",
        "Number of seeds that each row is trained with: 0, 1, 2, …",
    ),
    Setting(
        "epochs",
        10,
        lambda value: _whole(value, low=1),
        "a whole number of at least 1",
        "Passes over the training pictures, all phases together.",
    ),
    Setting(
        "batch_size",
        32,
        lambda value: _whole(value, low=2),
        "a whole number of at least 2 (a batch of one gives BatchNormalization no statistics)",
        "Pictures per training step.",
    ),
    Setting(
        "split_seed",
        0,
        lambda value: _whole(value, low=0, high=2**32 - 1),
        "a whole number from 0 to 4294967295",
        "Seed that draws the split; the same for all rows.",
    ),
    Setting(
        "learning_rate",
        None,
        lambda value: value is None or _real(value, lambda rate: rate > 0),
        "a finite number greater than 0, or left out for the policy's own rates",
        "Highest learning rate of the policy's phases; the others keep their proportion.",
    ),
    Setting(
        "label_smoothing",
        0.0,
        lambda value: _real(value, lambda share: 0 <= share < 1),
        "a number of at least 0 and less than 1",
        "Share of each target that is spread over all classes.",
    ),
    Setting(
        "patience",
        5,
        lambda value: value is None or _whole(value, low=1),
        "a whole number of at least 1, or none at all",
        "Epochs without improvement after which a phase ends early.",
    ),
    Setting(
        "metric",
        "accuracy",
        lambda value: value in get_args(Metric),
        " or ".join(repr(name) for name in get_args(Metric)),
        "What the best epoch is chosen by and rows are ranked by, on validation pictures.",
    ),
    Setting(
        "seed",
        0,
        lambda value: _whole(value, low=0, high=2**32 - 1),
        "a whole number from 0 to 4294967295",
        "Seed of initialisation, order, dropout and augmentation.",
    ),
)

SETTINGS: Mapping[str, Setting] = MappingProxyType({setting.name: setting for setting in _ALL})
"""All settings by name."""
