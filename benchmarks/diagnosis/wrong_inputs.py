"""How often wrong inputs are named, and right ones left alone, on random subsets of real photos.

    python benchmarks/diagnosis/wrong_inputs.py --data CARS --data TRASH [--pictures 320] [--subsets 100] [--json FILE]

Each `--data` is a folder with one sub-folder for each class. The seven wrong inputs are made of its pictures and named
by `zoo.inputs.judge`, from random subsets of 64 pictures: from all at once, and as the library does it, which begins
with 16 and drops what is harmless (`zoo.readings.settled`). Right inputs are judged with every backbone, wrong ones
with the first. A picture passes the network once for each way to read it; subsets are pooled afterwards. The numbers
beyond which something is said (`zoo.inputs.Limits`) are tuned on each set, in the middle between right and wrong
inputs, and applied to the others, beside those of the library. `--changes` judges right inputs that are changed in
ways that are no mistake of scale or colour: blur, noise, low contrast, a colour cast, false colours, line drawings.
`--diagnose` looks as `zoo diagnose` does, at a grid of places of larger maps (`zoo.second_looks`), not at all.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from altered_photos import CHANGES, WRONG, load

from zoo.backend import require_keras
from zoo.inputs import COLOURS, SCALES, USUAL, Finding, Limits, gain, judge, response
from zoo.pixel_facts import PixelFacts, pixel_facts
from zoo.plugins import load_catalog

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.inputs import ReadingName, Response
    from zoo.readings import Reader, Seen
    from zoo.second_looks import SecondLooks

    Array = np.ndarray[Any, Any]

SUBSET = 64
"""Pictures that a judgement rests on."""

GRAPHS = {"rescaled-twice, in the graph": 1 / 255, "not-rescaled, in the graph": None}
"""Networks whose rescaling is changed: its factor, or None for a network that does not rescale."""


@dataclass
class Case:
    """Pictures as a network gets them in one case, and what was found.

    Attributes:
        expected: The cause that has to be named; None for right inputs.
        facts: Of each picture.
        subsets: For each subset, what the readings did.
        judged: With the library's limits.
        shipped: With them, and in the library's steps.
        tuned: With limits tuned on another set, by its name.
    """

    expected: str | None
    facts: list[PixelFacts] = field(default_factory=list)
    subsets: list[tuple[Array, dict[ReadingName, Response]]] = field(default_factory=list)
    judged: list[Finding | None] = field(default_factory=list)
    shipped: list[Finding | None] = field(default_factory=list)
    tuned: dict[str, list[Finding | None]] = field(default_factory=dict)

    def judge(self, limits: Limits) -> list[Finding | None]:
        """What is said about each subset."""
        return [judge(_together([self.facts[row] for row in rows]), found, limits) for rows, found in self.subsets]

    def hits(self, findings: list[Finding | None], *, sure: bool = False) -> int:
        """Subsets that are judged as expected; with `sure`, only statements without `may` count as said."""
        said = [one.cause if one is not None and (one.sure or not sure) else None for one in findings]
        return sum(one == self.expected for one in said)


def _together(facts: list[PixelFacts]) -> PixelFacts:
    low, high = min(one.low for one in facts), max(one.high for one in facts)
    counts = {
        name: sum(getattr(one, name) for one in facts) for name in asdict(facts[0]) if name not in {"low", "high"}
    }
    return PixelFacts(**counts, low=low, high=high)


# ---------------------------------------------------------------- networks


def network(name: str) -> tuple[Any, int]:
    """An installed backbone with its first declared weights, and the side of its pictures in pixels."""
    record = load_catalog().backbone(name)
    return record.build(size=record.image_size, weights=record.weights[0]), record.image_size


def with_rescaling(model: Any, factor: float | None) -> Any:  # noqa: ANN401 - Keras models
    """A copy of a network whose `Rescaling` layers scale by so much more, or do nothing."""
    keras = require_keras()

    def made(layer: Any) -> Any:  # noqa: ANN401 - Keras layers
        config = layer.get_config()
        if isinstance(layer, keras.layers.Rescaling):
            change = {"scale": 1.0, "offset": 0.0} if factor is None else {"scale": config["scale"] * factor}
            return keras.layers.Rescaling.from_config({**config, **change})
        return type(layer).from_config(config)

    copy = keras.models.clone_model(model, clone_function=made)
    copy.set_weights(model.get_weights())
    return copy


# ---------------------------------------------------------------- measuring


class Passes:
    """Passes of pictures through a network, each kept until `forget`: some wrong inputs are readings of others."""

    def __init__(self, reader: Reader | SecondLooks) -> None:
        self._reader = reader
        self._kept: dict[tuple[str, ...], list[Seen]] = {}

    def seen(self, pixels: Array, case: str, reading: ReadingName) -> list[Seen]:
        """What the network's layers see of a case's pictures under a reading."""
        from zoo.readings import changed

        names = [name for name in (case, reading) if name not in {"right", "given"}]
        key = () if len(names) == 2 and names[0] == names[1] else tuple(sorted(names))  # noqa: PLR2004 - back to right
        if key not in self._kept:
            self._kept[key] = self._reader.layers(changed(pixels, reading))
        return self._kept[key]

    def forget(self, case: str) -> None:
        """Lets go of passes that no other case needs."""
        for key in [key for key in self._kept if case in key and case not in COLOURS]:
            del self._kept[key]


@dataclass(frozen=True)
class Replay:
    """Answers what `zoo.readings.Reader` would, from passes that were made before."""

    seen: Callable[[ReadingName], list[Seen]]

    def read(self, _: Array, rows: Array, reading: ReadingName) -> list[Seen]:
        """What layers see of some pictures under a reading."""
        return [_some(one, rows) for one in self.seen(reading)]


def measure(case: Case, pixels: Array, passes: Passes, name: str, draws: list[Array]) -> None:
    """Fills a case: facts of each picture, and what the readings did to each subset."""
    from zoo.readings import settled

    case.facts = [pixel_facts(picture[None]) for picture in pixels]
    if judge(_together(case.facts)) is not None and case.expected != "grey":  # the pixels say it all
        case.subsets = [(rows, {}) for rows in draws]
    else:
        given = passes.seen(pixels, name, "given")
        scaled = not response(given).misfit < USUAL.suspect
        readings: list[ReadingName] = ["given", *(SCALES if scaled else COLOURS)]
        columns = {reading: passes.seen(pixels, name, reading) for reading in readings}
        for rows in draws:
            found = {reading: response([_some(one, rows) for one in seen]) for reading, seen in columns.items()}
            case.subsets.append((rows, found))
    case.judged = case.judge(USUAL)
    replay = Replay(lambda reading: passes.seen(pixels, name, reading))
    for rows, found in case.subsets:
        facts = _together([case.facts[row] for row in rows])
        case.shipped.append(judge(facts, settled(replay, pixels, rows) if found else found))
    passes.forget(name)
    print(".", end="", file=sys.stderr, flush=True)  # noqa: T201 - tells that it works


def _some(seen: Seen, rows: Array) -> Seen:
    return replace(seen, mean=seen.mean[rows], square=seen.square[rows])


def reader_of(model: Any, *, diagnose: bool) -> Reader | SecondLooks:  # noqa: ANN401 - a Keras model
    """Who looks at pictures: as `fit` does, or as `diagnose` does."""
    from zoo.moments import Watch
    from zoo.readings import Reader
    from zoo.second_looks import SecondLooks

    if not diagnose:
        return Reader(model)
    watch, side = Watch(model), model.input.shape[1]
    return SecondLooks(model, watch, watch.measure(np.zeros((2, side, side, 3), np.uint8)))


def cases_of(folder: Path, model: Any, size: int, options: argparse.Namespace, *, wrong: bool) -> dict[str, Case]:  # noqa: ANN401 - a Keras model
    """All cases of one set with one backbone."""
    pixels = load(folder, options.pictures, size, options.seed)
    rng = np.random.default_rng(options.seed + 1)
    draws = [rng.choice(len(pixels), min(SUBSET, len(pixels)), replace=False) for _ in range(options.subsets)]
    found: dict[str, Case] = {}
    passes = Passes(reader_of(model, diagnose=options.diagnose))
    asked = {name for name in (*WRONG, *CHANGES, *GRAPHS) if not options.only or name in options.only}
    for name, (expected, change) in WRONG.items():
        if name in asked and (wrong or name == "right"):
            found[name] = Case(expected)
            measure(found[name], change(pixels), passes, name, draws)
    for name, change in CHANGES.items() if wrong and options.changes else ():
        if name not in asked:
            continue
        found[name] = Case("grey" if name == "line drawing" else None)
        measure(found[name], change(pixels), passes, name, draws)
    for name, factor in GRAPHS.items() if wrong else ():
        if name not in asked:
            continue
        found[name] = Case(name.partition(",")[0])
        reader = reader_of(with_rescaling(model, factor), diagnose=options.diagnose)
        measure(found[name], pixels, Passes(reader), name, draws)
    return found


def tuned(cases: dict[str, Case]) -> Limits:
    """Limits in the middle between the right inputs of a set and its wrong ones."""
    right = [found for _, found in cases["right"].subsets]
    wrong = [found for name in GRAPHS for _, found in cases[name].subsets]
    calm = max(found["given"].misfit for found in right)
    wild = min(found["given"].misfit for found in wrong)
    highest = max(_errors(found, reading) for found in right for reading in COLOURS)
    lowest = min(_errors(found, reading) for reading in COLOURS for _, found in cases[reading].subsets)
    return replace(USUAL, suspect=math.sqrt(calm * wild), likely=(highest + lowest) / 2)


def _errors(found: dict[ReadingName, Response], reading: ReadingName) -> float:
    return gain(found[reading].strength, found["given"].strength)[1]


# ---------------------------------------------------------------- telling


def table(everything: dict[str, dict[str, dict[str, Case]]]) -> str:
    """Hits of each case, in Markdown: a column for each set, tuned on the others in brackets, and the sure ones."""
    first = next(iter(everything.values()))
    lines = [
        "| backbone | inputs | "
        + " | ".join(f"{name}: usual / tuned elsewhere / sure; in steps / sure" for name in first)
        + " |",
        "| --- | --- |" + " --- |" * len(first),
    ]
    for backbone, sets in everything.items():
        for name in next(iter(sets.values())):
            cells = []
            for cases in sets.values():
                case = cases[name]
                others = [case.hits(findings) for findings in case.tuned.values()]
                cells.append(
                    f"{case.hits(case.judged)} / {min(others, default='-')} / {case.hits(case.judged, sure=True)}; "
                    f"{case.hits(case.shipped)} / {case.hits(case.shipped, sure=True)}"
                )
            lines.append(f"| {backbone} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def as_json(everything: dict[str, dict[str, dict[str, Case]]], limits: dict[str, Limits]) -> dict[str, Any]:
    """Everything that was measured: for each subset what was said, and the numbers that it rests on."""
    rows = []
    for backbone, sets in everything.items():
        for data, cases in sets.items():
            for name, case in cases.items():
                said = [None if one is None else {"cause": one.cause, "sure": one.sure} for one in case.judged]
                misfit = [found["given"].misfit for _, found in case.subsets if found]
                errors = {r: [_errors(f, r) for _, f in case.subsets if r in f] for r in COLOURS}
                row = {"backbone": backbone, "data": data, "inputs": name, "expected": case.expected, "said": said}
                hits = {"usual": case.hits(case.judged), "sure": case.hits(case.judged, sure=True)}
                hits |= {"in steps": case.hits(case.shipped), "in steps, sure": case.hits(case.shipped, sure=True)}
                hits |= {f"tuned on {other}": case.hits(found) for other, found in case.tuned.items()}
                rows.append({**row, "hits": hits, "misfit": misfit, "standard_errors": errors})
    return {"limits": {"usual": asdict(USUAL), **{n: asdict(one) for n, one in limits.items()}}, "rows": rows}


def main(arguments: list[str] | None = None) -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, action="append", required=True, help="folder; can be repeated")
    parser.add_argument("--backbone", action="append", help="can be repeated; wrong inputs are judged with the first")
    parser.add_argument("--pictures", type=int, default=320, help="of each set, drawn at random")
    parser.add_argument("--subsets", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", help="inputs, as the table names them; nothing is tuned then")
    parser.add_argument("--changes", action="store_true", help="also judge right inputs that are changed")
    parser.add_argument("--diagnose", action="store_true", help="look as a diagnosis does")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    backbones = options.backbone or [f"efficientnet-lite{number}" for number in range(3)]
    require_keras()
    everything: dict[str, dict[str, dict[str, Case]]] = {}
    for position, name in enumerate(backbones):
        model, size = network(name)
        everything[name] = {
            folder.name: cases_of(folder, model, size, options, wrong=position == 0) for folder in options.data
        }
    limits = {} if options.only else {name: tuned(cases) for name, cases in everything[backbones[0]].items()}
    for sets in everything.values():
        for data, cases in sets.items():
            for case in cases.values():
                case.tuned = {other: case.judge(one) for other, one in limits.items() if other != data}
    print(f"\n{table(everything)}")  # noqa: T201 - what the program is for
    for data, one in limits.items():
        print(f"Limits tuned on {data}: suspect {one.suspect:.3g}, likely {one.likely:.2f}.")  # noqa: T201 - as above
    if options.json is not None:
        options.json.write_text(json.dumps(as_json(everything, limits)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
