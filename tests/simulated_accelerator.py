"""A simulated accelerator: tensors that report the device "accel:0" and hold CPU memory.

Importing this module registers the device for the whole process, through experimental functions of torch (2.9 and
later), so it is imported in processes of its own only. The device follows the rules of CUDA:

* Tensors of the device and of the CPU do not meet, except for CPU scalars in elementwise operations and for CPU tensors
  as indices. Generators of the CPU draw no numbers for it.
* `waits` counts the operations at which a real device would make the host wait: reading a value, a result whose shape
  depends on values, and copies between host and device other than `non_blocking` ones from pinned memory.
* `kernels` counts the kernels that CUDA would launch. Views and empty tensors need none; some operations need several.

    from simulated_accelerator import DEVICE, counting
    model.to(DEVICE)
    with counting() as counts:
        model(inputs)
    counts.kernels.total(), counts.waits
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from simulated_graphs import CUDAGraph, graph_pool_handle, recording
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

NAME = "accel"
MEMORY = 1 << 34  # bytes of the device, of which all are free

# Operations without a kernel, besides views.
FREE = {
    "empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "resize_", "set_", "detach_", "lift",
    "is_same_size", "_unsafe_view", "_reshape_alias", "_local_scalar_dense", "record_stream", "is_pinned",
}  # fmt: skip
# Kernels of operations that need several, estimated from torch's CUDA sources; all others need one. Sums by sorted
# index (`index_put` that accumulates) and sorts use radix sort, and logsumexp and padding are compositions. Those of
# docnvil fill tensors with zeros to add to, or stack lists.
SEVERAL = {
    "sort": 8, "argsort": 8, "nonzero": 4, "masked_select": 5, "cumsum": 2, "cumprod": 2, "repeat_interleave": 3,
    "logsumexp": 9, "logaddexp": 1, "constant_pad_nd": 2, "unique_dim": 12, "_unique2": 12, "bincount": 4, "equal": 2,
    "multinomial": 4, "repeat": 2, "randperm": 4, "var": 1,
    "docnvil::sparse_outer": 2, "docnvil::nvil": 4, "docnvil::update_sums": 2,
}  # fmt: skip
ACCUMULATING_INDEX_PUT = 10
# Operations that accept no CPU scalar although they are elementwise on paper.
STRICT = {"cat", "stack", "index_select", "gather", "scatter", "scatter_add_", "index_add", "index_add_", "copy_"}
# What autocast of CUDA computes in its lower precision, and in single precision.
LOWER_PRECISION = ("mm", "bmm", "addmm", "addmv", "mv", "matmul", "baddbmm", "linear")
SINGLE_PRECISION = ("exp", "log", "log1p", "log2", "pow.Tensor_Scalar", "softplus", "cumsum", "sum", "sum.dim_IntList",
                    "softmax.int", "log_softmax.int", "logsumexp")  # fmt: skip
# Factories that would otherwise resize an empty tensor in C++.
FACTORIES = ("arange.start_step", "arange.start", "arange", "ones", "zeros", "full", "eye", "eye.m", "linspace", "rand",
             "rand.generator", "randn", "randn.generator", "randint", "randint.low", "scalar_tensor",
             "searchsorted.Tensor", "lerp.Tensor", "lerp.Scalar")  # fmt: skip


@dataclass
class Counts:
    """What was dispatched to the device: kernels, copies from and to it, and operations at which the host would wait.

    `kernels` and `waits` are by name of the operation; `views` is the number of views, which cost only host time.
    """

    kernels: Counter = field(default_factory=Counter)
    waits: Counter = field(default_factory=Counter)
    copies: Counter = field(default_factory=Counter)
    views: int = 0


_active: list[Counts] = []
_pinned: set[int] = set()  # addresses of pinned memory


@contextmanager
def counting() -> Iterator[Counts]:
    """Count the operations inside."""
    counts = Counts()
    _active.append(counts)
    try:
        yield counts
    finally:
        _active.remove(counts)


class _Event:
    """An event of a stream, whose work is done at once."""

    def __init__(self, **options: Any) -> None:
        pass

    def record(self, stream: Any = None) -> None:
        pass

    def synchronize(self) -> None:
        _wait("event.synchronize")

    def query(self) -> bool:
        return True


class _Stream:
    """The only stream."""

    device_index = 0

    def __init__(self, device: Any = None) -> None:
        pass

    def synchronize(self) -> None:
        _wait("stream.synchronize")

    def wait_stream(self, stream: "_Stream") -> None:
        pass


class _CountedGraph(CUDAGraph):
    """A graph, which the host starts as it starts a kernel."""

    def replay(self) -> None:
        for counts in _active:
            counts.kernels["CUDA graph"] += 1
        super().replay()


class Module(_DummyBackendModule):
    """`torch.accel`, with the functions of `torch.cuda`."""

    Event, Stream, CUDAGraph = _Event, _Stream, _CountedGraph

    def graph_pool_handle(self) -> tuple[int, int]:
        return graph_pool_handle()

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16, torch.float16]

    def current_stream(self, device: Any = None) -> _Stream:
        return _Stream()

    @contextmanager
    def stream(self, stream: _Stream) -> Iterator[None]:
        yield

    def set_device(self, device: Any) -> None:
        pass

    def synchronize(self, device: Any = None) -> None:
        _wait("synchronize")

    def mem_get_info(self, device: Any = None) -> tuple[int, int]:
        return MEMORY, MEMORY

    def memory_allocated(self, device: Any = None) -> int:
        return 0

    max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated

    def reset_peak_memory_stats(self, device: Any = None) -> None:
        pass

    def empty_cache(self) -> None:
        pass

    def get_device_name(self, device: Any = None) -> str:
        return "simulated accelerator"


class AcceleratorTensor(torch.Tensor):
    """A tensor on the simulated device; `raw` is the CPU tensor behind it."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, raw: torch.Tensor) -> "AcceleratorTensor":
        tensor = torch.Tensor._make_wrapper_subclass(
            cls, raw.shape, strides=raw.stride(), storage_offset=raw.storage_offset(), dtype=raw.dtype, device=DEVICE,
            requires_grad=raw.requires_grad,
        )  # fmt: skip
        tensor.raw = raw
        return tensor

    def __getitem__(self, index: Any) -> torch.Tensor:
        return super().__getitem__(_without_lists(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(_without_lists(index), value)

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        return run(operation, args, kwargs or {})


def _without_lists(index: Any) -> Any:
    """Return an index with tensors of the CPU in place of lists: torch's own conversion skips Python dispatch."""
    parts = index if isinstance(index, tuple) else (index,)
    parts = tuple(_as_tensor(part) if isinstance(part, list) else part for part in parts)
    return parts if isinstance(index, tuple) else parts[0]


def run(operation: Any, args: tuple, kwargs: dict) -> Any:
    """Run an operation on the CPU tensors behind its arguments, after checking who meets whom, and count it."""
    name = operation._schema.name.removeprefix("aten::")
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    ours = [tensor for tensor in tensors if isinstance(tensor, AcceleratorTensor)]
    device = None if kwargs.get("device") is None else torch.device(kwargs["device"]).type
    _check_generator(name, kwargs.get("generator"))
    is_copy = name in ("_to_copy", "copy_", "_copy_from")
    foreign = [tensor for tensor in tensors if not isinstance(tensor, AcceleratorTensor)]
    if not is_copy:
        _check_foreign(operation, name, foreign)
    if is_copy and (foreign or device not in (None, NAME)):
        _count_transfer(name, foreign, args, kwargs)
    else:
        _count(operation, name, args, kwargs, has_foreign=any(tensor.dim() for tensor in foreign))
    result_is_ours = device == NAME or (bool(ours) and device in (None, NAME))
    if device == NAME:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    raw_args, raw_kwargs = tree_map(lambda x: x.raw if isinstance(x, AcceleratorTensor) else x, (args, kwargs))
    compute = recording[-1].compute if recording else lambda operation, args, kwargs: operation(*args, **kwargs)
    result = compute(operation, raw_args, raw_kwargs)
    if name == "copy_" and not isinstance(args[0], AcceleratorTensor):
        return args[0]
    changed = {id(tensor.raw): tensor for tensor in ours}
    for tensor in ours:
        _follow(tensor)  # in-place operations and `out=` can change the shape
    if operation._schema.returns and operation._schema.returns[0].alias_info is not None and len(ours) > 0:
        is_write = operation._schema.returns[0].alias_info.is_write
    else:
        is_write = False

    def wrap(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        if is_write and id(value) in changed:
            return changed[id(value)]
        return AcceleratorTensor(value) if result_is_ours else value

    return tree_map(wrap, result)


def _follow(tensor: AcceleratorTensor) -> None:
    """Give a tensor the shape of the CPU tensor behind it."""
    raw = tensor.raw
    if tensor.shape != raw.shape or tensor.stride() != raw.stride():
        with torch._C._DisableTorchDispatch():
            tensor.data = AcceleratorTensor(raw.detach())


def _check_generator(name: str, generator: torch.Generator | None) -> None:
    if generator is not None and generator.device.type != NAME:
        raise RuntimeError(f"{name}: a generator of the {generator.device.type} draws no numbers for the accelerator")


def _check_foreign(operation: Any, name: str, foreign: list[torch.Tensor]) -> None:
    """Refuse CPU tensors, except for scalars in elementwise operations and indices."""
    elementwise = torch.Tag.pointwise in operation.tags and name not in STRICT
    if name.startswith(("index.", "_index_put", "index_put")) or name == "index":
        foreign = [tensor for tensor in foreign if tensor.dtype not in (torch.int64, torch.int32, torch.bool)]
        elementwise = True
    refused = [tuple(tensor.shape) for tensor in foreign if tensor.dim() or not elementwise]
    if refused:
        raise RuntimeError(f"{name}: a tensor of the accelerator meets one of the CPU, of shape {refused}")


def _count_transfer(name: str, foreign: list[torch.Tensor], args: tuple, kwargs: dict) -> None:
    """Count a copy between host and device; the host waits unless it is from pinned memory and non-blocking."""
    if recording:
        raise RuntimeError(f"{name}: a copy between host and device cannot be recorded")
    to_device = bool(foreign) and foreign[0] is not (args[0] if name == "copy_" else None)
    non_blocking = kwargs.get("non_blocking") or (name == "copy_" and len(args) > 2 and args[2])
    for counts in _active:
        counts.copies["to device" if to_device else "to host"] += 1
    if not (to_device and non_blocking and all(tensor.data_ptr() in _pinned for tensor in foreign)):
        _wait(f"copy to {'device' if to_device else 'host'}")


def _count(operation: Any, name: str, args: tuple, kwargs: dict, *, has_foreign: bool) -> None:
    """Count the kernels of an operation, and whether the host waits for it."""
    own_indices = args[1] if name in ("index", "index_put", "index_put_", "_index_put_impl_") else ()
    by_mask = any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in own_indices)
    sized = kwargs.get("output_size") is not None
    dynamic = {torch.Tag.dynamic_output_shape, torch.Tag.data_dependent_output} & set(operation.tags)
    is_scalar = name == "_local_scalar_dense"
    waits = is_scalar or by_mask or has_foreign or name in ("nonzero", "equal", "is_nonzero")
    if waits or (dynamic and not sized and name not in ("index", "index_put", "index_put_", "_index_put_impl_")):
        _wait(name)
    for counts in () if recording else _active:
        if operation.is_view or torch.Tag.inplace_view in operation.tags or name in ("detach", "alias", "lift_fresh"):
            counts.views += 1
        elif name not in FREE:
            n_kernels = SEVERAL.get(name, 1) + (SEVERAL["nonzero"] if by_mask else 0)
            if name.endswith(("index_put", "index_put_", "_index_put_impl_")) and any(
                each is True for each in (*args[3:4], kwargs.get("accumulate"))
            ):
                n_kernels = ACCUMULATING_INDEX_PUT
            counts.kernels[name] += n_kernels


def _wait(name: str) -> None:
    if recording:
        raise RuntimeError(f"{name}: the host cannot wait while work is recorded")
    for counts in _active:
        counts.waits[name] += 1


def _pin_memory(tensor: torch.Tensor, device: Any = None) -> torch.Tensor:
    pinned = tensor.clone()
    _pinned.add(pinned.data_ptr())
    return pinned


def _autocast(operation: Any, dtype: Callable[[], torch.dtype]) -> Callable:
    """Return an operation whose floating-point arguments are cast, as autocast does for CUDA."""
    excluded = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)

    def cast(value: Any) -> Any:
        is_wide = isinstance(value, torch.Tensor) and value.is_floating_point() and value.dtype != torch.float64
        return value.to(dtype()) if is_wide else value

    def call(*args: Any, **kwargs: Any) -> Any:
        with torch._C._ExcludeDispatchKeyGuard(excluded):
            return operation(*map(cast, args), **kwargs)

    return call


def _from_data(function: Callable) -> Callable:
    """Return `torch.tensor` or `torch.as_tensor` by way of the CPU: torch's own skips Python dispatch, and fails."""

    def call(data: Any, *, device: Any = None, requires_grad: bool = False, **options: Any) -> torch.Tensor:
        if device is None or torch.device(device).type != NAME:
            return function(data, device=device, **options).requires_grad_(requires_grad)
        return function(data, device="cpu", **options).to(device).requires_grad_(requires_grad)

    return call


def _overload(name: str) -> Any:
    packet, _, overload = name.partition(".")
    return getattr(getattr(torch.ops.aten, packet), overload or "default")


def _register() -> tuple[torch.library.Library, ...]:
    """Register the device, its kernels and its autocast; the result must be kept."""
    _setup_privateuseone_for_python_backend(NAME, backend_module=Module())
    fallback = torch.library.Library("_", "IMPL")
    fallback.fallback(lambda operation, *args, **kwargs: run(operation, args, kwargs), "PrivateUse1")
    fallback.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    aten = torch.library.Library("aten", "IMPL")
    for name in FACTORIES:
        operation = _overload(name)
        aten.impl(name, lambda *args, _operation=operation, **kwargs: run(_operation, args, kwargs), "PrivateUse1")
    aten.impl("_pin_memory", _pin_memory, "CPU")
    for names, dtype in (
        (LOWER_PRECISION, lambda: torch.get_autocast_dtype(NAME)),
        (SINGLE_PRECISION, lambda: torch.float32),
    ):
        for name in names:
            aten.impl(name, _autocast(_overload(name), dtype), "AutocastPrivateUse1")
    torch.tensor = _from_data(torch.tensor)
    torch.as_tensor = lambda data, dtype=None, device=None: _from_data(_as_tensor)(data, dtype=dtype, device=device)
    return fallback, aten


_as_tensor = torch.as_tensor
_LIBRARIES = _register()
DEVICE = torch.device(f"{NAME}:0")
