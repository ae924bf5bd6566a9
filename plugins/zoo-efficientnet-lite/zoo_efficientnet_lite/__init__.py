"""EfficientNet-Lite backbones for keras-zoo. Importing this package needs neither Keras nor NumPy."""

from zoo_efficientnet_lite.released import imagenet_classifier

__all__ = ["imagenet_classifier"]
