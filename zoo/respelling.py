"""How stored specs are spelt today where a default has changed since they were written.

A spec's text leaves out what is at its default, and a stored one keeps the text that it was written with. When the
default becomes another, an old `bn-trainable` would stand on a board beside a new one that means something else. What a
spec means is in its options, which are stored in full and which digests are made of; so the text is made to agree with
them. Where it does already nothing changes.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.values import Recipe, Spec

CHANGED = {("bn-trainable", "stats"): ("moving", "precise")}
"""Old and new default of an option, by the name of its policy and its own. The values are plain words."""


def respelt(recipe: Recipe) -> Recipe:
    """The recipe with its policy spelt as it is today; what it means, and so its digests, stay."""
    policy = recipe.policy
    for (name, option), (before, now) in CHANGED.items():
        if policy.name == name:
            policy = _respelt(policy, option, before, now)
    return recipe if policy is recipe.policy else dataclasses.replace(recipe, policy=policy)


def _respelt(spec: Spec, option: str, before: str, now: str) -> Spec:
    value, (name, _, settings) = spec.values().get(option), spec.text.partition(":")
    told = [part for part in settings.split(",") if part]
    if value == before and f"{option}={before}" not in told:
        told.append(f"{option}={before}")
    elif value == now and f"{option}={now}" in told:
        told.remove(f"{option}={now}")
    else:
        return spec
    return dataclasses.replace(spec, text=f"{name}:{','.join(told)}" if told else name)
