"""Layers of the same kind, one after the other, as one step."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from drawing.trace import Step

_NUMBER = re.compile(r"\.\d+$")


def folded(steps: Sequence[Step]) -> list[Step]:
    """The steps with every run of numbered layers joined: `blocks.0` to `blocks.11` are `blocks`.

    A run is a chain of one class with the same shapes and as many parameters, each layer read by
    the next one only. The joined step has the parameters of all.
    """
    runs: dict[str, list[Step]] = {}
    for step in steps:
        before = runs.get(step.sources[0]) if len(step.sources) == 1 else None
        if before and _alike(before[-1], step) and _readers(steps, before[-1]) == [step.name]:
            before.append(step)
            runs[step.name] = before
        else:
            runs[step.name] = [step]
    names = {step.name: _name(run) for run in runs.values() for step in run}
    result = []
    for step in steps:
        run = runs[step.name]
        if run[0] is step:
            joined = replace(
                step, name=names[step.name], parameters=sum(s.parameters for s in run),
                made_by=step.made_by + (f" ({len(run)} of them)" if len(run) > 1 else ""),
                gives=run[-1].gives,
            )  # fmt: skip
            result.append(replace(joined, sources=tuple(names[s] for s in joined.sources)))
    return result


def _alike(one: Step, other: Step) -> bool:
    numbered = _NUMBER.search(one.name) and _NUMBER.search(other.name)
    same = ("made_by", "reads", "gives", "parameters")
    return bool(numbered) and all(getattr(one, name) == getattr(other, name) for name in same)


def _readers(steps: Sequence[Step], step: Step) -> list[str]:
    return [other.name for other in steps if step.name in other.sources]


def _name(run: Sequence[Step]) -> str:
    return _NUMBER.sub("", run[0].name) if len(run) > 1 else run[0].name
