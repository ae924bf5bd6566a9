"""What a board shows, as frozen records that can be written as JSON and read again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from zoo.errors import RunFormatError
from zoo.records import from_plain, to_plain
from zoo.values import Metric, Scores, Status  # noqa: TC001 - `from_plain` resolves the types of fields at run time

SCHEMA = "keras-zoo board"
VERSION = 1
"""Of the JSON form. It grows when a field changes its meaning or goes away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What can be reached without training a network.

    Attributes:
        name: `chance`, `majority`, `nearest neighbour`, …
        accuracy: On the validation part, in [0, 1].
        balanced_accuracy: On the validation part, in [0, 1].
        predicted: Predicted labels of the validation pictures, in their order; empty if it predicts none.
    """

    name: str
    accuracy: float
    balanced_accuracy: float
    predicted: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a board needs to know of the data, kept in the store so that it can be drawn without them.

    Attributes:
        data: Digest of the data set.
        split: Digest of the split.
        classes: Class names in label order.
        n_train: Number of training pictures.
        n_validation: Number of validation pictures.
        n_test: Number of test pictures; 0 for no test part.
        baselines: See `zoo.board.baselines`.
        notes: Sentences for the person about data and split.
    """

    data: str
    split: str
    classes: tuple[str, ...]
    n_train: int
    n_validation: int
    n_test: int
    baselines: tuple[Baseline, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """All runs of one environment that differ in their seed only, or a baseline.

    Attributes:
        kind: `run` or `baseline`.
        backbone: Backbone with options as a person writes it; the name of a baseline.
        head: Head with options; empty for a baseline, as the next three.
        policy: Policy with options.
        augmentation: Augmentation with options.
        settings: The settings in which rows of this board differ, such as `epochs 20, learning_rate 0.001`, and what
            tells environments apart where a recipe was run in several, such as `backend jax`.
        rank: 1 for the best; None without a score, for baselines and on other data.
        status: The most serious status among complete runs, else that of the last run.
        reason: Why the status is not `finished`, or why some seeds have no score.
        score: Mean over seeds of the metric that ranks; never the best of seeds. None without.
        low: Lower end of the 95 % interval of `score`.
        high: Upper end.
        spread: Least and greatest score of a seed.
        accuracy: Mean over seeds.
        balanced_accuracy: Mean over seeds.
        recalls: Mean recall of each class over seeds, in label order; None where a class does not occur.
        seeds: Number of runs that have scores.
        failed: Number of seeds that ended without.
        single_seed: Whether one seed is all there is, so that luck cannot be told from merit.
        tied_with_best: Whether it cannot be told from the best row, with as many rows as there are (see
            `zoo.statistics.holm`). False for the best row itself.
        recommended: Whether it is the cheapest (see `cost`) of the best row and those that cannot be told from it even
            if the two are looked at alone. That is stricter: calling a worse row equal costs more here.
        trainable: Scalar weights that were trained.
        total: Scalar weights of the model.
        seconds: Wall time of all its runs together.
        milliseconds_per_image: Mean over seeds of the time of a picture in a batch, passed as the library does.
        run_ids: In order of seeds, those without scores included.
        test: Scores on the test part (mean over the models that were evaluated), None as long as nobody looked.
        notes: Sentences for the person.
        explanation: In one line, why it does not learn or is too good; empty where nothing asks for an explanation.
            The run's record has all of it.
    """

    kind: Literal["run", "baseline"]
    backbone: str
    head: str = ""
    policy: str = ""
    augmentation: str = ""
    settings: str = ""
    rank: int | None = None
    status: Status = "finished"
    reason: str = ""
    score: float | None = None
    low: float | None = None
    high: float | None = None
    spread: tuple[float, float] | None = None
    accuracy: float | None = None
    balanced_accuracy: float | None = None
    recalls: tuple[float | None, ...] = ()
    seeds: int = 0
    failed: int = 0
    single_seed: bool = False
    tied_with_best: bool = False
    recommended: bool = False
    trainable: int = 0
    total: int = 0
    seconds: float = 0.0
    milliseconds_per_image: float = 0.0
    run_ids: tuple[str, ...] = ()
    test: Scores | None = None
    notes: tuple[str, ...] = ()
    explanation: str = ""

    @property
    def title(self) -> str:
        """`backbone · head · policy · augmentation`, and the settings if rows differ in them."""
        parts = (self.backbone, self.head, self.policy, self.augmentation, self.settings)
        return " · ".join(part for part in parts if part)

    @property
    def cost(self) -> tuple[int, int, bool, str]:
        """What makes a row cheaper: fewer weights to ship, fewer to train, no augmentation, and else the title.

        Seconds do not count. They depend on the machine and on what the runs before had left in the cache, and which
        row is recommended, and so gets the look at the test part, must not.
        """
        return self.total, self.trainable, self.augmentation not in {"", "none"}, self.title


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Rows of one data set and split, ranked by their mean validation score.

    Attributes:
        rows: Finished rows and baselines by score, then rows that do not learn in inference mode, then rows without
            scores.
        stale: Rows on other data or another split: they cannot be compared with `rows`.
        metric: What ranks.
        classes: Class names in label order.
        n_train: Number of training pictures.
        n_validation: Number of validation pictures.
        n_test: Number of test pictures.
        data: Digest of the data set.
        split: Digest of the split.
        notes: What the person should know before believing the ranks.
    """

    rows: tuple[Row, ...]
    stale: tuple[Row, ...]
    metric: Metric
    classes: tuple[str, ...]
    n_train: int
    n_validation: int
    n_test: int
    data: str
    split: str
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One line for each row, best first."""
        head = (
            f"{len(self.classes)} classes; {self.n_train} training, {self.n_validation} validation, {self.n_test} test"
        )
        lines = [f"Board ({head} pictures), by mean validation {self.metric}:"]
        for row in self.rows:
            score = "-" if row.score is None else f"{row.score:.3f}"
            marks = "*" if row.recommended else "=" if row.tied_with_best else ""
            state = "" if row.status == "finished" else f"  {row.status}: {row.reason}"
            lines.append(f"{row.rank or '-':>3}{marks:<2} {score:>5}  {row.title}{state}")
        return "\n".join(lines)

    @property
    def best(self) -> Row | None:
        """The row with the highest mean score that learned; None if there is none."""
        return next((row for row in self.rows if row.rank == 1 and row.status == "finished"), None)

    @property
    def recommended(self) -> Row | None:
        """The cheapest among the best row and those that cannot be told from it; see `Row.recommended`."""
        return next((row for row in self.rows if row.recommended), None)

    def to_json(self) -> dict[str, Any]:
        """The board as plain JSON values; `from_json` reads it."""
        return {"schema": SCHEMA, "version": VERSION, **to_plain(self)}

    @staticmethod
    def from_json(document: dict[str, Any]) -> Board:
        """The board that `to_json` wrote.

        Raises:
            RunFormatError: If it is no board, or of another version.
        """
        found = (document.get("schema"), document.get("version"))
        if found != (SCHEMA, VERSION):
            raise RunFormatError(
                f"The document is {found[0]!r} in version {found[1]!r}, not {SCHEMA!r} in version {VERSION}.",
                hint="Write the board again with this version of keras-zoo.",
            )
        return from_plain(Board, {key: value for key, value in document.items() if key not in ("schema", "version")})
