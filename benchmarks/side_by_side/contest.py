"""A scenario run by all who take part, in turn, each in a fresh process, several times."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from side_by_side import processes
from side_by_side.pictures import draw_demo, draw_subset
from side_by_side.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from side_by_side.processes import Measured
    from side_by_side.scenarios import Scenario

ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
KINDS = {"peer + oneDNN": "peer"}
"""Whose program a contender runs, if it is not its own."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a person asked for.

    Attributes:
        data: Folder, or `demo`.
        images: Size of a random part of it; None for all.
        backbones: Instead of the scenario's, if any.
        size: Side of the pictures, instead of the backbones' own.
        epochs: Of each row.
        batch: Pictures in a batch.
        patience: Epochs without improvement that end a row; None never.
        repeats: How often everybody runs.
        only: Who takes part; empty for all.
        peer_onednn: Whether the peer runs once more with oneDNN's kernels on.
        tuner: Whether KerasTuner takes part.
        parts: Whether ours tells what its time goes into.
        row_timeout: Seconds after which a row of `faults` is given up.
        say: Told what happens.
    """

    data: str
    images: int | None
    backbones: tuple[str, ...]
    size: int | None
    epochs: int
    batch: int
    patience: int | None
    repeats: int
    only: tuple[str, ...]
    peer_onednn: bool
    tuner: bool
    row_timeout: float
    parts: bool
    say: Callable[[str], None]

    def sized(self, backbones: tuple[str, ...]) -> tuple[str, ...]:
        """Specs of backbones with the size that was asked for."""
        chosen = self.backbones or backbones
        if self.size is None:
            return chosen
        return tuple(f"{name}{',' if ':' in name else ':'}size={self.size}" for name in chosen)


@dataclass
class Arena:
    """A folder in which processes run, with their pictures and a cache of converted weights.

    Attributes:
        folder: Gone when the benchmark ends.
        settings: What was asked for.
        work: What all are asked to do; each gets a folder of its own.
        pictures: How many there are on each side.
    """

    folder: Path
    settings: Settings
    work: Work
    pictures: dict[str, int]
    as_png: int = 0
    count: int = 0

    def run(self, kind: str, work: Work, *, contender: str = "", repeat: int = 0, place: int = 0) -> Measured:
        """Runs one process with an empty folder and with nothing cached but converted weights, unless work says so."""
        self.count += 1
        folder = self.folder / f"{self.count:03}-{kind}"
        folder.mkdir()
        work = dataclasses.replace(work, folder=str(folder), started=time.time())
        request = folder / "work.json"
        work.write(request)
        name = contender or kind
        self.settings.say(f"{name}, repeat {repeat + 1}: {work.count()} rows")
        return processes.run(
            processes.child_words(kind, request),
            answer=folder / "answer.json",
            environment=self.environment(name, folder, work),
            contender=name,
            repeat=repeat,
            place=place,
        )

    def environment(self, contender: str, folder: Path, work: Work) -> dict[str, str]:
        """Variables of a process: TensorFlow for all, oneDNN as it decides for the peers, and a cache of its own.

        Processes that share a store share a cache beside it, as the calls of one person do.
        """
        variables = {name: value for name, value in os.environ.items() if name != ONEDNN}
        if contender == "peer + oneDNN":
            variables[ONEDNN] = "1"
        cache = Path(work.store).with_name("cache") if work.store else folder / "cache"
        if not cache.exists() and contender != "prepare":
            shutil.copytree(self.folder / "weights", cache)
        paths = (str(processes.ROOT), variables.get("PYTHONPATH", ""))
        return {
            "TF_CPP_MIN_LOG_LEVEL": "3",
            **variables,
            "KERAS_BACKEND": "tensorflow",
            "ZOO_CACHE": str(self.folder / "weights" if contender == "prepare" else cache),
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        }


def opened(folder: Path, scenario: Scenario, settings: Settings) -> Arena:
    """The pictures of a scenario made ready, all weights converted, and files read once."""
    data = Path(settings.data)
    if settings.data == "demo":
        data = draw_demo(folder / "pictures", settings.images or 360)
    elif settings.images is not None:
        data = draw_subset(data, folder / "pictures", settings.images)
    (folder / "weights").mkdir()
    work = Work(
        data=str(data.resolve()),
        split=str(folder / "split.json"),
        backbones=settings.sized(scenario.backbones),
        heads=scenario.heads,
        policies=scenario.policies,
        rates=scenario.rates,
        seeds=scenario.seeds,
        epochs=settings.epochs,
        batch=settings.batch,
        patience=settings.patience,
        parts=settings.parts,
    )
    arena = Arena(folder, settings, work, {})
    answer = arena.run("prepare", work).answer
    arena.pictures, arena.as_png = answer["pictures"], answer["as_png"]
    return arena


def contenders_of(scenario: Scenario, settings: Settings) -> list[str]:
    """Who takes part, ours first. Says so if KerasTuner is asked for and missing."""
    names = ["ours", *scenario.contenders]
    if settings.peer_onednn and "peer" in names:
        names.insert(names.index("peer") + 1, "peer + oneDNN")
    if not settings.tuner:
        names = [name for name in names if name != "tuner"]
    elif "tuner" in names and importlib.util.find_spec("keras_tuner") is None:
        settings.say("KerasTuner is not installed and left out: pip install keras-tuner")
        names.remove("tuner")
    chosen = [name for name in names if not settings.only or KINDS.get(name, name) in settings.only]
    if not chosen:
        sys.exit(f"{scenario.name}: none of {', '.join(settings.only)} takes part; there are {', '.join(names)}")
    return chosen


def contest(arena: Arena, contenders: list[str]) -> tuple[list[Measured], dict[str, str]]:
    """Runs everybody `repeats` times, in turn; every second time in the opposite order.

    Returns:
        What was measured, and why somebody failed, by name. Who failed does not run again; the others do.
    """
    found: list[Measured] = []
    failed: dict[str, str] = {}
    for repeat in range(arena.settings.repeats):
        order = contenders if repeat % 2 == 0 else contenders[::-1]
        for place, name in enumerate(order):
            if name in failed:
                continue
            kind = KINDS.get(name, name)
            try:
                found.append(arena.run(kind, arena.work, contender=name, repeat=repeat, place=place))
            except processes.ProcessFailedError as error:
                failed[name] = str(error)
                arena.settings.say(str(error))
    return found, failed
