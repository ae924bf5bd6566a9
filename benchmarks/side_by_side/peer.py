"""What a careful Keras user writes: one script, one loop over all combinations, and `model.fit` for each.

Pictures are decoded once for each size by `tf.data`, kept in memory as uint8, shuffled anew in every epoch and
prefetched. Frozen backbones are called in inference mode. Whatever a combination does not need is not done.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import keras  # before zoo, which would set what TensorFlow reads when it is imported
import tensorflow as tf

from side_by_side.network import backbone_of, head_of, size_of, top_layers
from side_by_side.pictures import read_split
from side_by_side.scenarios import MOVING

if TYPE_CHECKING:
    from side_by_side.work import Work
    from zoo.registry import Catalog


class Still(keras.layers.Layer):  # type: ignore[misc]
    """A backbone in inference mode, also in `fit`: up to Keras 3.15 `training=False` at construction is ignored."""

    def __init__(self, backbone: Any) -> None:  # noqa: ANN401 - a Keras model
        super().__init__()
        self.backbone = backbone

    def call(self, pictures: Any) -> Any:  # noqa: ANN401 - tensors
        """The feature map."""
        return self.backbone(pictures, training=False)


def run(work: Work) -> dict[str, Any]:
    """Trains every combination; what became of it."""
    from zoo.plugins import load_catalog

    imported = time.time() - work.started
    catalog, split = load_catalog(), read_split(work)
    sides: dict[int, tuple[Any, Any]] = {}
    rows = []
    for backbone, head, policy, rate, seed in work.rows:
        began = time.perf_counter()
        keras.backend.clear_session()
        keras.utils.set_random_seed(seed)
        size = size_of(backbone, catalog)
        if size not in sides:
            sides[size] = datasets(split, size, work.batch)
        train, validation = sides[size]
        model = model_of(backbone, head, policy, train, len(split["classes"]), catalog)
        compile_model(model, rate)
        options = {"epochs": work.epochs, "callbacks": [stopping(work)], "verbose": 0}
        history = model.fit(train, validation_data=validation, shuffle=False, **options).history  # `tf.data` shuffles
        rows.append(
            {
                "backbone": backbone,
                "head": head,
                "policy": policy,
                "rate": rate,
                "seed": seed,
                "accuracy": float(max(history["val_accuracy"])),
                "epochs": len(history["val_accuracy"]),
                "seconds": time.perf_counter() - began,
            }
        )
    return {"rows": rows, "imported": imported, "onednn": onednn()}


def datasets(split: dict[str, Any], size: int, batch: int) -> tuple[Any, Any]:
    """Training and validation pictures, float32 (batch, size, size, 3), 0–255, with labels."""
    train, validation = (
        _dataset(split[part], size, batch, shuffled=part == "train") for part in ("train", "validation")
    )
    return train, validation


def _dataset(files: list[tuple[str, int]], size: int, batch: int, *, shuffled: bool) -> Any:  # noqa: ANN401 - a tf.data.Dataset
    def load(path: Any, label: Any) -> Any:  # noqa: ANN401 - tensors
        picture = tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False)
        picture = tf.image.resize(picture, (size, size))
        return tf.cast(tf.clip_by_value(tf.round(picture), 0, 255), tf.uint8), label

    def widen(pictures: Any, labels: Any) -> Any:  # noqa: ANN401 - tensors
        return tf.cast(pictures, tf.float32), labels

    paths, labels = zip(*files, strict=True)
    data = tf.data.Dataset.from_tensor_slices((list(paths), list(labels)))
    data = data.map(load, num_parallel_calls=tf.data.AUTOTUNE).cache()
    if shuffled:
        data = data.shuffle(len(files), reshuffle_each_iteration=True)
    return data.batch(batch).map(widen, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def model_of(backbone_name: str, head_name: str, policy: str, train: Any, classes: int, catalog: Catalog) -> Any:  # noqa: ANN401 - Keras
    """A network with exactly that part open which a policy opens."""
    backbone = backbone_of(backbone_name, catalog)
    adapts = open_layers(backbone, backbone_name, policy, train, catalog)
    pictures = keras.Input(backbone.input_shape[1:])
    features = backbone(pictures) if adapts else Still(backbone)(pictures)
    return keras.Model(pictures, head_of(head_name, backbone, classes, catalog)(features))


def open_layers(backbone: Any, name: str, policy: str, train: Any, catalog: Catalog) -> bool:  # noqa: ANN401 - Keras
    """Sets what of a backbone is trained; says whether its BatchNorm normalises with the batch in training.

    In the top blocks BatchNorm layers stay frozen, as Keras' guide on transfer learning has it.

    Raises:
        ValueError: A policy that this program has no counterpart of.
    """
    norms = [layer for layer in backbone._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    if policy == "bn-stats":
        adapt_statistics(backbone, norms, train)
    for layer in backbone._flatten_layers(include_self=False):
        layer.trainable = False
    if policy in {"freeze-all", "bn-stats"}:
        backbone.trainable = False
        return False
    if policy in {"bn-affine", MOVING}:
        for layer in norms:
            layer.trainable = True
        return policy == MOVING
    if policy.startswith("unfreeze-top-k:k="):
        for layer in top_layers(name, backbone, int(policy.rpartition("=")[2]), catalog):
            layer.trainable = layer not in norms
        return False
    raise ValueError(f"nobody has written the policy {policy!r} for Keras alone")


def adapt_statistics(backbone: Any, norms: list[Any], train: Any) -> None:  # noqa: ANN401 - Keras
    """One pass over the training pictures, after which the moving statistics are the mean of those of the batches."""
    usual = [layer.momentum for layer in norms]
    for layer in norms:
        layer.trainable = True
    for step, (pictures, _) in enumerate(train):
        for layer in norms:
            layer.momentum = step / (step + 1)
        backbone(pictures, training=True)
    for layer, momentum in zip(norms, usual, strict=True):
        layer.momentum = momentum


def compile_model(model: Any, rate: float) -> None:  # noqa: ANN401 - a Keras model
    """Adam, cross-entropy of logits, accuracy."""
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )


def stopping(work: Work) -> Any:  # noqa: ANN401 - a Keras callback
    """Keeps the best epoch; stops early only if ours may."""
    return keras.callbacks.EarlyStopping(
        monitor="val_accuracy",
        mode="max",
        patience=work.epochs if work.patience is None else work.patience,
        restore_best_weights=True,
    )


def onednn() -> bool:
    """Whether TensorFlow uses oneDNN's kernels; it tells this nowhere else."""
    from tensorflow.python.util import _pywrap_util_port

    return bool(_pywrap_util_port.IsMklEnabled())
