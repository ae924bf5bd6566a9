"""What a setting, an option or a status may be: types without records."""

from __future__ import annotations

from typing import Literal

Metric = Literal["accuracy", "balanced_accuracy"]
"""What rows are ranked by and epochs are chosen by, always on the validation part."""

Schedule = Literal["policy", "constant", "cosine", "one-cycle"]
"""Course of the learning rate; `policy` is what the policy's phases say."""

Optimiser = Literal["adam", "adamw", "sgd", "rmsprop", "lion"]
"""What turns gradients into steps."""

Precision = Literal["float32", "bfloat16", "float16"]
"""What the layers of a backbone compute in. Weights are float32 whatever it is."""

Status = Literal["finished", "not learning in inference mode", "failed", "diverged", "interrupted", "running"]
"""How a run ended. Only the first two have scores."""

CacheKind = Literal["pixels", "features", "checks"]
"""What an entry of the cache on disk holds."""

OptionValue = str | int | float | bool
"""What an option of a backbone, head, policy or augmentation may hold."""
