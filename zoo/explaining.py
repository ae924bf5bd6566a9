"""Looks at a finished run whose score asks for an explanation, and at no other: at chance, or too good to be believed.

What the rules need beyond what training measured anyway is taken from where it lies: features of the pretrained
backbone from the cache if some row of the grid has left them there, else of a sample; thumbnails from the decoded
pictures. The network has its trained weights again, bit for bit, when this is over.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo import evidence, nearness, not_learning, too_good
from zoo.events import Note, Stage, ignore
from zoo.evidence import spread
from zoo.forward import value_of
from zoo.nearness import nearest_labels
from zoo.proof import remedy_of_lag
from zoo.run_facts import Facts, at_chance
from zoo.threads import on_one_thread

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zoo.building import Built
    from zoo.contracts import KerasModel
    from zoo.dataset import Dataset
    from zoo.errors import DivergedError
    from zoo.events import Observer
    from zoo.evidence import Compared
    from zoo.explanations import Explanation
    from zoo.prefix import FeatureCache
    from zoo.training import Trained
    from zoo.values import EpochRecord, Receipt, Recipe, Scores, Side

    Array = np.ndarray[Any, Any]
    Evidence = tuple[list[Compared], dict[str, float]]

KNOWN = (2000, 1000)
"""Most training and validation pictures that are looked at where nothing has to be run for it."""

SAMPLE = (384, 192)
"""Most that the pretrained backbone is run on where its features are not at hand."""

_PENALTY = 1e-2
THUMBNAILS, FEATURES, PROBE = "thumbnails", "features", "linear probe on features"


@dataclass(frozen=True)
class Done:
    """What a finished training left.

    Attributes:
        recipe: What was run.
        built: The network, with the weights of the kept epoch.
        trained: Its course.
        scores: Of the kept epoch, on validation.
        inference: Accuracy on training pictures in inference mode, where statistics adapted.
        receipt: What moved.
        sides: Training and validation pictures.
        start: Values of the network's weights before training, in their order.
        momenta: Of the BatchNorm layers whose statistics followed, by layer name.
    """

    recipe: Recipe
    built: Built
    trained: Trained
    scores: Scores
    inference: float | None
    receipt: Receipt
    sides: tuple[Side, Side]
    start: Sequence[Array]
    momenta: Mapping[str, float]


@dataclass
class Looks:
    """What was found about the pictures and a backbone before training: the same for all rows and seeds that have both.

    Attributes:
        neighbours: Accuracy of the nearest neighbour by features.
        evidence: How near the two sides lie to each other, and what trivial cues reach.
        pictures: The same of pictures of one size alone, whatever the backbone.
        frozen: How many rows have run that may have left features.
        missed: How many had, when features were looked for and not found: nobody looks again before there are more.
    """

    neighbours: dict[tuple[str, ...], dict[str, float]] = field(default_factory=dict)
    evidence: dict[tuple[str, ...], Evidence] = field(default_factory=dict)
    pictures: dict[tuple[str, ...], tuple[Compared, dict[str, float]]] = field(default_factory=dict)
    frozen: dict[tuple[str, ...], int] = field(default_factory=dict)
    missed: dict[tuple[str, ...], int] = field(default_factory=dict)

    def count(self, done: Done) -> None:
        """Counts a row that may have left features: one with a phase in which the backbone was closed."""
        if any(not phase.open_blocks for phase in done.built.phases):
            self.frozen[self.key(done)] = self.frozen.get(self.key(done), 0) + 1

    @staticmethod
    def key(done: Done) -> tuple[str, ...]:
        """What the findings depend on."""
        return str(done.recipe.backbone), done.recipe.precision, *(side.key for side in done.sides)


@on_one_thread
def explanation_of(
    done: Done,
    dataset: Dataset,
    cache: FeatureCache,
    *,
    looks: Looks | None = None,
    thumbnails: float | None = None,
    wrong_input: str = "",
    observe: Observer = ignore,
) -> Explanation | None:
    """What explains a run's score; None where it asks for no explanation, or where looking for one went wrong.

    Args:
        done: The run.
        dataset: Names and files of the pictures.
        cache: Features of the pretrained backbone, if some row has left them.
        looks: What earlier runs on the same pictures have found out.
        thumbnails: Accuracy of the nearest neighbour among thumbnails, where it is known.
        wrong_input: What is wrong with the pictures as the network gets them, where something is known to be.
        observe: Told why there is no explanation where there should be one.
    """
    simple, looks = {} if thumbnails is None else {THUMBNAILS: thumbnails}, looks or Looks()
    try:
        looks.count(done)
        observe(Stage("looking at the score"))
        if at_chance(done.scores, _majority(done.sides[1]), done.trained.history):
            return not_learning.explain(_facts(done, dataset, cache, simple, wrong_input))
        return _too_good(done, dataset, cache, simple, looks)
    except Exception as error:  # noqa: BLE001 - a run that is finished must not fail for what is said about it
        observe(Note(f"The score could not be explained: {type(error).__name__}: {error}"))
        return None


def explain_divergence(
    recipe: Recipe, history: tuple[EpochRecord, ...], error: DivergedError, *, wrong_input: str = ""
) -> Explanation:
    """The causes of a run without scores, from what is known without its network: epochs that ended, and the error."""
    rate = error.learning_rate
    if rate is None:
        given = [recipe.learning_rate] if isinstance(recipe.learning_rate, float) else []
        rate = max((*given, *(record.learning_rate for record in history)), default=0.0)
    return not_learning.explain(
        Facts(
            classes=recipe.classes,
            n_train=0,
            train_majority=0.0,
            majority=0.0,
            history=history,
            epochs=recipe.epochs,
            patience=recipe.patience,
            learning_rate=rate,
            wrong_input=wrong_input,
            diverged=error.message,
            solved=error.learning_rate == 0,
        )
    )


def _majority(side: Side) -> float:
    return float(np.bincount(side.labels).max() / len(side.labels))


def _facts(done: Done, dataset: Dataset, cache: FeatureCache, simple: Mapping[str, float], wrong_input: str) -> Facts:
    recipe, trained = done.recipe, done.trained
    answered = np.bincount(trained.probabilities.argmax(axis=1), minlength=len(recipe.classes))
    head = done.receipt.rows[-1]
    return Facts(
        classes=recipe.classes,
        n_train=len(done.sides[0].labels),
        train_majority=_majority(done.sides[0]),
        majority=_majority(done.sides[1]),
        history=trained.history,
        epochs=recipe.epochs,
        patience=recipe.patience,
        validation=done.scores,
        answered=tuple((answered / answered.sum()).tolist()),
        best_epoch=trained.best_epoch,
        head_change=head.relative_change if head.opened else None,
        inference_accuracy=done.inference,
        momenta=done.momenta,
        adapting_steps=trained.adapting_steps,
        lag_remedy=remedy_of_lag(recipe, done.built) if done.momenta else "",
        learning_rate=max((record.learning_rate for record in trained.history), default=0.0),
        steps=trained.steps,
        opens=any(phase.open_blocks for phase in done.built.phases),
        pretrained=_is_pretrained(recipe),
        simple={**simple, **_simple(done, cache)},
        conflicts=len(dataset.report.conflicts),
        wrong_input=wrong_input,
    )


def _is_pretrained(recipe: Recipe) -> bool:
    return recipe.backbone.values().get("weights") != "none"


def _simple(done: Done, cache: FeatureCache) -> dict[str, float]:
    """What can be told from the features that the backbone had before training."""
    from zoo import logistic

    found = _features(done, cache, sample=True) if _is_pretrained(done.recipe) else None
    if found is None:
        return {}
    learner, validation = done.sides
    truth = validation.labels[found.validation_rows]
    scale = logistic.Scale.of(found.train)
    targets = np.eye(len(done.recipe.classes))[learner.labels[found.train_rows]]
    (fitted,) = logistic.path(scale.apply(found.train), targets, (_PENALTY,))
    probed = (scale.apply(found.validation) @ fitted.kernel + fitted.bias).argmax(axis=1)
    return {**_neighbour(done, found), PROBE: float((probed == truth).mean())}


@dataclass(frozen=True)
class _Found:
    """Pooled features, float64 (m, width) and (n, width), and the rows of the sides that they are of."""

    train: Array
    validation: Array
    train_rows: Array
    validation_rows: Array


def _features(done: Done, cache: FeatureCache, *, sample: bool) -> _Found | None:
    """Of the backbone as it was before training: from the cache, else of a sample if that is wanted."""
    from zoo.prefix import fingerprint, pass_through

    assembly, sides = done.built.assembly, done.sides
    whole = assembly.prefix(len(assembly.blocks))
    with _at_start(done):
        paths = [path for path in (assembly.path(len(assembly.blocks)), (whole,)) if _is_pooled(path)] + [(whole,)]
        for path in paths:
            prints = [fingerprint(model) for model in path]
            known = [cache.peek(prints, key=side.key) for side in sides]
            if all(one is not None for one in known):
                rows = [spread(len(side.labels), most) for side, most in zip(sides, KNOWN, strict=True)]
                tensors = [_pooled(one, chosen) for one, chosen in zip(known, rows, strict=True)]
                return _Found(*tensors, *rows)
        if not sample:
            return None
        rows = [spread(len(side.labels), most) for side, most in zip(sides, SAMPLE, strict=True)]
        made = [pass_through((whole,), side.pixels[chosen]) for side, chosen in zip(sides, rows, strict=True)]
        return _Found(*(_pooled(tensors, slice(None)) for tensors in made), *rows)


def _is_pooled(path: Sequence[KerasModel]) -> bool:
    """Whether a path ends in vectors about as long as the backbone has channels, as behind global pooling."""
    shapes = [tuple(tensor.shape[1:]) for tensor in path[-1].outputs]
    channels = path[0].outputs[0].shape[-1]
    return len(shapes) == 1 and len(shapes[0]) == 1 and shapes[0][0] <= 2 * channels


def _pooled(tensors: Any, rows: Any) -> Array:  # noqa: ANN401 - arrays, rows or a slice
    """float64 (rows, channels): the mean over the places of a map."""
    chosen = next((tensor for tensor in tensors if tensor.ndim > 2), tensors[-1])  # noqa: PLR2004 - a map has places
    parts = []
    picked = np.arange(len(chosen))[rows]
    for start in range(0, len(picked), 256):
        part = np.asarray(chosen[picked[start : start + 256]], np.float32)
        parts.append(part.reshape(len(part), -1, part.shape[-1]).mean(axis=1, dtype=np.float64))
    return np.concatenate(parts)


@contextlib.contextmanager
def _at_start(done: Done) -> Iterator[None]:
    """The backbone as it was before training, and as it is now again afterwards."""
    assembly = done.built.assembly
    moved = []
    for weight, before in zip(assembly.weights, done.start, strict=True):
        now = value_of(weight.variable)
        if weight.block < len(assembly.blocks) and now.tobytes() != before.tobytes():
            moved.append((weight.variable, now, before))
    try:
        for variable, _, before in moved:
            variable.assign(before)
        yield
    finally:
        for variable, now, _ in moved:
            variable.assign(now)


def _too_good(
    done: Done, dataset: Dataset, cache: FeatureCache, neighbours: Mapping[str, float], looks: Looks
) -> Explanation | None:
    validation = done.sides[1]
    majority, accuracy, count = _majority(validation), done.scores.accuracy, done.scores.n
    key, found = Looks.key(done), None

    def asks(near: Mapping[str, float]) -> bool:
        return too_good.is_suspicious(accuracy, count, majority=majority, neighbours=near)

    if not asks({**neighbours, **looks.neighbours.get(key, {})}):
        found = _left(done, cache, looks) if asks({FEATURES: 1.0}) else None  # else no neighbour makes it suspicious
        if found is None or not asks(looks.neighbours[key]):
            return None
    if key not in looks.evidence:
        if _is_pretrained(done.recipe):
            found = found or _features(done, cache, sample=True)
            looks.neighbours[key] = _neighbour(done, found)
        looks.evidence[key] = _evidence(done, dataset, found, looks)
    likenesses, reached = looks.evidence[key]
    suspicion = too_good.Suspicion(
        accuracy=accuracy,
        majority=majority,
        correct=done.trained.probabilities.argmax(axis=1) == validation.labels,
        likenesses=likenesses,
        neighbours={**neighbours, **looks.neighbours.get(key, {})},
        cues=reached,
    )
    return too_good.explain(suspicion, names=(dataset.ids("train"), dataset.ids("validation")))


def _left(done: Done, cache: FeatureCache, looks: Looks) -> _Found | None:
    """Features that a frozen row has left, if they are new; to look for them costs a fingerprint of the network."""
    key = Looks.key(done)
    rows = looks.frozen.get(key, 0)
    if not _is_pretrained(done.recipe) or key in looks.neighbours or looks.missed.get(key) == rows:
        return None
    found = _features(done, cache, sample=False)
    if found is None:
        looks.missed[key] = rows
    else:
        looks.neighbours[key] = _neighbour(done, found)
    return found


def _evidence(done: Done, dataset: Dataset, found: _Found | None, looks: Looks) -> Evidence:
    """How near the sides lie to each other, and what trivial cues reach."""
    key = tuple(side.key for side in done.sides)
    if key not in looks.pictures:
        looks.pictures[key] = evidence.of_pictures(dataset, done.sides, classes=len(done.recipe.classes), most=KNOWN)
    likeness, reached = looks.pictures[key]
    if found is None:
        return [likeness], reached
    by_features = nearness.by_features(found.train, found.validation)
    return [(by_features, found.validation_rows, found.train_rows), likeness], reached


def _neighbour(done: Done, found: _Found | None) -> dict[str, float]:
    if found is None:
        return {}
    learner, validation = done.sides
    answers = nearest_labels(found.train, learner.labels[found.train_rows], found.validation)
    return {FEATURES: float((answers == validation.labels[found.validation_rows]).mean())}
