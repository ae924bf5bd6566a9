"""The inputs of each backbone are looked at once, before its first run, and what was found is remembered."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from zoo.events import Note, Stage, ignore
from zoo.inputs import Finding
from zoo.prefix import fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.contracts import KerasModel
    from zoo.disk_cache import DiskCache
    from zoo.events import Observer
    from zoo.values import Side

_RULES = "1"
"""Raise it when `zoo.inputs` or `zoo.readings` judge otherwise, so that no finding of the old is used."""


@dataclass
class InputCheck:
    """Findings about pictures as networks get them.

    Attributes:
        disk: Keeps findings for later calls and other processes; None keeps them in memory only.
        observe: Told, once for each network and pictures, what is wrong or has to be known.
        last: What was found for the network that was asked about last; for runs that end before they have a record.
    """

    disk: DiskCache | None = None
    observe: Observer = ignore
    last: Finding | None = None
    _found: dict[tuple[str, ...], Finding | None] = field(default_factory=dict, repr=False)

    def finding(
        self, backbone: KerasModel, side: Side, *, name: tuple[str, ...], trained: bool, about: Mapping[str, str | int]
    ) -> Finding | None:
        """What is wrong with pictures, or has to be known; None where nothing is, and where it may only be.

        Args:
            backbone: Functional model from raw pictures to features, with the statistics that it starts from.
            side: Training pictures.
            name: What tells this backbone with its weights from others in this process.
            trained: Whether its weights were trained.
            about: What it is, for people who list the cache.

        Returns:
            A sure finding. No exception leaves this: a run must not fail for what is said about it.
        """
        key = (*name, side.key)
        if key not in self._found:
            try:
                found = self._looked_up(backbone, side, trained=trained, about=about)
            except Exception as error:  # noqa: BLE001 - see above; a plugin's network may do anything
                self.observe(Note(f"The inputs of the network could not be checked: {type(error).__name__}: {error}"))
                found = None
            self._found[key] = found if found is not None and found.sure else None
            if self._found[key] is not None:
                self.observe(_note(self._found[key]))
        self.last = self._found[key]
        return self.last

    def _looked_up(
        self, backbone: KerasModel, side: Side, *, trained: bool, about: Mapping[str, str | int]
    ) -> Finding | None:
        from zoo.readings import check

        self.observe(Stage("looking at the inputs"))
        if self.disk is None or not trained:  # pixels alone are looked at faster than a network is fingerprinted
            return check(backbone, side.pixels, trained=trained)
        key = hashlib.sha256(f"inputs:{_RULES}:{side.key}:{fingerprint(backbone)}".encode()).hexdigest()
        known = self.disk.find(key)
        if known is not None:
            return _read(bytes(known[0]))
        found = check(backbone, side.pixels, trained=trained)
        written = np.frombuffer(_written(found), np.uint8)
        with self.disk.create(key, kind="checks", shapes=[written.shape], dtypes=[np.uint8], about=about) as draft:
            if draft is not None:
                draft.arrays[0][:] = written
        return found


def _note(finding: Finding | None) -> Note:
    assert finding is not None  # noqa: S101 - the caller has asked
    mild = finding.cause == "grey"
    return Note(finding.text if mild else f"Wrong inputs: {finding.text}", level="info" if mild else "warning")


def _written(finding: Finding | None) -> bytes:
    return json.dumps(None if finding is None else asdict(finding)).encode()


def _read(text: bytes) -> Finding | None:
    fields = json.loads(text)
    return None if fields is None else Finding(**fields)
