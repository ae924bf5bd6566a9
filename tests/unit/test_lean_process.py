"""What a process is spared: searches for garbage among what stays, and threads for small products."""

from __future__ import annotations

import gc
import queue
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from zoo import worker
from zoo.backend import uncollected
from zoo.protocol import Leave
from zoo.threads import on_one_thread


@pytest.mark.parametrize("before", [True, False])
def test_the_collector_is_as_it_was_afterwards(*, before: bool) -> None:
    """It is off meanwhile and then as the person had it, also after an error."""
    was = gc.isenabled()
    try:
        (gc.enable if before else gc.disable)()
        with uncollected():
            assert not gc.isenabled()
        assert gc.isenabled() == before
        with pytest.raises(ImportError), uncollected():
            raise ImportError
        assert gc.isenabled() == before
    finally:
        (gc.enable if was else gc.disable)()


def test_a_worker_keeps_the_backend_from_the_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there once the backend is imported is not searched again, and the collector is on afterwards."""
    monkeypatch.setattr(worker, "require_keras", lambda: None)
    orders: queue.SimpleQueue[Any] = queue.SimpleQueue()
    orders.put(Leave())
    gc.unfreeze()
    try:
        worker.Worker(None, None, None).serve(orders)  # type: ignore[arg-type]
        assert gc.get_freeze_count() > 1000
        assert gc.isenabled()
    finally:
        gc.unfreeze()


def test_linear_algebra_has_one_thread_meanwhile() -> None:
    """Inside the function, and what there was before afterwards."""

    def threads() -> list[int]:
        return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]

    np.linalg.eigh(np.eye(2))
    before = threads()
    assert set(on_one_thread(threads)()) <= {1}
    assert threads() == before
