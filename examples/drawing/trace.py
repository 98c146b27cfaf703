"""What a module really does in one run: its steps in order, their shapes, and what reads what."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from fnmatch import fnmatchcase
from types import ModuleType
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

Shape = tuple[int, ...]
# Arguments that only say what counts, and are no data. Neither is a boolean tensor.
WEIGHING = {"presence", "valid", "frame_valid", "attention_mask", "encoder_attention_mask"}
# Operations between two steps that a reader wants to know of.
SAID = {
    "tanh": "tanh", "add": "+", "mul": "×", "leaky_relu": "LeakyReLU", "mean": "mean",
    "cat": "concat", "_softmax": "softmax",
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One call.

    `name` is the path of the module, the function, the input, the weight or the result; `made_by`
    its class. `sources` are the steps whose tensors it reads, `after` the operations in between.
    """

    name: str
    kind: Literal["input", "weight", "module", "function", "result"]
    made_by: str
    reads: tuple[Shape, ...]
    gives: tuple[Shape, ...]
    parameters: int = 0
    sources: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@torch.no_grad()
def trace(
    run: Callable[[], Mapping[str, Tensor]],
    root: nn.Module,
    *,
    inputs: Mapping[str, Tensor],
    modules: Sequence[str],
    functions: Iterable[tuple[ModuleType, str]] = (),
) -> list[Step]:
    """The steps of `run`, in the order in which they end.

    `run` calls `root` with `inputs` and returns what to show as results. Steps are the submodules
    whose paths match one of `modules` (`stacks.*.blocks.*`: each star is one name) and calls of
    `functions`, given by the module that looks them up. Parameters and buffers of `root` itself
    are steps too. What nothing reads is left out.
    """
    flow = _Flow()
    for name, tensor in inputs.items():
        flow.add_source(name, "input", tensor)
    for name, tensor in (*root.named_parameters(recurse=False), *root.named_buffers(recurse=False)):
        flow.add_source(name, "weight", tensor)
    with flow.watching(_chosen(root, modules), functions), flow:
        results = run()
    for name, tensor in results.items():
        flow.add_result(name, tensor)
    read = {source for step in flow.steps for source in step.sources}
    return [s for s in flow.steps if s.kind not in {"input", "weight"} or s.name in read]


def _chosen(root: nn.Module, patterns: Sequence[str]) -> dict[str, nn.Module]:
    def matches(path: str, pattern: str) -> bool:
        return path.count(".") == pattern.count(".") and fnmatchcase(path, pattern)

    return {
        path: module
        for path, module in root.named_modules()
        if any(matches(path, pattern) for pattern in patterns)
    }


# Steps that a tensor was made from, each with the operations since.
Origin = Mapping[str, tuple[str, ...]]


class _Flow(TorchDispatchMode):
    """Follows tensors through every operation between two steps, by the memory they lie in."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self._origins: dict[int, Origin] = {}
        self._kept: list[Tensor] = []  # so that no memory is used twice
        self._before: dict[str, set[str]] = {}  # step -> all steps that it rests on
        self._depth = 0
        self._counted: set[nn.Parameter] = set()  # a weight that two steps read counts once

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if self._depth == 0:
            self._follow(func.overloadpacket.__name__.rstrip("_"), (args, kwargs), result)
        return result

    def add_source(self, name: str, kind: Literal["input", "weight"], tensor: Tensor) -> None:
        shape = (tuple(tensor.shape),)
        trained = tensor.numel() if isinstance(tensor, nn.Parameter) else 0
        what = {"input": "input", "weight": "parameter" if trained else "constant"}[kind]
        self._add(Step(name, kind, what, (), shape, trained), tensor)

    def add_result(self, name: str, tensor: Tensor) -> None:
        sources, after = self._sources([tensor])
        shape = (tuple(tensor.shape),)
        self.steps.append(Step(name, "result", "result", shape, shape, 0, sources, after))

    @contextmanager
    def watching(
        self, modules: Mapping[str, nn.Module], functions: Iterable[tuple[ModuleType, str]]
    ) -> Iterator[None]:
        """Record calls of these as steps."""
        kept = [(place, name, getattr(place, name)) for place, name in functions]
        hooks = [hook for path, module in modules.items() for hook in self._hooks(path, module)]
        for place, name, function in kept:
            setattr(place, name, self._recorded(function))
        try:
            yield
        finally:
            for place, name, function in kept:
                setattr(place, name, function)
            for hook in hooks:
                hook.remove()

    def _hooks(self, path: str, module: nn.Module) -> list[Any]:
        waiting: list[dict[str, Any]] = []
        signature = inspect.signature(module.forward)

        def enter(_: nn.Module, args: Any, kwargs: Any) -> None:
            waiting.append(self._enter(signature.bind(*args, **kwargs).arguments))

        def leave(_: nn.Module, args: Any, kwargs: Any, result: Any) -> None:
            known = waiting.pop()
            known["weights"] += module.parameters()
            self._leave(path, "module", type(module).__name__, known, result)

        return [
            module.register_forward_pre_hook(enter, with_kwargs=True),
            module.register_forward_hook(leave, with_kwargs=True),
        ]

    def _recorded(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            bound = inspect.signature(function).bind(*args, **kwargs).arguments
            known = self._enter(bound)
            result = function(*args, **kwargs)
            self._leave(function.__name__, "function", "function", known, result)
            return result

        return call

    def _enter(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """What is known of a step before it is made; `weights` are parameters it is given."""
        given = [
            tensor
            for name, value in arguments.items() if name not in WEIGHING
            for tensor in _tensors(value) if _is_data(tensor)
        ]  # fmt: skip
        data = [tensor for tensor in given if not isinstance(tensor, nn.Parameter)]
        sources, after = self._sources(data)
        self._depth += 1
        return {
            "reads": tuple(tuple(tensor.shape) for tensor in data), "sources": sources,
            "after": after, "weights": [t for t in given if isinstance(t, nn.Parameter)],
        }  # fmt: skip

    def _leave(
        self, name: str, kind: Any, made_by: str, known: dict[str, Any], result: Any
    ) -> None:
        self._depth -= 1
        tensors = [tensor for tensor in _tensors(result) if _is_data(tensor)]
        gives = tuple(tuple(tensor.shape) for tensor in tensors)
        weights = set(known.pop("weights"))
        count = sum(weight.numel() for weight in weights - self._counted)
        self._counted |= weights
        self._add(Step(name, kind, made_by, gives=gives, parameters=count, **known), *tensors)

    def _add(self, step: Step, *tensors: Tensor) -> None:
        self.steps.append(step)
        self._before[step.name] = set(step.sources).union(
            *(self._before[source] for source in step.sources)
        )
        for tensor in tensors:
            self._set(tensor, {step.name: ()})

    def _sources(self, tensors: Iterable[Tensor]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Steps that the tensors come from, and the operations since."""
        found: Origin = {}
        for tensor in tensors:
            found = _joined(found, self._origins.get(_memory(tensor), {}))
        after = dict.fromkeys(operation for since in found.values() for operation in since)
        return tuple(found), tuple(after)

    def _follow(self, operation: str, arguments: Any, result: Any) -> None:
        tensors = _tensors(arguments)
        origin: Origin = {}
        for tensor in tensors:
            more = self._origins.get(_memory(tensor), {})
            if operation == "mul":  # the presence of points was read from the input, as they were
                earlier = set[str]().union(*(self._before[name] for name in origin))
                more = {name: since for name, since in more.items() if name not in earlier}
            origin = _joined(origin, more)
        # A product with a mask or a number is no step of the calculation.
        factors = sum(tensor.is_floating_point() for tensor in tensors)
        if operation in SAID and not (operation == "mul" and factors < 2):
            said = SAID[operation]
            origin = {name: (*(o for o in since if o != said), said)
                      for name, since in origin.items()}  # fmt: skip
        for tensor in _tensors(result) if origin else []:
            self._set(tensor, origin)

    def _set(self, tensor: Tensor, origin: Origin) -> None:
        self._origins[_memory(tensor)] = origin
        self._kept.append(tensor)


def _joined(one: Origin, other: Origin) -> dict[str, tuple[str, ...]]:
    return {
        name: tuple(dict.fromkeys(one.get(name, ()) + other.get(name, ())))
        for name in (*one, *other)
    }


def _is_data(tensor: Tensor) -> bool:
    return tensor.dtype != torch.bool and tensor.numel() > 0


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _tensors(value: Any) -> list[Tensor]:
    """All tensors in arguments or results, in order."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        return _tensors(list(value.values()))
    if is_dataclass(value):
        return _tensors([getattr(value, field.name) for field in fields(value)])
    if isinstance(value, (list, tuple, type({}.values()))):
        return [tensor for item in value for tensor in _tensors(item)]
    return []
