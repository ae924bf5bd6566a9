"""How far the statistics that BatchNorm layers have stored are from those of some pictures. Pure NumPy.

A layer computes `(x - moving mean) / sqrt(moving variance + epsilon)`. Its statistics fit where what comes out has mean
0 and variance 1 in each channel. Three numbers for each channel say how far it is from that:

* the *mean shift*: the pictures' mean less the stored one, in stored standard deviations;
* the *log variance ratio*: the logarithm of the pictures' variance over the stored one;
* the *divergence*: the symmetric Kullback-Leibler divergence of the two normal distributions (Jeffreys 1946,
  doi:10.1098/rspa.1946.0056: the sum of both directions), which is 0 where they agree.

Of a layer the divergence is not the median of its channels' ones but that of a *typical channel*, made of two medians
over channels: the mean shift's size and the log variance ratio's size. So it takes the ratio as positive, as if the
pictures varied more than what is stored. Without a mean shift that changes nothing. A mean shift d weighs
d² (1 + e^-ratio) / 2, though: where pictures vary less, the number is lower than Jeffreys' divergence of that mean
shift and that ratio would be, by d² sinh(|ratio|). The thresholds in use were fitted on the number as it is.

Epsilon is added to every variance, as the layer does. Few pictures show a shift by chance alone, so each number has a
standard error over pictures (the infinitesimal jackknife: Efron 1981, doi:10.2307/3314608), and what a layer is said to
be shifted by is what is left without it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from zoo.threads import on_one_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    Array = np.ndarray[Any, Any]

CHANNELS = 128
"""Channels of a layer, about, that an interval is taken from: every so many of them, if there are more."""

SURE = 3.0
"""Standard errors from which on a channel's shift is more than chance."""


_QUIET = np.errstate(invalid="ignore", over="ignore", divide="ignore")
"""Networks that overflow make values that are not finite; the numbers then are, too, and callers look at them."""


class Measured(Protocol):
    """What is known of a layer; `zoo.moments.LayerMoments` is one."""

    @property
    def name(self) -> str:
        """Of the layer."""

    @property
    def mean(self) -> Array:
        """(n, channels), of each picture."""

    @property
    def square(self) -> Array:
        """(n, channels), mean of squares of each picture."""

    @property
    def stored_mean(self) -> Array:
        """(channels,)."""

    @property
    def stored_variance(self) -> Array:
        """(channels,)."""

    @property
    def epsilon(self) -> float:
        """Added to variances."""


@dataclass(frozen=True)
class LayerShift:
    """The shift of one layer, by channel and summed up.

    Attributes:
        name: Of the layer.
        mean_shift: float64 (channels,), in stored standard deviations.
        log_variance_ratio: float64 (channels,), natural logarithm.
        divergence: float64 (channels,), symmetric Kullback-Leibler divergence in nats, with the ratio's sign.
        mean_error: float64 (channels,), standard error of `mean_shift`.
        ratio_error: float64 (channels,), standard error of `log_variance_ratio`.
    """

    name: str
    mean_shift: Array = field(repr=False)
    log_variance_ratio: Array = field(repr=False)
    divergence: Array = field(repr=False)
    mean_error: Array = field(repr=False)
    ratio_error: Array = field(repr=False)

    @property
    def typical_mean_shift(self) -> float:
        """Median over channels of the mean shift's size without its standard error, in stored standard deviations."""
        return _typical(self.mean_shift, self.mean_error)

    @property
    def typical_log_ratio(self) -> float:
        """Median over channels of the log variance ratio's size without its standard error."""
        return _typical(self.log_variance_ratio, self.ratio_error)

    @property
    def log_ratio(self) -> float:
        """Median over channels of the log variance ratio with its sign: below 0 where the pictures vary less."""
        return float(np.median(self.log_variance_ratio))

    @property
    def typical_divergence(self) -> float:
        """Jeffreys' divergence of a channel with the two typical values, the ratio's taken as positive, in nats.

        It is neither a median of `divergence` nor symmetric in the sign of the ratio: where the pictures vary less than
        is stored and their mean is shifted by d, it is lower by d² sinh(`typical_log_ratio`) than with the sign.
        """
        return float(_divergence(self.typical_mean_shift, self.typical_log_ratio))

    @property
    def sure(self) -> float:
        """Share of channels whose mean or variance is `SURE` standard errors from the stored one."""
        far = np.abs(self.mean_shift) > SURE * self.mean_error
        return float((far | (np.abs(self.log_variance_ratio) > SURE * self.ratio_error)).mean())


@dataclass(frozen=True)
class Shift:
    """The shift of all layers.

    Attributes:
        layers: In depth order.
        mean_shift: Median over layers of their typical mean shift, in stored standard deviations.
        log_ratio: Median over layers of their typical size of the log variance ratio.
        divergence: Median over layers of their typical divergence, in nats; see `LayerShift.typical_divergence`.
    """

    layers: tuple[LayerShift, ...]
    mean_shift: float
    log_ratio: float
    divergence: float


@_QUIET
def pooled(layer: Measured, rows: Sequence[int] | Array | None = None) -> tuple[Array, Array]:
    """Mean and biased variance of a layer's input over some pictures, all places together.

    Args:
        layer: Moments of n pictures.
        rows: Which of them; all if not given.

    Returns:
        Two float64 arrays (channels,).
    """
    mean, square = (_chosen(table, rows) for table in (layer.mean, layer.square))
    middle = mean.mean(axis=0)
    return middle, np.maximum(square.mean(axis=0) - middle**2, 0.0)


@_QUIET
def layer_shift(layer: Measured, rows: Sequence[int] | Array | None = None) -> LayerShift:
    """How far some pictures are from what a layer has stored; arguments as in `pooled`."""
    mean, square = (_chosen(table, rows) for table in (layer.mean, layer.square))
    count = len(mean)
    middle, square_mean = mean.mean(axis=0), square.mean(axis=0)
    variance = np.maximum(square_mean - middle**2, 0.0)
    stored = np.asarray(layer.stored_variance, np.float64) + layer.epsilon
    found = variance + layer.epsilon
    away = (middle - np.asarray(layer.stored_mean, np.float64)) / np.sqrt(stored)
    ratio = np.log(found / stored)
    if count > 1:
        mean -= middle  # the tables are copies, and new ones would take longer than what is computed
        mean_error = np.sqrt(np.einsum("nc,nc->c", mean, mean) / (count * (count - 1)) / stored)
        square -= square_mean
        mean *= 2 * middle
        square -= mean
        ratio_error = np.sqrt(np.einsum("nc,nc->c", square, square) / (count * (count - 1))) / found
    else:
        mean_error, ratio_error = np.full_like(middle, np.inf), np.full_like(middle, np.inf)
    return LayerShift(layer.name, away, ratio, _divergence(away, ratio), mean_error, ratio_error)


@_QUIET
def shift_of(layers: Sequence[Measured], rows: Sequence[int] | Array | None = None) -> Shift:
    """How far some pictures are from what all layers have stored; all numbers are 0 without layers."""
    found = tuple(layer_shift(layer, rows) for layer in layers)
    if not found:
        return Shift((), 0.0, 0.0, 0.0)
    means, ratios = [one.typical_mean_shift for one in found], [one.typical_log_ratio for one in found]
    divergences = [one.typical_divergence for one in found]
    return Shift(found, float(np.median(means)), float(np.median(ratios)), float(np.median(divergences)))


@on_one_thread
@_QUIET
def divergence_interval(
    layers: Sequence[Measured],
    *,
    rows: Sequence[int] | Array | None = None,
    known: Shift | None = None,
    draws: int = 60,
    seed: int = 0,
) -> tuple[float, float]:
    """A 95 % bootstrap interval over pictures of `Shift.divergence`, which lies in it.

    Samples are looked at in some of the channels. So it is their spread that counts, laid around the divergence itself.

    Args:
        layers: Moments of n pictures, at least one layer.
        rows: As in `pooled`.
        known: The shift of these layers and pictures, where it was computed already.
        draws: Samples of as many pictures, drawn with replacement.
        seed: Of the draws.
    """
    count = len(_chosen(layers[0].mean, rows))
    shares = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws) / count
    shift, found = known or shift_of(layers, rows), []
    for layer, whole in zip(layers, shift.layers, strict=True):
        few = slice(None, None, max(1, layer.mean.shape[1] // CHANNELS))
        mean, square = (shares @ _chosen(table[:, few], rows) for table in (layer.mean, layer.square))
        stored = np.asarray(layer.stored_variance[few], np.float64) + layer.epsilon
        away = (mean - np.asarray(layer.stored_mean[few], np.float64)) / np.sqrt(stored)
        ratio = np.log((np.maximum(square - mean**2, 0.0) + layer.epsilon) / stored)
        # A sample of a sample is off by its own chance and that of the sample it is drawn from.
        typical = [
            np.median(np.sqrt(np.maximum(values**2 - 2 * errors**2, 0.0)), axis=1)
            for values, errors in ((away, whole.mean_error[few]), (ratio, whole.ratio_error[few]))
        ]
        found.append(_divergence(*typical))
    low, middle, high = np.quantile(np.median(found, axis=0), [0.025, 0.5, 0.975])
    around = shift.divergence + np.array([low, high]) - middle
    return float(np.maximum(around[0], 0.0)), float(around[1])


def _chosen(table: Array, rows: Sequence[int] | Array | None) -> Array:
    return np.array(table if rows is None else table[rows], np.float64)


@_QUIET
def _typical(values: Array, errors: Array) -> float:
    """Median of absolute values, each without what its standard error alone would add to its square."""
    return float(np.median(np.sqrt(np.maximum(values**2 - np.where(np.isfinite(errors), errors, np.inf) ** 2, 0.0))))


@_QUIET
def _divergence(away: Any, ratio: Any) -> Any:  # noqa: ANN401 - floats or arrays
    """Jeffreys' divergence of N(away, e^ratio) and N(0, 1)."""
    return 0.5 * (np.exp(ratio) + np.exp(-ratio) - 2 + away**2 * (1 + np.exp(-ratio)))
