"""Whatever is called first, TensorFlow is imported the way `zoo.backend` prepares it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

ITEMS = "backbone='scratch-cnn:size=32,depth=2', policy='freeze-all', epochs=1, store='runs'"
TOLD = "\nimport keras; from zoo.runtime import runtime; print('onednn', runtime(keras)['onednn'])"
CLI = """import sys
sys.argv = {words!r}.split()
from zoo.cli.app import main
try:
    main()
except SystemExit as end:
    assert not end.code
"""
STARTS = {
    "fit": f"import zoo; zoo.fit('demo:images=40', {ITEMS})",
    "compare": "import zoo; zoo.compare('demo:images=40', backbones=['scratch-cnn:size=32,depth=2'], "
    "policies=['freeze-all'], epochs=1, store='runs')",
    "predict": f"import zoo; zoo.load(zoo.fit('demo:images=40', {ITEMS}).folder).predict([])",
    "check_backbone": "from zoo.testing import check_backbone, tiny_backbone; check_backbone(tiny_backbone())",
    "zoo compare": CLI.format(
        words="zoo compare demo:images=40 -b scratch-cnn:size=32,depth=2 -p freeze-all --epochs 1 --store runs"
    ),
    "zoo fit": CLI.format(
        words="zoo fit demo:images=40 -b scratch-cnn:size=32,depth=2 -p freeze-all --epochs 1 --store runs"
    ),
    "zoo show": CLI.format(words="zoo show scratch-cnn:size=32"),
}


@pytest.mark.parametrize("start", STARTS)
def test_onednn_is_on_whatever_comes_first(start: str, tmp_path: Path) -> None:
    """In a fresh process no module imports Keras before the variables are set that TensorFlow reads."""
    plain = {k: v for k, v in os.environ.items() if k not in {"TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS"}}
    done = subprocess.run(
        [sys.executable, "-c", STARTS[start] + TOLD],
        env={**plain, "KERAS_BACKEND": "tensorflow", "ZOO_LOAD_PLUGINS": ""},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "onednn True"
    assert "oneDNN custom operations" not in done.stderr


def test_the_record_of_a_run_has_it(tmp_path: Path) -> None:
    """What a run of the command line was computed with stands in its card."""
    plain = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    words = [
        "fit",
        "demo:images=40",
        "-b",
        "scratch-cnn:size=32,depth=2",
        "-p",
        "freeze-all",
        "--epochs",
        "1",
        "--json",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "zoo", *words],
        env={**plain, "KERAS_BACKEND": "tensorflow", "ZOO_LOAD_PLUGINS": ""},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '"onednn": true' in json.dumps(json.loads(done.stdout))
