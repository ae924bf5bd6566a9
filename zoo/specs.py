r"""The little language of specs, `name:option=value,option=value`, parsed once at the edge into a `Spec`.

```text
spec    =  name [ ":" setting { "," setting } ]
setting =  option "=" value
value   =  plain text without a comma, or text in double quotes in which "" stands for one quote
```

Spaces around names, options and values are ignored. A plain value may hold `=`, `:` and `\`, so that a path needs
quotes only for a comma: `efficientnetb0:weights="C:\a,b.h5"`.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from zoo.contracts import Option
from zoo.errors import RecipeError
from zoo.options import checked_value, read_value, write_value
from zoo.values import Spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zoo.contracts import Backbone

_SETTING = re.compile(
    r"""\s*(?P<option>[^=,"]*?)\s*=\s*
        (?: "(?P<quoted>(?:[^"]|"")*)" | (?P<plain>(?!")[^,]*?) )
        \s*(?P<end>,|\Z)""",
    re.VERBOSE,
)


def backbone_options(backbone: Backbone) -> tuple[Option, ...]:
    """All options of a backbone: `weights` and `size`, which the host reads, then its own."""
    default = backbone.weights[0].id if backbone.weights else "none"
    return (
        Option("weights", default, "Declared weights, `none` for random ones, or the path of a file with weights."),
        Option("size", backbone.image_size, "Side of the square pictures, in pixels.", minimum=backbone.min_size),
        *backbone.options,
    )


def channels_of(spec: Spec) -> int:
    """Channels of the pictures that a completed backbone spec takes: of its option `channels`; RGB without one."""
    return int(spec.values().get("channels", 3))


def spec_name(text: str, *, kind: str) -> str:
    """The name at the start of a spec.

    Raises:
        RecipeError: It is no text, or nothing stands before the colon.
    """
    if not isinstance(text, str):
        raise RecipeError(f"A {kind} is given as text, not {text!r}.", hint="Example: name:option=value.")
    name = text.partition(":")[0].strip()
    if not name:
        raise RecipeError(
            f"{text!r} names no {kind}.", hint=f"`zoo list` shows every {kind}. Example: name:option=value."
        )
    return name


def parse_spec(text: str, *, kind: str, options: Sequence[Option]) -> Spec:
    """Parse a spec and complete it with defaults. `parse_spec(str(spec)) == spec` for what it returns.

    Args:
        text: What a person wrote.
        kind: Kind of the item, as a word for messages.
        options: All options of the item, host options included.

    Raises:
        RecipeError: The text breaks the grammar, sets an unknown option, one option twice, or a wrong value.
    """
    name = spec_name(text, kind=kind)
    known = {option.name: option for option in options}
    given: dict[str, object] = {}
    for key, value in _settings(text, name=name, kind=kind, options=options):
        option = known.get(key)
        if option is None:
            raise _unknown(key, name=name, kind=kind, options=options)
        if key in given:
            raise RecipeError(f"{text!r} sets option {key!r} twice.", hint="Keep one of the two.")
        given[key] = read_value(option, value, owner=f"{kind} {name!r}")
    return complete_spec(name, given, kind=kind, options=options)


def complete_spec(name: str, given: Mapping[str, object], *, kind: str, options: Sequence[Option]) -> Spec:
    """Check settings that are values already, fill in defaults and spell the whole canonically.

    Raises:
        RecipeError: An option is unknown or a value is wrong.
    """
    known = {option.name for option in options}
    for key in given:
        if key not in known:
            raise _unknown(key, name=name, kind=kind, options=options)
    owner = f"{kind} {name!r}"
    values = tuple((o.name, checked_value(o, given.get(o.name, o.default), owner=owner)) for o in options)
    changed = [
        f"{key}={write_value(value)}" for (key, value), o in zip(values, options, strict=True) if value != o.default
    ]
    return Spec(name=name, options=values, text=f"{name}:{','.join(changed)}" if changed else name)


def _settings(text: str, *, name: str, kind: str, options: Sequence[Option]) -> Iterator[tuple[str, str]]:
    _, colon, rest = text.partition(":")
    position, more = 0, bool(colon)
    while more:
        found = _SETTING.match(rest, position)
        if found is None or not found["option"] or found["plain"] == "":
            hint = _example(name, kind=kind, options=options)
            raise RecipeError(_grammar_fault(rest[position:], text=text), hint=hint)
        quoted = found["quoted"]
        yield found["option"], found["plain"] if quoted is None else quoted.replace('""', '"')
        position, more = found.end(), found["end"] == ","


def _grammar_fault(rest: str, *, text: str) -> str:
    setting = rest.partition(",")[0].strip()
    key, equals, value = (part.strip() for part in setting.partition("="))
    if not setting:
        return f"{text!r} has nothing between or after its separators."
    if not equals:
        return f"{setting!r} in {text!r} has no '='."
    if not key:
        return f"{setting!r} in {text!r} has no option before its '='."
    if not value:
        return f"Option {key!r} in {text!r} has no value."
    return f"The quotes of {setting!r} in {text!r} do not match."


def _example(name: str, *, kind: str, options: Sequence[Option]) -> str:
    if not options:
        return f"The {kind} {name!r} has no options: write {name} alone."
    shown = ",".join(f"{option.name}={write_value(option.default)}" for option in options[:2])
    return f'Example: {name}:{shown}. A value with a comma stands in double quotes ("a,b"), an empty one is "".'


def _unknown(key: str, *, name: str, kind: str, options: Sequence[Option]) -> RecipeError:
    near = difflib.get_close_matches(key, [option.name for option in options], n=1, cutoff=0.5)
    known = ", ".join(f"{option.name}={write_value(option.default)}" for option in options)
    hint = f"Its options and their defaults: {known}." if options else f"It has no options: write {name} alone."
    if near:
        hint = f"Did you mean {near[0]}? {hint}"
    return RecipeError(f"The {kind} {name!r} has no option {key!r}.", hint=hint)
