"""What a grid will take: the arithmetic, and what built networks tell."""

from __future__ import annotations

import dataclasses
import io
import os
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from zoo import planning
from zoo.cli.render_forecast import show_forecast
from zoo.contracts import Phase
from zoo.errors import UsageError
from zoo.workload import ADAPTING, ROW, START, STEP, Forecast, Job, Network, forecast

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.registry import Catalog

NETWORK = Network(
    blocks=2,
    shares=(1.0, 0.25, 0.0),
    cuts=(300, 40, 8),
    activations=(1000, 100, 0),
    weights=50,
    forward=0.1,
    build=0.0,
    timed=True,
)
JOB = Job(
    title="net · gap · freeze-all · none",
    network="net",
    start="net",
    graph="net · gap",
    purpose="freeze-all",
    phases=(Phase(name="head", epochs=4, learning_rate=1e-3),),
    batch=10,
    augmented=False,
    views=0,
    solved=False,
)


def told(*jobs: Job, **changes: Any) -> Forecast:
    """A forecast for 100 training and 20 validation pictures."""
    options: dict[str, Any] = {
        "networks": {"net": NETWORK},
        "train": 100,
        "finished": 0,
        "decode": 0.0,
        "pixels": 0,
        "free": 0,
        "base_memory": 7,
    }
    return forecast(jobs, validation=20, **options | changes)


def changed(**changes: Any) -> Job:
    """Another job."""
    return dataclasses.replace(JOB, **changes)


def test_frozen_work_is_counted_once() -> None:
    """Six runs of two heads pass the pictures once, through the whole network."""
    jobs = [changed(graph=f"net · {head}") for head in ("gap", "mlp") for _ in range(3)]
    found = told(*jobs)
    assert found.frozen_seconds == pytest.approx(120 * 0.1)
    (shared,) = found.shared
    assert (shared.boundary, shared.pictures, shared.bytes, shared.runs) == (2, 120, 120 * 8, 6)
    assert found.traced == 2, "seeds and rates share a training step, heads do not"


def test_a_second_head_does_not_build_the_backbone_again() -> None:
    """It costs less than a second backbone does."""
    slow = dataclasses.replace(NETWORK, build=10.0)
    options: dict[str, Any] = {"train": 100, "validation": 20, "finished": 0, "decode": 0.0, "pixels": 0, "free": 0}

    def rest(*jobs: Job) -> float:
        return forecast(jobs, {"net": slow}, **options, base_memory=0).other_seconds

    alone = rest(JOB)
    assert alone < rest(JOB, changed(graph="net · mlp")) < rest(JOB, changed(graph="other · gap", start="other"))


def test_random_weights_share_nothing_between_seeds() -> None:
    """Networks with other weights have other features."""
    found = told(changed(start="net, seed 0"), changed(start="net, seed 1"))
    assert found.frozen_seconds == pytest.approx(2 * 120 * 0.1)
    assert len(found.shared) == 2


def test_what_is_open_is_paid_in_every_epoch() -> None:
    """Of a network with its top block open, three quarters are done once, and a quarter four times."""
    found = told(changed(phases=(Phase(name="top", epochs=4, learning_rate=1e-3, open_blocks=1),)))
    assert found.frozen_seconds == pytest.approx(120 * 0.1 * 0.75)
    assert found.training_seconds == pytest.approx(4 * 0.1 * 0.25 * (100 * STEP["all"] + 20))
    assert found.memory == 7 + 10 * 100 + 4 * 50


def test_steps_and_statistics_are_counted_in_passes_that_are_not_folded() -> None:
    """Twice the time of a folded pass here, which is what validation and frozen features take."""
    plain = {"net": dataclasses.replace(NETWORK, unfolded=2.0)}
    top = Phase(name="top", epochs=4, learning_rate=1e-3, open_blocks=1)
    found = told(changed(phases=(top,)), networks=plain)
    assert found.frozen_seconds == pytest.approx(120 * 0.1 * 0.75)
    assert found.training_seconds == pytest.approx(4 * 0.1 * 0.25 * (2 * 100 * STEP["all"] + 20))
    once = Phase(name="head", epochs=4, learning_rate=1e-3, re_estimated_blocks=2)
    assert told(changed(phases=(once,)), networks=plain).frozen_seconds == pytest.approx(0.1 * (2 * 100 + 120))


def test_precise_statistics_are_paid_in_every_epoch_up_to_a_number_of_pictures() -> None:
    """A forward pass more over the training pictures, which normalises by the batch; of many, over some."""
    phase = Phase(name="bn", epochs=4, learning_rate=1e-3, open_blocks=2, batch_norm="adapting")
    for train in (100, 50_000):
        moving, precise = (
            told(changed(phases=(dataclasses.replace(phase, statistics=statistics),)), train=train).training_seconds
            for statistics in ("moving", "precise")
        )
        assert precise - moving == pytest.approx(4 * 0.1 * min(train, 10_000) * (1 + ADAPTING))
    slow = {"net": dataclasses.replace(NETWORK, build=10.0)}
    other = [
        told(changed(phases=(dataclasses.replace(phase, statistics=statistics),)), networks=slow).other_seconds
        for statistics in ("moving", "precise")
    ]
    assert other[0] < other[1], "its pass has to be traced, too"


def test_augmented_pictures_pass_in_every_epoch_or_as_often_as_there_are_views() -> None:
    """Validation pictures pass once."""
    assert told(changed(augmented=True)).frozen_seconds == pytest.approx(0.1 * (20 + 4 * 100))
    assert told(changed(augmented=True, views=3)).frozen_seconds == pytest.approx(0.1 * (20 + 3 * 100))


def test_own_statistics_make_own_features() -> None:
    """Re-estimated statistics cost a pass more, and their features are not shared."""
    job = changed(phases=(Phase(name="head", epochs=4, learning_rate=1e-3, re_estimated_blocks=2),))
    found = told(job, job)
    assert found.frozen_seconds == pytest.approx(2 * 0.1 * (100 + 120))
    assert found.shared == ()
    assert found.features == 2 * 120 * 8, "but they are kept as well"


def test_a_solved_head_takes_no_steps_and_a_finished_grid_nothing() -> None:
    """Only writing it down is left; without runs there is nothing at all."""
    solved = told(changed(solved=True))
    assert (solved.training_seconds, solved.traced) == (0.0, 0)
    assert solved.other_seconds == pytest.approx(START + ROW)
    nothing = told(finished=5)
    assert (nothing.runs, nothing.seconds, nothing.memory) == (5, 0.0, 0)


def test_a_plan_of_a_grid_runs_nothing(photos: Path, tmp_path: Path, catalog: Catalog) -> None:
    """It tells the boundaries of both policies, sizes and a time, and leaves the store without runs."""
    grid: dict[str, Any] = {"backbones": ["tiny"], "policies": ["freeze-all", "unfreeze-top-k:k=1"], "seeds": 2}
    grid |= {"catalog": catalog, "store": tmp_path / "runs", "cache": False, "observe": lambda _: None}
    found = planning.plan(photos, **grid, epochs=3)
    assert (found.runs, found.finished, found.pictures) == (4, 0, 41)
    assert sorted((one.boundary, one.runs) for one in found.shared) == [(3, 1), (3, 1), (4, 1), (4, 1)]
    assert found.networks["tiny"].timed
    assert found.seconds > 0
    assert found.pixels == 41 * 16 * 16 * 3
    assert found.networks["tiny"].shares[0] == 1.0
    assert list(found.networks["tiny"].shares) == sorted(found.networks["tiny"].shares, reverse=True)
    from zoo.store import Store

    with Store(tmp_path / "runs") as store:
        assert store.runs() == ()


def test_a_plan_after_the_grid_finds_it_finished(photos: Path, tmp_path: Path, catalog: Catalog) -> None:
    """Finished runs are not counted, and tell how fast the network is."""
    import zoo

    grid: dict[str, Any] = {"backbones": ["tiny"], "policies": ["freeze-all"], "catalog": catalog}
    grid |= {"store": tmp_path / "runs", "cache": False, "observe": lambda _: None, "epochs": 1}
    zoo.compare(photos, **grid)
    assert planning.plan(photos, **grid).finished == 1
    more = planning.plan(photos, **grid | {"policies": ["freeze-all", "bn-affine"]})
    assert (more.runs, more.finished) == (2, 1)
    assert not more.networks["tiny"].timed


def test_several_workers_and_lost_files_are_told_as_a_grid_would_take_them(
    photos: Path, tmp_path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs are found by the threads that a worker has; one whose model is gone is run again."""
    import zoo

    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    grid: dict[str, Any] = {"backbones": ["tiny"], "policies": ["freeze-all"], "catalog": catalog}
    grid |= {"store": tmp_path / "runs", "cache": False, "observe": lambda _: None, "epochs": 1}
    with planning._as_in_a_worker(2):
        zoo.compare(photos, **grid, jobs=0)
    assert "OMP_NUM_THREADS" not in os.environ
    assert [planning.plan(photos, **grid, jobs=jobs).finished for jobs in (1, 2)] == [0, 1]
    next((tmp_path / "runs").rglob("model.keras")).unlink()
    assert planning.plan(photos, **grid, jobs=2).finished == 0


def test_heads_that_look_at_several_depths_have_features_of_their_own(
    photos: Path, tmp_path: Path, catalog: Catalog
) -> None:
    """They share a pass with one another, not with heads that look at the last depth only."""
    grid: dict[str, Any] = {"backbones": ["tiny"], "policies": ["freeze-all"], "catalog": catalog, "cache": False}
    grid |= {"heads": ["gap", "mlp", "multi-stage"], "store": tmp_path / "runs", "observe": lambda _: None}
    found = planning.plan(photos, **grid)
    assert sorted(one.runs for one in found.shared) == [1, 2]


def test_an_unknown_option_is_named(photos: Path, tmp_path: Path, catalog: Catalog) -> None:
    """With those that there are."""
    with pytest.raises(UsageError, match="There is no training option 'epoch'") as caught:
        planning.plan(photos, backbones=["tiny"], store=tmp_path, catalog=catalog, epoch=3)
    assert "batch_size, ema, epochs" in caught.value.hint
    with pytest.raises(UsageError, match="jobs must be a whole number of at least 0, not -1"):
        planning.plan(photos, backbones=["tiny"], store=tmp_path, catalog=catalog, jobs=-1)


def test_a_plan_names_weights_that_have_to_be_fetched(photos: Path, tmp_path: Path) -> None:
    """Those that no package carries, once each, with their size; random ones and files need no word."""
    file = tmp_path / "mine.weights.h5"
    file.write_bytes(b"not looked into")
    names = ["mobilenetv2:size=32", "scratch-cnn:size=32", f"efficientnetb0:size=32,weights={file}", "resnet50:size=32"]
    found = planning.plan(photos, backbones=names, policies=["freeze-all", "bn-affine"], store=tmp_path / "store")
    assert [text.partition(" (")[0] for text in found.downloads] == ["mobilenetv2 imagenet", "resnet50 imagenet"]
    assert all(text.endswith(" MB)") for text in found.downloads)
    shown = io.StringIO()
    show_forecast(Console(file=shown, width=200), found)
    assert f"weights: fetched on first use, unless they are there already: {', '.join(found.downloads)}" in (
        shown.getvalue()
    )
