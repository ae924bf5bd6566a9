"""What can be told before any row runs: can a backbone be built here, and can pictures be had as it wants them?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.channels import fits
from zoo.decoding import RGB
from zoo.environment import active_backend
from zoo.errors import SourceError, UsageError
from zoo.specs import channels_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo.registry import Catalog
    from zoo.values import HealthReport, Spec

_FIRST = ("tensorflow", "jax", "torch")  # in the order in which they are advised
_NAMED = 5


def check_backends(catalog: Catalog, specs: Iterable[Spec], *, backend: str | None = None) -> None:
    """Refuses backbones that cannot be built on the Keras backend that is set. Imports no Keras.

    Args:
        catalog: Where backbones are looked up.
        specs: Of backbones; one that comes several times is named once.
        backend: Keras backend; the active one if not given.

    Raises:
        UsageError: Names the backbones, the backend and what to set instead.
    """
    active = backend or active_backend()
    records = [catalog.backbone(name) for name in dict.fromkeys(spec.name for spec in specs)]
    unable = [record for record in records if record.backends and active not in record.backends]
    if not unable:
        return
    names = ", ".join(repr(record.name) for record in unable[:_NAMED])
    rest = f" and {len(unable) - _NAMED} more" if unable[_NAMED:] else ""
    needed = sorted({name for record in unable for name in record.backends})
    able = [name for name in _FIRST if all(name in (record.backends or _FIRST) for record in records)]
    way = (
        f"Set KERAS_BACKEND={able[0]} before Keras is imported"
        if able
        else "No backend can build all of those that are named: compare them in several calls"
    )
    raise UsageError(
        f"The Keras backend is {active!r}, on which {names}{rest} cannot be built, only on {' or '.join(needed)}.",
        hint=f"{way}; `zoo list backbones --backend {active}` shows what can be built on {active}.",
    )


def check_channels(report: HealthReport, spec: Spec) -> None:
    """Refuses a backbone that takes other channels than pictures can be had with.

    Args:
        report: Of the scan.
        spec: Of the backbone, completed.

    Raises:
        SourceError: Names the first such picture, and what to do.
    """
    wanted = channels_of(spec)
    for limit, name in report.channels:
        if fits(limit, wanted):
            continue
        what = f"an array of {limit} channels" if limit else "a picture, which can be had with 1 to 4 channels"
        if limit == RGB:
            what = "a TIFF with more bands than are read, which can be had with 1 or 3 channels"
            way = "Save all of its bands as an array (.npy), or take channels=3."
        elif "channels" in spec.values():
            way = f"Write {spec.name}:channels={limit or 3}" + ("." if limit else ", or give arrays (.npy) instead.")
        else:
            way = f"{spec.name} takes RGB only: choose a backbone with an option `channels`, or give RGB pictures."
        raise SourceError(f"{name!r} of {report.table.location} is {what}; {str(spec)!r} takes {wanted}.", hint=way)
