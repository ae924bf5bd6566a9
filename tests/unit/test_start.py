"""Whatever is called first, TensorFlow is imported the way `zoo.backend` prepares it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from zoo.store import Store

if TYPE_CHECKING:
    from pathlib import Path

ROW = "demo:images=40 -b scratch-cnn:size=32,depth=2 -p freeze-all --epochs 1 --store runs"
ITEMS = "backbone='scratch-cnn:size=32,depth=2', policy='freeze-all', epochs=1, store='runs'"
CLI = """import sys
sys.argv = {words!r}.split()
from zoo.cli.app import main
try:
    main()
except SystemExit as end:
    assert not end.code
"""
STARTS = {
    "require_keras": "from zoo.backend import require_keras; require_keras(); import tensorflow as tf; tf.ones(2) + 1",
    "fit": f"import zoo; zoo.fit('demo:images=40', {ITEMS})",
    "compare": "import zoo; zoo.compare('demo:images=40', backbones=['scratch-cnn:size=32,depth=2'], "
    "policies=['freeze-all'], epochs=1, store='runs', jobs=0)",
    "predict": f"import zoo; zoo.load(zoo.fit('demo:images=40', {ITEMS}).folder).predict([])",
    "check_backbone": "from zoo.testing import check_backbone, tiny_backbone; check_backbone(tiny_backbone())",
    "zoo compare": CLI.format(words=f"zoo compare {ROW} --jobs 0"),
    "zoo fit": CLI.format(words=f"zoo fit {ROW}"),
    "zoo show": CLI.format(words="zoo show scratch-cnn:size=32"),
}
ASK = "\nimport keras; from zoo.runtime import runtime; print('onednn', runtime(keras)['onednn'])"


def child(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A fresh process under the TensorFlow backend, with nothing of TensorFlow's set but what is given."""
    plain = {k: v for k, v in os.environ.items() if k not in {"TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS"}}
    done = subprocess.run(
        [sys.executable, *words],
        env={**plain, "KERAS_BACKEND": "tensorflow", "ZOO_LOAD_PLUGINS": "", **variables},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize("start", STARTS)
def test_onednn_is_on_whatever_comes_first(start: str, tmp_path: Path) -> None:
    """In a fresh process no module imports Keras before the variables are set that TensorFlow reads."""
    done = child(tmp_path, "-c", STARTS[start] + ASK)
    assert done.stdout.splitlines()[-1] == "onednn True"
    assert "oneDNN custom operations" not in done.stderr


def test_tensorflow_starts_without_a_word(tmp_path: Path) -> None:
    """A fresh process that asks for Keras writes nothing to standard error."""
    assert child(tmp_path, "-c", STARTS["require_keras"]).stderr == ""


def test_what_the_person_set_stays(tmp_path: Path) -> None:
    """The oneDNN kernels, switched off, stay off; a log level that asks for all words gets them."""
    off = child(tmp_path, "-c", STARTS["require_keras"] + ASK, TF_ENABLE_ONEDNN_OPTS="0")
    assert off.stdout.strip() == "onednn False"
    wordy = child(tmp_path, "-c", STARTS["require_keras"], TF_CPP_MIN_LOG_LEVEL="0", TF_ENABLE_ONEDNN_OPTS="1")
    assert "oneDNN custom operations are on" in wordy.stderr


def test_the_record_of_a_run_has_it(tmp_path: Path) -> None:
    """What a run of the command line was computed with stands in its card."""
    done = child(tmp_path, "-m", "zoo", "fit", *ROW.split(), "--json")
    assert '"onednn": true' in json.dumps(json.loads(done.stdout))


def test_a_worker_process_starts_so_too(tmp_path: Path) -> None:
    """The run of a worker has the kernels in its record, and nothing of TensorFlow's start is passed on."""
    done = child(tmp_path, "-m", "zoo", "compare", *ROW.split())
    assert "oneDNN custom operations" not in done.stderr
    with Store(tmp_path / "runs") as store:
        (record,) = store.runs()
    assert record.environment["runtime"]["onednn"] is True
