"""The frozen records that flow from stage to stage. No Keras, no logic beyond looking at oneself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from zoo.choices import Metric, Optimiser, OptionValue, Precision, Schedule, Status  # noqa: TC001 - read at run time
from zoo.explanations import Explanation  # noqa: TC001 - read at run time

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    UInt8Array = npt.NDArray[np.uint8]  # pictures or a picture: 0–255, channels last, RGB if nothing else is said
    FloatArray = npt.NDArray[np.float32]
    IntArray = npt.NDArray[np.int64]

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Picture:
    """One labelled picture, not yet decoded.

    Attributes:
        id: Stable name within its table: the path below the data folder with `/`, or a made-up name.
        label: Index into `ImageTable.classes`.
        path: File to decode, or None where `pixels` holds the picture.
        pixels: uint8 array, (height, width) or (height, width, channels), or None where `path` names a file.
        part: The side it must be on (pre-split data), or None.
        group: Pictures with the same group are kept on one side; None for no group.
    """

    id: str
    label: int
    path: str | None = None
    pixels: UInt8Array | None = field(default=None, repr=False, compare=False)
    part: Part | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that was not used, and why."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class ImageTable:
    """All pictures of a data set with their labels, as a source gives them.

    Attributes:
        location: Where they come from, for messages.
        classes: Class names; a label is an index into them.
        pictures: Sorted by id.
        skipped: Files that the source left out.
        notes: What the person should know (ignored files by kind, class names that differ only in case, …).
    """

    location: str
    classes: tuple[str, ...]
    pictures: tuple[Picture, ...]
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.pictures)


@dataclass(frozen=True, slots=True)
class HealthReport:
    """What the scan of all files found; `table` holds only pictures that decode.

    Attributes:
        table: The pictures that can be used.
        fingerprints: Hex SHA-256 of the decoded pixels, one for each picture of `table`, in its order.
        skipped: Files left out by the source or by the scan.
        duplicates: Groups of ids with identical pixels (two or more each).
        conflicts: Groups of ids with identical pixels but different labels.
        look_alikes: Groups of ids of different pixels that look the same. Of identical pictures the first is named.
        notes: Sentences for the person.
        digest: Hex SHA-256 over ids, labels, class names and fingerprints: names this data set.
        channels: What limits the channels of pictures, as in `zoo.channels.fits`, each with the first such id.
        alpha: Hex SHA-256 over transparent pictures with their alpha, for runs that see it; empty if there are none.
    """

    table: ImageTable
    fingerprints: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    duplicates: tuple[tuple[str, ...], ...]
    conflicts: tuple[tuple[str, ...], ...]
    look_alikes: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    digest: str
    channels: tuple[tuple[int, str], ...] = ()
    alpha: str = ""


@dataclass(frozen=True, slots=True)
class Split:
    """Which pictures (indices into the table) are on which side. Sides are disjoint; each is sorted.

    Attributes:
        train: Indices used for fitting.
        validation: Indices used for early stopping, epoch selection and ranking.
        test: Indices that nothing looks at before a row is chosen; may be empty.
        dropped: Indices left out, for example training copies of a picture in a given test part.
        seed: The seed that drew it.
        fixed: Whether the data came already split.
        notes: Sentences for the person.
        digest: Hex SHA-256 over data digest and sides.
    """

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]
    dropped: tuple[int, ...] = ()
    seed: int = 0
    fixed: bool = False
    notes: tuple[str, ...] = ()
    digest: str = ""


@dataclass(frozen=True)
class Side:
    """Decoded pictures of one side: uint8 (n, size, size, channels), int64 labels (n,), a key for the feature cache."""

    pixels: UInt8Array = field(repr=False)
    labels: IntArray = field(repr=False)
    key: str


@dataclass(frozen=True, slots=True)
class Spec:
    """A name with options as a person writes it, `unfreeze-top-k:k=2,bn=adapting`, parsed and completed.

    Attributes:
        name: The item's name.
        options: All options with their values, defaults included, in declared order.
        text: The canonical spelling: options that differ from their default only, in declared order.
    """

    name: str
    options: tuple[tuple[str, OptionValue], ...] = ()
    text: str = ""

    def __str__(self) -> str:
        return self.text or self.name

    def values(self) -> dict[str, OptionValue]:
        """The options as keyword arguments."""
        return dict(self.options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What one run is. Everything that can change its numbers is in here or in the environment record.

    Attributes:
        backbone: Backbone with `weights`, `size` and its own options completed.
        head: Head with options.
        policy: Fine-tuning policy with options.
        augmentation: Training-only augmentation with options.
        data: Digest of the data set.
        split: Digest of the split.
        classes: Class names in label order.
        epochs: Epochs over all phases, at least 1.
        batch_size: Pictures in a batch, at least 2; clipped to the number of training pictures.
        learning_rate: Highest rate of the phases, in proportion; None for the policy's own, `auto` for a range test's.
        schedule: Course of the rate in every phase, instead of what the policy says.
        optimiser: What turns gradients into steps.
        weight_decay: Share of a weight that a step takes off, times the rate, at least 0; not of biases, gammas, betas.
        accumulate: Batches whose mean gradient makes one step, at least 1.
        ema: Decay of the moving average of the weights that is validated and delivered, in [0, 1); 0 for none.
        precision: What the backbone's layers compute in.
        views: Augmented versions of a picture where blocks are closed; 0 for a new one in every epoch.
        label_smoothing: Share of the target spread over all classes, in [0, 1).
        patience: Epochs without improvement after which a phase ends; None never ends one early.
        metric: What the best epoch is chosen by.
        seed: Of initialisation, order, dropout and augmentation. The split has its own.
    """

    backbone: Spec
    head: Spec
    policy: Spec
    augmentation: Spec
    data: str
    split: str
    classes: tuple[str, ...]
    epochs: int = 10
    batch_size: int = 32
    learning_rate: float | Literal["auto"] | None = None
    schedule: Schedule = "policy"
    optimiser: Optimiser = "adam"
    weight_decay: float = 0.0
    accumulate: int = 1
    ema: float = 0.0
    precision: Precision = "float32"
    views: int = 0
    label_smoothing: float = 0.0
    patience: int | None = 5
    metric: Metric = "accuracy"
    seed: int = 0

    @property
    def title(self) -> str:
        """The row's name on a board: `backbone · head · policy · augmentation`, without the seed."""
        return " · ".join(str(part) for part in (self.backbone, self.head, self.policy, self.augmentation))


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One line of a run's history, counted over all phases.

    Attributes:
        phase: Name of the phase.
        epoch: 1-based, over all phases.
        loss: Mean training loss during the epoch, in training mode.
        accuracy: Training accuracy during the epoch, in training mode, in [0, 1].
        val_loss: Validation cross-entropy (without smoothing), in inference mode.
        val_accuracy: Validation accuracy, in inference mode, in [0, 1].
        val_balanced_accuracy: Mean recall over the classes present in the validation part, in [0, 1].
        learning_rate: Rate of the last step; 0 where the head is solved, with training figures in inference mode.
        seconds: Wall time of the epoch with its validation.
    """

    phase: str
    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    val_balanced_accuracy: float
    learning_rate: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of one set of predictions. All but `loss` in [0, 1].

    Attributes:
        n: Number of pictures.
        accuracy: Share of right predictions.
        balanced_accuracy: Mean recall over the classes that occur.
        loss: Mean cross-entropy in nats, without label smoothing.
        recalls: Recall of each class, None where a class does not occur.
    """

    n: int
    accuracy: float
    balanced_accuracy: float
    loss: float
    recalls: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class ReceiptRow:
    """What happened to one block (or the head) between start and saved model.

    Attributes:
        block: Name of the block, or `head`.
        weights: Number of scalar weights, statistics included.
        declared: What the policy opened there over all phases: `all`, `batch-norm`, `bias`, `low-rank` or `nothing`.
        statistics_declared: Whether some phase let the moving statistics there adapt.
        opened: Number of scalar weights that an optimiser was given.
        moved: Number of scalar weights and statistics that differ from the start.
        relative_change: Largest over weight tensors of ‖after − before‖ / ‖before‖ (‖after‖ where before is 0).
        affine_moved: Whether a gamma or beta moved; None without BatchNorm.
        statistics_moved: Whether a moving mean or variance moved; None without BatchNorm.
        verdict: `PASS`, `WARN` (open but unmoved) or `FAIL` (fixed but moved, or open but not given to the optimiser).
        reason: Why not PASS; names the weight.
    """

    block: str
    weights: int
    declared: str
    statistics_declared: bool
    opened: int
    moved: int
    relative_change: float
    affine_moved: bool | None
    statistics_moved: bool | None
    verdict: Literal["PASS", "WARN", "FAIL"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of what a fit moved: one row for each block, input to output, then the head.

    Attributes:
        rows: One for each block and one for the head.
        unbuilt: Names of layers that own no built weights although their kind has some.
    """

    rows: tuple[ReceiptRow, ...]
    unbuilt: tuple[str, ...] = ()

    @property
    def verdict(self) -> Literal["PASS", "WARN", "FAIL"]:
        """The worst of the rows."""
        verdicts = {row.verdict for row in self.rows}
        return "FAIL" if "FAIL" in verdicts else "WARN" if "WARN" in verdicts else "PASS"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run as the store keeps it: light, without model or pixels.

    Attributes:
        id: Name of the run's folder, unique in its store.
        recipe: What was run.
        digest: Hex SHA-256 of recipe and environment: equal digests mean equal numbers.
        status: How it ended.
        reason: One line for a status other than `finished`: the cause, with figures.
        notes: Warnings of the run.
        validation: Scores of the kept epoch on the validation part, None without.
        train_accuracy: Training-mode accuracy of the last epoch, None without.
        inference_accuracy: Accuracy on training pictures in inference mode where it was measured, else None.
        receipt: What moved.
        history: One record for each epoch.
        best_epoch: The kept epoch, 1-based, 0 for the start.
        trainable_weights: Scalar weights given to an optimiser, most over the phases.
        total_weights: Scalar weights of the model.
        seconds: Wall time.
        milliseconds_per_image: Median time of a picture in a batch, passed as `zoo.forward` does; of the backbone alone
            where that was run.
        environment: Versions, backend, threads.
        started: ISO 8601, UTC.
        explanation: Why it did not learn, or why it is too good; None for a score that asks for no explanation.
    """

    id: str
    recipe: Recipe
    digest: str
    status: Status
    reason: str = ""
    notes: tuple[str, ...] = ()
    validation: Scores | None = None
    train_accuracy: float | None = None
    inference_accuracy: float | None = None
    receipt: Receipt | None = None
    history: tuple[EpochRecord, ...] = ()
    best_epoch: int = 0
    trainable_weights: int = 0
    total_weights: int = 0
    seconds: float = 0.0
    milliseconds_per_image: float = 0.0
    environment: Mapping[str, Any] = field(default_factory=dict)
    started: str = ""
    explanation: Explanation | None = None
