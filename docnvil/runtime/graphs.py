"""CUDA graphs: work on a device that is recorded once and then started as a whole.

An update of docnvil is about 80 small kernels, and starting each takes the host longer than the GPU takes to compute
it. A graph starts all of them at once. It repeats exactly what was recorded: the same kernels, on tensors of the same
shapes at the same addresses, with the same Python numbers. So what differs from one time to the next has to be in
tensors that exist before the recording, and the host must not wait for the device.

Source: Gray (2019), *Getting started with CUDA graphs*; the section on CUDA graphs in torch's notes on CUDA.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch


def supports_graphs(device: torch.device) -> bool:
    """Return whether work on a device can be recorded."""
    return device.type != "cpu" and hasattr(torch.get_device_module(device), "CUDAGraph")


class GraphRecorder:
    """Records work on a device. The graphs share the memory of their intermediate results, so one runs at a time.

    A result of a graph has to be copied to a tensor from before the recording: the next graph overwrites the others.
    """

    def __init__(self, device: torch.device) -> None:
        self._device, self._module = device, torch.get_device_module(device)
        self._stream = self._module.Stream(device)
        self._pool = self._module.graph_pool_handle()

    @contextmanager
    def on_stream(self) -> Iterator[None]:
        """Work inside on the stream of recordings, where libraries allocate their memory before the first of them."""
        outside = self._module.current_stream(self._device)
        self._stream.wait_stream(outside)
        try:
            with self._module.stream(self._stream):
                yield
        finally:
            outside.wait_stream(self._stream)

    def record(self, task: Callable[[], object]) -> Callable[[], None]:
        """Record a task, without computing anything, and return the function that starts what was recorded.

        Other threads may use the device meanwhile.

        Raises:
            RuntimeError: the task contains something that cannot be repeated.
        """
        graph = self._module.CUDAGraph()
        self._module.synchronize(self._device)
        self._module.empty_cache()  # a recording cannot use memory that torch has kept for other work
        with self._module.stream(self._stream):
            graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
            try:
                task()
            except BaseException:
                with suppress(RuntimeError):  # that the recording is invalid; the task's error says why
                    self._end(graph)
                raise
            self._end(graph)
        return graph.replay

    def _end(self, graph: Any) -> None:
        """End a recording, also in torch's allocator, which torch before 2.12 leaves recording after an error."""
        try:
            graph.capture_end()
        except RuntimeError:
            with suppress(RuntimeError, AttributeError):  # it has ended there
                torch._C._cuda_endAllocateToPool(self._device.index, self._pool)
            raise
