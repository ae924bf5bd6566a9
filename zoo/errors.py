"""The errors of the library, drawn as a tree and branched by what the caller can do about them.

```text
ZooError(message, hint)                                    exit code
├─ UsageError      UnknownNameError, RecipeError               2
├─ PluginError     PluginLoadError, UnknownHookError,          3
│                  DuplicateNameError, ContractError
├─ DataError       SourceError, SplitError, WeightsError,      4
│                  AbsentWeightsError
├─ TrainingError   DivergedError, ReceiptError                 5
└─ StoreError      RunNotFoundError, RunFormatError            6
```

The message states the fact with the offending value; the hint says what to do next. Both are plain text:
who shows them must not parse them as markup.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class ZooError(Exception):
    """Root of all errors that the library raises on purpose.

    Args:
        message: The fact, with the offending value.
        hint: The next step for the person who reads it; may be empty.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.hint, self.__dict__))


def _rebuild(kind: type[ZooError], message: str, hint: str, state: dict[str, object]) -> ZooError:
    error = kind.__new__(kind)
    ZooError.__init__(error, message, hint=hint)
    error.__dict__.update(state)
    return error


class UsageError(ZooError):
    """The call itself is wrong: mend the arguments."""

    exit_code = 2


class UnknownNameError(UsageError):
    """No item of that kind has that name.

    Args:
        kind: What was looked for, as a word: `backbone`, `head`, `policy`, …
        name: The name that was given.
        known: The names that exist.
        hint: Said instead of the near matches, if given.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], *, hint: str = "") -> None:
        self.kind, self.name, self.known = kind, name, tuple(sorted(known))
        near = difflib.get_close_matches(name, self.known, n=3, cutoff=0.5)
        if not hint:
            hint = (
                f"Did you mean {' or '.join(near)}?"
                if near
                else f"Known: {', '.join(self.known) or 'none'}. `zoo list` shows them all."
            )
        super().__init__(f"There is no {kind} named {name!r}.", hint=hint)


class RecipeError(UsageError):
    """A recipe, or a part of one such as `unfreeze-top-k:k=2`, is not valid."""


class PluginError(ZooError):
    """A plugin is at fault: remove it, update it or tell its author."""

    exit_code = 3


class PluginLoadError(PluginError):
    """An entry point could not be imported, or one of its hooks raised."""


class UnknownHookError(PluginError):
    """A plugin implements a hook that does not exist."""


class DuplicateNameError(PluginError):
    """Two origins provide an item of the same kind and name."""


class ContractError(PluginError):
    """What a plugin returned does not keep its contract."""


class DataError(ZooError):
    """The data are at fault: mend the folder, the split or the weights file."""

    exit_code = 4


class SourceError(DataError):
    """The pictures or their labels cannot be read."""


class SplitError(DataError):
    """The pictures cannot be divided as asked."""


class WeightsError(DataError):
    """Pretrained weights are absent, damaged or do not fit."""


class AbsentWeightsError(WeightsError):
    """Pretrained weights are not on this machine, and could or may not be fetched."""


class TrainingError(ZooError):
    """Training failed although recipe and data were valid."""

    exit_code = 5


class DivergedError(TrainingError):
    """The loss is not finite.

    Attributes:
        learning_rate: Of the step that made it so; 0 where a head was solved; None where it is not known.
    """

    learning_rate: float | None = None


class ReceiptError(TrainingError):
    """A weight moved that its policy had fixed, or an open one was never handed to the optimiser."""


class StoreError(ZooError):
    """The store of runs is at fault: another folder, or a newer version of the library."""

    exit_code = 6


class RunNotFoundError(StoreError):
    """No run has that identifier."""


class RunFormatError(StoreError):
    """A stored run, or the store itself, has a format that this version cannot read."""
