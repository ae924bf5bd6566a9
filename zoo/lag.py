"""Moving statistics follow slowly: how slowly, and what it looks like when they have not arrived.

Keras updates a moving statistic as `moving ← m · moving + (1 - m) · batch`. After n steps a share mⁿ of the start is
left; with n = 3 / (1 - m) that is e⁻³, about 5 %. With the momentum 0.99 of EfficientNet that takes 300 steps, with
the 0.999 of MobileNetV2 3,000, with the 0.9 of EfficientNetV2 30 (Ioffe & Szegedy 2015, section 3.1, for the use of
moving statistics in inference). Statistics that are taken anew before every validation do not follow, and need none.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.values import Scores, Spec

SETTLED = 3.0
"""Time constants after which a moving statistic counts as arrived."""

GAP = 0.15
"""Training-mode minus inference-mode accuracy on the same pictures from which on a note is made."""


def steps_needed(momentum: float) -> int:
    """Training steps after which a moving statistic with this momentum (in [0, 1)) has followed to about 95 %."""
    return math.ceil(round(SETTLED / (1.0 - momentum), 6)) if momentum < 1.0 else 2**31


def way_out(policy: Spec, *, backbone: bool, pretrained: bool) -> str:
    """What ends the lag of a policy's moving statistics, in one sentence.

    Args:
        policy: Whose moving statistics follow.
        backbone: Whether those of a layer of the backbone do; if not, only the head's own do.
        pretrained: Whether the backbone's weights are, so that there are stored statistics to stay on.
    """
    ways, options = ["Train longer", "use smaller batches"], policy.values()
    if not backbone:
        ways.append("take a head without BatchNorm")
    elif options.get("bn") == "adapting":
        ways.append(f"take {policy.name} with bn=fixed")
    else:
        if options.get("stats") == "moving":
            ways.append(f"take {policy.name} with stats=precise")
        if pretrained:
            ways.append("take a policy on stored statistics, such as bn-affine or fine-tune")
    return f"{', '.join(ways[:-1])} or {ways[-1]}."


def lag_warning(momenta: Mapping[str, float], *, steps: int, remedy: str) -> str:
    """A sentence when too few steps are planned for some BatchNorm layer's moving statistics, else an empty text.

    Args:
        momenta: Momentum of each layer whose statistics adapt, by layer name.
        steps: Training steps over all phases in which they adapt.
        remedy: What `way_out` says.
    """
    slow = {name: momentum for name, momentum in momenta.items() if steps < steps_needed(momentum)}
    if not slow:
        return ""
    slowest = max(slow.values())
    planned = "1 step is planned" if steps == 1 else f"{steps} steps are planned"
    return (
        f"Too few steps for the moving statistics of BatchNorm: {planned}, and with momentum "
        f"{slowest:g} ({len(slow)} of {len(momenta)} layers) about {steps_needed(slowest)} are needed. Validation may "
        f"stay low although training accuracy rises. {remedy} That is by a rule of thumb, three time constants; "
        f"`zoo diagnose` measures how far the statistics of your pictures are."
    )


def not_learning(
    *,
    training_accuracy: float,
    validation: Scores,
    majority: float,
    momenta: Mapping[str, float],
    steps: int,
    remedy: str,
) -> str:
    """The cause when a model learned in training mode and not in inference mode, else an empty text.

    That is: best validation accuracy not above the majority class by more than two standard errors, while
    training-mode accuracy is at least 0.2 above it.

    Args:
        training_accuracy: Highest training-mode accuracy of an epoch, in [0, 1].
        validation: Scores of the kept epoch, in inference mode.
        majority: Share of the most frequent class in the validation part, in [0, 1].
        momenta: As in `lag_warning`; empty when no statistics adapt, and then this is not the cause.
        steps: Training steps taken in which they adapted.
        remedy: What `way_out` says.
    """
    error = math.sqrt(max(majority * (1 - majority), 1e-9) / validation.n)
    learned = training_accuracy >= majority + 0.2
    if not momenta or not learned or validation.accuracy > majority + 2 * error:
        return ""
    slowest = max(momenta.values())
    return (
        f"training accuracy {training_accuracy:.2f} (batch statistics) but validation {validation.accuracy:.2f} "
        f"(moving statistics), majority class {majority:.2f}: with momentum {slowest:g} the moving statistics need "
        f"about {steps_needed(slowest)} steps and had {steps}. {remedy}"
    )
