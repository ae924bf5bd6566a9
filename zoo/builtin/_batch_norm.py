"""The option `bn` of policies that open whole blocks."""

from __future__ import annotations

from typing import Literal

from zoo.contracts import Option

Statistics = Literal["fixed", "adapting"]
"""What `Phase.batch_norm` may be."""

OPTION = Option(
    "bn",
    "fixed",
    "Moving statistics of open blocks: used as they are, or replaced by the batch's and updated.",
    choices=("fixed", "adapting"),
)
