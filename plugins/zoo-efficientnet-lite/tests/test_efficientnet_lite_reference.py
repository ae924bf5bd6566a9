"""The converted model against the same network written with torch's functions, straight from the state dict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zoo_efficientnet_lite.released import released_tensors

if TYPE_CHECKING:
    from zoo_efficientnet_lite.variants import Variant


class Reference:
    """EfficientNet-Lite's forward pass (Tan and Le 2019, without squeeze-and-excitation, with ReLU6)."""

    def __init__(self, torch: Any, tensors: dict[str, Any]) -> None:
        """Takes the module torch and a state dict of arrays."""
        self.torch = torch
        self.tensors = {name: torch.from_numpy(tensor) for name, tensor in tensors.items()}

    def convolve(self, x: Any, name: str, *, stride: int = 1, groups: int = 1) -> Any:
        """A convolution with TensorFlow's `SAME` padding: the odd row goes to the end."""
        functional = self.torch.nn.functional
        kernel = self.tensors[f"{name}.weight"]
        total = max((-(-x.shape[2] // stride) - 1) * stride + kernel.shape[2] - x.shape[2], 0)
        edges = (total // 2, total - total // 2)
        return functional.conv2d(functional.pad(x, edges * 2), kernel, stride=stride, groups=groups)

    def normalise(self, x: Any, name: str) -> Any:
        """Batch normalisation on the moving statistics, with TensorFlow's epsilon for this family."""
        values = (self.tensors[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return self.torch.nn.functional.batch_norm(x, *values, eps=1e-3)

    def unit(self, x: Any, name: str, stride: int) -> Any:
        """Expansion (if any), depthwise convolution, projection, and a shortcut where the shape stays."""
        y = x
        if f"{name}._expand_conv.weight" in self.tensors:
            y = self.normalise(self.convolve(y, f"{name}._expand_conv"), f"{name}._bn0").clip(0, 6)
        y = self.convolve(y, f"{name}._depthwise_conv", stride=stride, groups=y.shape[1])
        y = self.normalise(y, f"{name}._bn1").clip(0, 6)
        y = self.normalise(self.convolve(y, f"{name}._project_conv"), f"{name}._bn2")
        return y + x if y.shape == x.shape else y

    def features(self, pixels: Any, strides: list[int]) -> Any:
        """Features (batch, height, width, 1280) of pixels 0–255 (batch, height, width, 3)."""
        x = (self.torch.from_numpy(pixels).permute(0, 3, 1, 2) - 127) / 128
        x = self.normalise(self.convolve(x, "_conv_stem", stride=2), "_bn0").clip(0, 6)
        for index, stride in enumerate(strides):
            x = self.unit(x, f"_blocks.{index}", stride)
        x = self.normalise(self.convolve(x, "_conv_head"), "_bn1").clip(0, 6)
        return x.permute(0, 2, 3, 1).numpy()


def test_features_are_those_of_the_torch_network(pretrained: Any, lite0: Variant) -> None:
    """At 224 pixels the features differ from torch's by less than 1e-4."""
    torch = pytest.importorskip("torch", reason="torch computes the reference")
    photos = np.random.default_rng(3).integers(0, 256, (2, 224, 224, 3)).astype("float32")
    strides = [2 if unit in {"block2a", "block3a", "block4a", "block6a"} else 1 for unit in lite0.units]
    expected = Reference(torch, released_tensors(lite0)).features(photos, strides)
    features = pretrained.predict(photos, verbose=0)
    assert expected.std() > 0.1
    np.testing.assert_allclose(features, expected, atol=1e-4)
