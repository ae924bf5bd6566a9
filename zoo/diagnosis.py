"""The record of a diagnosis: what was measured of a backbone on pictures, and what follows from it."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from zoo.advice import Advice
    from zoo.batch_noise import BatchNoise
    from zoo.side_difference import SideDifference
    from zoo.travel import Travel

FORMAT = 1
"""Version of the JSON document; see docs/how-to/diagnose.md."""

VerdictName = Literal[
    "fit",
    "shifted",
    "wrong-inputs",
    "doubtful-inputs",
    "small-batch",
    "few-steps",
    "sides-differ",
    "no-batch-norm",
    "untrained",
]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing that was found.

    Attributes:
        name: Which one; stable, for programs.
        title: In a few words.
        reason: What was measured, with the figures.
        remedy: What to do; empty where nothing is to be done.
        good: Whether it is as it should be.
    """

    name: VerdictName
    title: str
    reason: str
    remedy: str = ""
    good: bool = False


@dataclass(frozen=True, slots=True)
class LayerDiagnosis:
    """One BatchNorm layer on the training pictures.

    Attributes:
        name: Of the layer.
        channels: Of its input.
        mean_shift: Median over channels of the mean shift's size, in stored standard deviations (`zoo.shift`).
        log_ratio: Median over channels of the log variance ratio; below 0 where the pictures vary less.
        divergence: Symmetric Kullback-Leibler divergence of a typical channel, in nats.
        sure: Share of channels whose statistics differ by more than three standard errors.
        activation: That follows directly; empty where none does.
        dead: Share of channels whose activation is above zero in no picture; None without an activation.
        saturated: Share of the activation's values at its upper bound; None where it has none.
        momentum: Of the moving statistics.
        steps: Training steps after which they have arrived at those of the pictures.
    """

    name: str
    channels: int
    mean_shift: float
    log_ratio: float
    divergence: float
    sure: float
    activation: str
    dead: float | None
    saturated: float | None
    momentum: float
    steps: int


@dataclass(frozen=True, slots=True)
class Scores:
    """How well features tell the classes apart (`zoo.transferability`).

    Attributes:
        probe: Accuracy of a linear probe in cross-validation, in [0, 1].
        neighbours: Accuracy of the five nearest neighbours, each picture left out in turn, in [0, 1].
        log_me: LogME in nats per picture.
    """

    probe: float
    neighbours: float
    log_me: float


@dataclass(frozen=True, slots=True)
class Effect:
    """What statistics that are estimated again do to features of the same training pictures.

    Attributes:
        pictures: That were scored.
        stored: With the stored statistics.
        re_estimated: With statistics of other training pictures, in all layers.
        p_value: Of the difference in right answers of probe and neighbours together: a sign test over pictures.
    """

    pictures: int
    stored: Scores
    re_estimated: Scores
    p_value: float

    @property
    def gain(self) -> float:
        """Mean of what the accuracies of probe and neighbours gain."""
        old, new = self.stored, self.re_estimated
        return (new.probe - old.probe + new.neighbours - old.neighbours) / 2


@dataclass(frozen=True, slots=True)
class Overall:
    """The shift of all layers on the training pictures; medians over layers.

    Attributes:
        mean_shift: In stored standard deviations.
        log_ratio: Size of the log variance ratio.
        divergence: In nats.
        low: Lower end of the divergence's 95 % interval over pictures.
        high: Upper end.
    """

    mean_shift: float
    log_ratio: float
    divergence: float
    low: float
    high: float


@dataclass(frozen=True)
class Diagnosis:
    """What `zoo.diagnose` found.

    Attributes:
        backbone: Its name with options.
        location: Where the pictures come from.
        classes: Class names.
        train: Training pictures that were looked at.
        validation: Validation pictures that were looked at.
        training: Training pictures that there are.
        epochs: That the advice is for.
        batch_size: That the advice is for.
        steps: Training steps that these make.
        verdicts: What was found, the most important first; never empty.
        layers: BatchNorm layers in depth order; none where there are none.
        shift: Of all layers; None without layers.
        effect: On features; None without layers.
        sides: Train against validation; None without layers or validation pictures.
        travel: Of the moving statistics; None without layers.
        noise: Of batch statistics; None without layers.
        advice: The policy to try first, with how often such advice was right; None where inputs are to be mended first,
            or there is nothing to go by.
        passes: Pictures that went through the network, each counted as often as it did.
        seconds: All of that took, with what is built and scored on the way.
        data: Digest of the data set.
        split: Digest of the split.
        seed: Of the sample and of random weights.
    """

    backbone: str
    location: str
    classes: tuple[str, ...]
    train: int
    validation: int
    training: int
    epochs: int
    batch_size: int
    steps: int
    verdicts: tuple[Verdict, ...]
    layers: tuple[LayerDiagnosis, ...] = field(repr=False)
    shift: Overall | None = None
    effect: Effect | None = None
    sides: SideDifference | None = None
    travel: Travel | None = None
    noise: BatchNoise | None = None
    advice: Advice | None = None
    passes: int = 0
    seconds: float = 0.0
    data: str = field(default="", repr=False)
    split: str = field(default="", repr=False)
    seed: int = 0

    @property
    def fits(self) -> bool:
        """Whether nothing is wrong, nor may be."""
        return all(verdict.good for verdict in self.verdicts)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, texts, lists and dicts, with the version of the format; what is not finite becomes None."""
        document: dict[str, Any] = {"format": FORMAT, **_plain(dataclasses.asdict(self))}
        return document

    def to_json(self) -> str:
        """As a JSON document."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=2, allow_nan=False)

    def to_html(self) -> str:
        """As a page of its own, without anything from elsewhere."""
        from zoo.diagnosis_page import page

        return page([self])

    def _repr_html_(self) -> str:
        from zoo.diagnosis_page import fragment

        return fragment(self)


def _plain(value: Any) -> Any:  # noqa: ANN401 - anything that is to be JSON
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
