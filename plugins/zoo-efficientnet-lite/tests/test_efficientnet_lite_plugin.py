"""What the host sees of the plugin: records that cost nothing to list."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from zoo.errors import UnknownNameError
from zoo_efficientnet_lite import plugin, released
from zoo_efficientnet_lite.variants import VARIANTS, Variant, variant_named

each = pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)


def test_listing_imports_no_numerical_library() -> None:
    """Loading the entry point and making the records leaves Keras, NumPy and all backends alone."""
    script = (
        "import sys\n"
        "from importlib.metadata import entry_points\n"
        "(entry,) = entry_points(group='zoo', name='efficientnet-lite')\n"
        "backbones = entry.load().zoo_backbones()\n"
        "heavy = {'keras', 'keras_cv', 'numpy', 'h5py', 'tensorflow', 'torch', 'jax'}\n"
        "print([b.name for b in backbones], sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "['efficientnet-lite0', 'efficientnet-lite1', 'efficientnet-lite2'] []\n"


def test_the_records_say_what_the_family_is() -> None:
    """Sizes and numbers of blocks are those of the family: stem, units, top."""
    backbones = plugin.zoo_backbones()
    assert [(b.name, b.image_size, b.min_size, len(b.blocks)) for b in backbones] == [
        ("efficientnet-lite0", 224, 32, 18),
        ("efficientnet-lite1", 240, 32, 23),
        ("efficientnet-lite2", 260, 32, 23),
    ]
    assert [block.name for block in backbones[0].blocks] == [
        "stem",
        *("block1a", "block2a", "block2b", "block3a", "block3b", "block4a", "block4b", "block4c"),
        *("block5a", "block5b", "block5c", "block6a", "block6b", "block6c", "block6d", "block7a"),
        "top",
    ]


@each
def test_the_weights_are_declared_as_they_are(variant: Variant) -> None:
    """Digest and size are those of the installed file, whose package has the licence that is declared."""
    path = released.released_file(variant)
    data = path.read_bytes()
    weights = variant.weights
    assert hashlib.sha256(data).hexdigest() == weights.sha256 == variant.sha256
    assert len(data) == variant.bytes
    assert weights.megabytes == pytest.approx(len(data) / 1e6, abs=0.05)
    distribution = metadata.distribution(variant.distribution)
    assert distribution.version in weights.origin
    assert "Licensed under the Apache License, Version 2.0" in (distribution.read_text("LICENSE") or "")
    assert weights.licence == "Apache-2.0"
    assert weights.bundled


def test_finding_the_weights_imports_none_of_their_code() -> None:
    """The packages that hold the weights are data: their modules stay out of the process."""
    for variant in VARIANTS:
        released.released_file(variant)
    assert not [name for name in sys.modules if name.startswith("efficientnet_lite") and "pytorch" in name]


def test_an_unknown_name_is_told_apart() -> None:
    """A misspelt name comes with the near one."""
    with pytest.raises(UnknownNameError, match="There is no backbone named 'efficientnet-lite9'") as caught:
        variant_named("efficientnet-lite9")
    assert "efficientnet-lite0" in caught.value.hint


def test_the_licence_is_the_projects() -> None:
    """The plugin ships the same licence as the library, where it stands beside it."""
    here = Path(__file__).resolve().parents[1]
    project = here.parents[1] / "LICENSE"
    if not project.is_file():
        pytest.skip("the plugin does not stand in the library's repository")
    assert (here / "LICENSE").read_bytes() == project.read_bytes()
