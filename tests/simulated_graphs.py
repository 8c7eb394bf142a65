"""CUDA graphs of the simulated accelerator: operations that are recorded, and repeated on the same memory.

As on CUDA, recording computes nothing: memory from before is restored afterwards, and memory that was allocated while
recording is filled with NaN. Whatever makes the host wait, and every copy between host and device, is refused. `replay`
repeats the kernels on the tensors they were recorded with, whatever these contain by then.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

recording: list["CUDAGraph"] = []  # the graph that is recorded, or none
replayed: list["CUDAGraph"] = []  # all graphs in the order they were started
ALLOCATIONS = ("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided")


@dataclass(frozen=True)
class _Step:
    """An operation with the CPU tensors behind its arguments, and the tensors that it allocated, by place."""

    operation: Any
    args: tuple
    kwargs: dict
    allocated: dict[int, torch.Tensor]

    @property
    def name(self) -> str:
        return self.operation._schema.name.removeprefix("aten::")


class CUDAGraph:
    """Records the operations between `capture_begin` and `capture_end`."""

    def __init__(self) -> None:
        self._steps: list[_Step] = []
        self._own: set[int] = set()  # addresses that were allocated while recording
        self._saved: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}
        self.inputs: dict[int, torch.Tensor] = {}  # of memory from before that is read or written, by address
        self.signature: list[tuple] = []  # of each operation: name, and its arguments without the numbers in tensors

    def capture_begin(self, pool: Any = None, capture_error_mode: str = "global") -> None:
        recording.append(self)

    def capture_end(self) -> None:
        recording.remove(self)
        for storage, before in self._saved.values():
            storage.copy_(before)
        for step in self._steps:
            _poison(step.allocated)

    def compute(self, operation: Any, args: tuple, kwargs: dict) -> Any:
        """Run an operation on CPU tensors, for shapes only, and record it."""
        given = {_address(tensor): tensor for tensor in _tensors((args, kwargs))}
        self.inputs.update({address: each for address, each in given.items() if address not in self._own})
        for tensor in _tensors(_written(operation, args, kwargs)):
            if _address(tensor) not in {*self._own, *self._saved}:
                storage = tensor.untyped_storage()
                self._saved[_address(tensor)] = storage, storage.clone()
        result = operation(*args, **kwargs)
        allocated = {
            place: leaf.as_strided(leaf.size(), leaf.stride())  # another object, as operations in place change shapes
            for place, leaf in enumerate(tree_leaves(result))
            if isinstance(leaf, torch.Tensor) and _address(leaf) not in given
        }
        self._own |= {_address(tensor) for tensor in allocated.values()}
        self._steps.append(_Step(operation, args, kwargs, allocated))
        self.signature.append((str(operation), *map(_describe, tree_leaves((args, kwargs)))))
        return result

    @torch.no_grad()
    def replay(self) -> None:
        replayed.append(self)
        for step in self._steps:
            if step.name in ALLOCATIONS:
                _poison(step.allocated)
                continue
            leaves = tree_leaves(step.operation(*step.args, **step.kwargs))
            for place, tensor in step.allocated.items():
                if leaves[place].shape != tensor.shape:
                    raise RuntimeError(f"{step.name} had the shape {tensor.shape}, and now {leaves[place].shape}")
                if not step.operation.is_view:
                    tensor.copy_(leaves[place])


def graph_pool_handle() -> tuple[int, int]:
    return 0, 0


def _address(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    return (leaf for leaf in tree_leaves(value) if isinstance(leaf, torch.Tensor) and leaf.numel())


def _written(operation: Any, args: tuple, kwargs: dict) -> list[Any]:
    """Return the arguments that an operation changes."""
    written = []
    for place, argument in enumerate(operation._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            written.append(args[place] if place < len(args) else kwargs.get(argument.name))
    return written


def _poison(tensors: dict[int, torch.Tensor]) -> None:
    for tensor in tensors.values():
        if tensor.is_floating_point():
            tensor.fill_(torch.nan)


def _describe(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return str(value.dtype), tuple(value.shape), value.stride()
    return repr(value)
