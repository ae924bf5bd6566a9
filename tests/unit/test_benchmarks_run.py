"""The benchmark of grids: its programs run, do the same work, and count right."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.forward import value_of
from zoo.plugins import load_catalog
from zoo.recipe import complete_policy

ROOT = Path(__file__).resolve().parents[2]
SMALL = "scratch-cnn:size=32"


pytestmark = pytest.mark.usefixtures("importable")


def grid(tmp_path: Path, scenario: str, *words: str) -> tuple[str, dict[str, Any]]:
    """Runs the program; what it printed, and the document of the scenario."""
    out = tmp_path / "found.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "grid.py"), "--scenario", scenario, "--json", str(out), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    whole = json.loads(out.read_text(encoding="utf-8"))
    assert whole["machine"]["packages"]["keras"]
    return done.stdout, whole["scenarios"][scenario]


def measured(contender: str, seconds: float, repeat: int = 0, accuracies: tuple[float, ...] = ()) -> Any:
    """A made-up measurement."""
    from side_by_side.processes import Measured
    from side_by_side.work import Row

    rows = tuple(
        Row(backbone="b", head=f"h{i}", policy="p", rate=0.1, seed=0, accuracy=accuracy, epochs=1, seconds=1.0)
        for i, accuracy in enumerate(accuracies)
    )
    return Measured(
        contender=contender,
        repeat=repeat,
        place=0,
        seconds=seconds,
        cpu_seconds=2 * seconds,
        peak_bytes=None,
        load=None,
        rows=rows,
    )


def network(policy: str) -> tuple[Any, Any, dict[str, Any]]:
    """The peer's small network for a policy, noise to train it on, and its weights before."""
    import keras
    import tensorflow as tf
    from side_by_side import peer

    keras.utils.set_random_seed(0)
    draw = np.random.default_rng(0)
    pictures = draw.integers(0, 256, (16, 32, 32, 3)).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((pictures, np.arange(16) % 2)).batch(8)
    model = peer.model_of(SMALL, "gap", policy, data, 2, load_catalog(only=[]))
    peer.compile_model(model, 1e-2)
    return model, data, {variable.path: value_of(variable) for variable in model.variables}


def moved(model: Any, before: dict[str, Any]) -> set[str]:
    """Last parts of the paths of backbone weights that are not what they were; a dropout's seed is no weight."""
    return {
        variable.path.rpartition("/")[2]
        for variable in model.variables
        if not {"head_", "seed_"} & {part[:5] for part in variable.path.split("/")}
        and not np.array_equal(value_of(variable), before[variable.path])
    }


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("freeze-all", set()),
        ("bn-stats", set()),
        ("bn-affine", {"gamma", "beta"}),
        ("bn-trainable:stats=moving", {"gamma", "beta", "moving_mean", "moving_variance"}),
        ("unfreeze-top-k:k=1", {"kernel"}),
    ],
)
def test_the_peer_trains_what_the_policy_opens(policy: str, expected: set[str]) -> None:
    """After two epochs of `fit` nothing else of the backbone has moved."""
    model, data, before = network(policy)
    model.fit(data, epochs=2, shuffle=False, verbose=0)  # the data set shuffles, or not
    assert moved(model, before) == expected


def test_the_peer_takes_the_statistics_of_the_pictures() -> None:
    """Before training, and as the mean over batches: two passes give the same as one."""
    from side_by_side import peer

    plain, data, _ = network("freeze-all")
    adapted, _, _ = network("bn-stats")
    means = [
        [value_of(one) for one in model.variables if one.path.endswith("moving_mean")] for model in (plain, adapted)
    ]
    assert means[0]
    assert not any(np.allclose(one, other) for one, other in zip(*means, strict=True))
    backbone = next(layer for layer in adapted.layers if isinstance(layer, peer.Still)).backbone
    norms = [layer for layer in backbone.layers if type(layer).__name__ == "BatchNormalization"]
    peer.adapt_statistics(backbone, norms, data)
    for before, layer in zip(means[1], norms, strict=True):
        np.testing.assert_allclose(value_of(layer.moving_mean), before, rtol=1e-5, atol=1e-6)
        assert layer.momentum == pytest.approx(0.99)


@pytest.mark.parametrize("policy", ["lora", "bn-trainable"])
def test_an_unknown_policy_is_not_taken_for_another(policy: str) -> None:
    """The peer refuses what nobody has written for it; it has no statistics that are taken anew in each epoch."""
    with pytest.raises(ValueError, match=policy):
        network(policy)


def test_ours_does_what_the_peer_does() -> None:
    """In no scenario of others it takes statistics anew before each validation, which costs a pass."""
    from side_by_side.scenarios import GRIDS

    catalog = load_catalog(only=[])
    specs = [complete_policy(catalog, policy) for grid in GRIDS for policy in grid.policies]
    phases = [phase for spec in specs for phase in catalog.policy(spec.name).plan(18, 5, **spec.values())]
    assert {phase.statistics for phase in phases} == {"moving"}
    assert "bn-trainable" in {spec.name for spec in specs}


def test_ratios_are_of_the_same_repeat() -> None:
    """The median of the repeats' ratios, not the ratio of medians; the limit is what ours is divided by."""
    from side_by_side.comparing import ratios

    times = {"ours": (1.0, 2.0, 10.0), "peer": (30.0, 20.0, 40.0), "limit": (0.5, 1.0, 10.0)}
    runs = [measured(name, seconds, i) for name, each in times.items() for i, seconds in enumerate(each)]
    peer, limit = ratios(runs, {"peer": 11.0, "limit": 1.5})
    assert (peer.over, peer.under, peer.each, peer.median, peer.reached) == ("peer", "ours", (30, 10, 4), 10, False)
    assert (limit.over, limit.under, limit.each, limit.median, limit.reached) == ("ours", "limit", (2, 2, 1), 2, False)
    assert peer.cpu == peer.each
    assert ratios([run for run in runs if run.contender != "ours"], {}) == []


def test_ratios_do_without_a_repeat_that_failed() -> None:
    """Only repeats of both count."""
    from side_by_side.comparing import ratios

    (ratio,) = ratios([measured("ours", 1.0, 0), measured("ours", 1.0, 1), measured("peer", 3.0, 0)], {})
    assert ratio.each == (3.0,)


def test_noise_is_that_of_counted_pictures() -> None:
    """1.96 standard errors of the difference of two shares of 100 pictures: 0.1386 around one half."""
    from side_by_side.comparing import differences, noise

    assert noise(0.5, 0.5, 100) == pytest.approx(1.96 * np.sqrt(0.5 / 100))
    (found,) = differences([measured("ours", 1, 0, (0.5, 0.7)), measured("peer", 1, 0, (0.9, 0.7))], 100)
    assert (found.ours, found.others, found.worst, found.rows) == (pytest.approx(0.6), 0.8, pytest.approx(-0.4), 2)
    assert not found.equal_or_better


def test_growth_is_told_from_a_peak() -> None:
    """Memory that grows 3 MB a row is found; that of one hungry row, and of the first ones, is not taken for growth."""
    from side_by_side.growth import growth

    assert growth([(3_000_000 * i, 0) for i in range(30)])["parent, median slope"] == pytest.approx(3)
    still = [(9_000_000 * min(i, 4), 7) for i in range(30)]
    still[17] = (90_000_000, 7)
    assert growth(still)["together, median slope"] == 0
    assert growth(still)["parent, fifth to last"] == 0


def test_memory_of_a_process_s_children_is_seen() -> None:
    """A process that starts one that holds 150 MB has held as much."""
    pytest.importorskip("psutil")
    from side_by_side.processes import Watch

    inner = "import time; held = b'1' * 150_000_000; time.sleep(2)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    with subprocess.Popen([sys.executable, "-c", outer]) as process:
        watch = Watch(process.pid)
        process.wait()
    peak = watch.stop()
    assert peak is not None
    assert peak > 150_000_000


def test_who_fails_does_not_stop_the_others() -> None:
    """It is left out from then on, with the end of what it printed; the order turns around every second time."""
    from types import SimpleNamespace

    from side_by_side import contest, processes

    ran = []

    def run(kind: str, work: None, *, contender: str, repeat: int, place: int) -> Any:
        ran.append(contender)
        if kind == "tuner":
            raise processes.ProcessFailedError("it ended")
        return measured(contender, 1.0, repeat)

    settings = SimpleNamespace(repeats=3, say=[].append)
    arena: Any = SimpleNamespace(settings=settings, work=None, run=run)
    runs, failed = contest.contest(arena, ["ours", "tuner", "peer"])
    assert failed == {"tuner": "it ended"}
    assert ran == ["ours", "tuner", "peer", "peer", "ours", "ours", "peer"]
    assert len(runs) == 6


def test_a_failed_process_says_what_it_printed(tmp_path: Path) -> None:
    """The end of its output is in the error."""
    import os

    from side_by_side import processes

    words = [sys.executable, "-c", "raise SystemExit('no such pictures')"]
    with pytest.raises(processes.ProcessFailedError, match="no such pictures"):
        processes.run(words, answer=tmp_path / "answer.json", environment=os.environ, contender="peer")


def test_a_subset_is_the_same_in_every_run(tmp_path: Path, photos: Path) -> None:
    """As large a share of each class, whole files, and the same ones."""
    from side_by_side.pictures import draw_subset

    drawn = [draw_subset(photos, tmp_path / name, 12) for name in ("one", "two")]
    names = [sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png")) for folder in drawn]
    assert names[0] == names[1]
    assert [sum(name.startswith(label) for name in names[0]) for label in ("dark", "light")] == [6, 6]


def test_work_survives_its_file(tmp_path: Path) -> None:
    """What a process reads is what was asked of it."""
    from side_by_side.work import Work, read_work

    work = Work(
        data="x", heads=("gap", "mlp"), rates=(0.1,), patience=3, options={"row_timeout": 5}, started=time.time()
    )
    work.write(tmp_path / "work.json")
    assert read_work(tmp_path / "work.json") == work


def test_a_grid_beside_peer_and_limit(tmp_path: Path, photos: Path) -> None:
    """All four train or pass the same pictures; ratios, accuracies and memory are printed and written."""
    text, found = grid(
        tmp_path, "frozen-1", "--data", str(photos), "--backbone", SMALL, "--epochs", "1", "--repeats", "1"
    )
    assert found["pictures"] == {"train": 34, "validation": 7, "test": 7, "classes": 2}
    assert [run["contender"] for run in found["runs"]] == ["ours", "peer", "limit", "limit-folded"]
    assert [len(run["rows"]) for run in found["runs"]] == [1, 1, 0, 0]
    assert all(row["epochs"] == 1 for run in found["runs"] for row in run["rows"])
    pairs = [("peer", "ours"), ("ours", "limit"), ("ours", "limit-folded")]
    assert [(ratio["over"], ratio["under"]) for ratio in found["ratios"]] == pairs
    for limit in found["runs"][2:]:
        assert set(limit["answer"]["parts"]) == {"import", "decode", "build", "trace and predict"}
    assert found["accuracies"][0]["rows"] == 1
    assert "34 training and 7 validation pictures, 1 epochs" in text
    for name in ("peer : ours", "ours : limit", "ours, peer"):
        assert name in text
