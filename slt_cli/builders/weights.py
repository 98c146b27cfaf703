"""Weights of a file into a module: all of them, or an error that names the tensors."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from slt_cli.errors import InputError

Shapes = dict[str, tuple[int, ...]]
_SHOWN = 5


def load_strictly(
    module: nn.Module, weights: Mapping[str, Tensor], *, what: str, where: str, hint: str
) -> int:
    """Copy `weights` into `module`; returns how many tensors.

    Raises `InputError` unless both have the same tensors, saying which are missing, unexpected or
    of another shape; the module is unchanged then. `what` names the module there.
    """
    expected, found = shapes_of(module.state_dict()), shapes_of(weights)
    common = expected.keys() & found.keys()
    differing = [key for key in common if found[key] != expected[key]]
    problems = {
        "missing": sorted(expected.keys() - found.keys()),
        "unexpected": sorted(found.keys() - expected.keys()),
        "another shape": sorted(f"{k} {found[k]} instead of {expected[k]}" for k in differing),
    }
    if any(problems.values()):
        raise InputError(
            f"{len(common) - len(differing)} of {len(expected)} tensors of {what} match; "
            + "; ".join(f"{kind}: {_listed(keys)}" for kind, keys in problems.items() if keys),
            where=where, hint=hint,
        )  # fmt: skip
    module.load_state_dict(weights)
    return len(expected)


def shapes_of(weights: Mapping[str, Tensor]) -> Shapes:
    """Name -> shape."""
    return {key: tuple(value.shape) for key, value in weights.items()}


def _listed(keys: list[str]) -> str:
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return ", ".join(keys[:_SHOWN]) + more
