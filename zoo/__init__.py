"""keras-zoo: which backbone, head and fine-tuning policy classifies your pictures best?

Importing this package is cheap: Keras and the rest are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.board import Board
    from zoo.candidates import Candidate, Ranking
    from zoo.catalog import augmentations, backbones, heads, policies, sources
    from zoo.comparison import compare, fit
    from zoo.contracts import Augmentation, Backbone, Block, Head, Option, Phase, Policy, Source, Weights
    from zoo.diagnosing import diagnose
    from zoo.diagnosis import Diagnosis
    from zoo.errors import (
        DataError,
        PluginError,
        StoreError,
        TrainingError,
        UsageError,
        ZooError,
    )
    from zoo.hookspecs import hookimpl
    from zoo.planning import plan
    from zoo.previews import preview
    from zoo.runs import Prediction, Run, load
    from zoo.scouting import scout
    from zoo.standings import leaderboard
    from zoo.workload import Forecast

_HOMES = {
    "zoo.board": ("Board",),
    "zoo.candidates": ("Candidate", "Ranking"),
    "zoo.catalog": ("augmentations", "backbones", "heads", "policies", "sources"),
    "zoo.comparison": ("compare", "fit"),
    "zoo.contracts": ("Augmentation", "Backbone", "Block", "Head", "Option", "Phase", "Policy", "Source", "Weights"),
    "zoo.diagnosing": ("diagnose",),
    "zoo.diagnosis": ("Diagnosis",),
    "zoo.errors": ("DataError", "PluginError", "StoreError", "TrainingError", "UsageError", "ZooError"),
    "zoo.hookspecs": ("hookimpl",),
    "zoo.planning": ("plan",),
    "zoo.previews": ("preview",),
    "zoo.runs": ("Prediction", "Run", "load"),
    "zoo.scouting": ("scout",),
    "zoo.standings": ("leaderboard",),
    "zoo.workload": ("Forecast",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [  # noqa: RUF022 - sorted as a person looks for them, without regard to case
    "Augmentation",
    "augmentations",
    "Backbone",
    "backbones",
    "Block",
    "Board",
    "Candidate",
    "compare",
    "DataError",
    "diagnose",
    "Diagnosis",
    "fit",
    "Forecast",
    "Head",
    "heads",
    "hookimpl",
    "leaderboard",
    "load",
    "Option",
    "Phase",
    "plan",
    "PluginError",
    "policies",
    "Policy",
    "Prediction",
    "preview",
    "Ranking",
    "Run",
    "scout",
    "Source",
    "sources",
    "StoreError",
    "TrainingError",
    "UsageError",
    "Weights",
    "ZooError",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public object
    if name == "__version__":
        from importlib.metadata import version

        return version("keras-zoo")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
