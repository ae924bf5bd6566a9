"""The plain settings of a run: what each means and which values it takes, said once for recipes, files and flags."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real
from types import MappingProxyType
from typing import TYPE_CHECKING, get_args

from zoo.choices import Metric, Optimiser, Precision, Schedule

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


def plain(value: object) -> object:
    """A number of NumPy or another library as Python's own, which Keras and files understand; all else stays."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return value
    return int(value) if isinstance(value, Integral) else float(value)


def _whole(value: object, *, low: int, high: float = math.inf) -> bool:
    return not isinstance(value, bool) and isinstance(value, Integral) and low <= int(value) <= high


def _real(value: object, holds: Callable[[float], bool]) -> bool:
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    return math.isfinite(float(value)) and holds(float(value))


def _one_of(literal: object) -> str:
    *others, last = (repr(name) for name in get_args(literal))
    return f"{', '.join(others)} or {last}"


AUTO = "auto"
"""The learning rate that a range test finds."""

SINCE: Mapping[str, int] = MappingProxyType(
    {"schedule": 2, "optimiser": 2, "weight_decay": 2, "accumulate": 2, "ema": 2, "precision": 2, "views": 3}
)
"""Settings that came after version 1 of the recipe, with the version. At their defaults a run is what it was before."""

OPTIONS = tuple(SINCE)

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
        "Pictures in a batch.",
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
        lambda value: value is None or value == AUTO or _real(value, lambda rate: rate > 0),
        "a finite number greater than 0, 'auto', or left out for the policy's own rates",
        "Highest learning rate of the policy's phases; the others keep their proportion. auto: by a range test.",
    ),
    Setting(
        "schedule",
        "policy",
        lambda value: value in get_args(Schedule),
        _one_of(Schedule),
        "Course of the learning rate in every phase: constant, cosine or one-cycle; policy is what its phases say.",
    ),
    Setting(
        "optimiser",
        "adam",
        lambda value: value in get_args(Optimiser),
        _one_of(Optimiser),
        "What turns gradients into steps: adam, adamw, sgd (with Nesterov's momentum 0.9), rmsprop or lion.",
    ),
    Setting(
        "weight_decay",
        0.0,
        lambda value: _real(value, lambda decay: 0 <= decay < 1),
        "a number of at least 0 and less than 1",
        "Share of each weight, times the learning rate, that every step takes off; not of biases, gammas and betas.",
    ),
    Setting(
        "accumulate",
        1,
        lambda value: _whole(value, low=1),
        "a whole number of at least 1",
        "Batches whose mean gradient makes one step, as if they were one large batch.",
    ),
    Setting(
        "ema",
        0.0,
        lambda value: _real(value, lambda decay: 0 <= decay < 1),
        "a number of at least 0 and less than 1",
        "Decay of the moving average of the weights, such as 0.99, which is validated and delivered; 0 for none.",
    ),
    Setting(
        "precision",
        "float32",
        lambda value: value in get_args(Precision),
        _one_of(Precision),
        "What the backbone's layers compute in: float32, bfloat16 or float16; weights and head stay float32.",
    ),
    Setting(
        "views",
        0,
        lambda value: _whole(value, low=0),
        "a whole number of at least 0",
        "Augmented versions of each picture whose features are computed once, where blocks are closed; 0: new ones "
        "in every epoch.",
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
        _one_of(Metric),
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
