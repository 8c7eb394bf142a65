"""What can go wrong with a GPU, without one: torch's functions for CUDA are replaced."""

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from torch import distributed as dist

from docnvil.errors import ConfigurationError, DocnvilWarning, WorkerError
from docnvil.runtime import device_operations, devices, distributed, graphs

REASON = "(Torch not compiled|Found no NVIDIA driver)"  # of torch for CPUs, and for CUDA on a machine without a GPU


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torch report a GPU. This build of torch has no kernels for it, like those for GPUs too old or too new."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)


def test_the_cpu_replaces_a_gpu_that_does_not_work(gpu: None) -> None:
    with pytest.warns(DocnvilWarning, match=rf"The GPU cannot be used \({REASON}.*The CPU is used"):
        assert devices.choose_device("auto") == torch.device("cpu")
    with pytest.raises(ConfigurationError, match=rf"'cuda:1' cannot be used \({REASON}.*\)\. Choose another"):
        devices.choose_device("cuda:1")


def test_a_device_that_is_not_there_is_an_error() -> None:
    assert devices.choose_device("auto") == devices.choose_device("cpu") == torch.device("cpu")
    for name in ("cuda", "cuda:7", "meta", "abacus"):
        with pytest.raises(ConfigurationError, match="This machine has no device"):
            devices.choose_device(name)


def test_a_system_without_pinned_memory_copies_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(tensor: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr(torch.Tensor, "pin_memory", refuse)
    assert devices.to_device(np.arange(3), torch.device("meta")).shape == (3,)


class TestKernelsThatFail:
    @pytest.fixture(autouse=True)
    def none_has_failed(self, gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(device_operations, "failed_kernels", set())

    @staticmethod
    def operation(name: str, error: Exception) -> tuple[Any, list[str]]:
        calls = []

        def kernel(tensor: torch.Tensor) -> str:
            calls.append(name)
            raise error

        return device_operations._with_fallback(name, kernel, lambda tensor: f"formula of {name}"), calls

    def test_formulas_replace_them_with_one_warning(self) -> None:
        missing = RuntimeError("Failed to find C compiler.\nPlease specify")
        (first, calls), (second, _) = (self.operation(name, missing) for name in ("nvil", "log_rising"))
        with pytest.warns(DocnvilWarning, match=r"the kernel nvil .*\(Failed to find C compiler\).*C compiler") as w:
            results = [first(torch.ones(1)), first(torch.ones(1)), second([torch.ones(1)])]
        assert results == ["formula of nvil", "formula of nvil", "formula of log_rising"]
        assert len(w) == 1
        assert calls == ["nvil"]

    def test_a_failure_while_a_graph_is_recorded_is_not_remembered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        operation, calls = self.operation("nvil", RuntimeError("operation not permitted when stream is capturing"))
        monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="not permitted"):
                operation(torch.ones(1))
        assert calls == ["nvil"] * 2

    def test_too_little_memory_is_no_failure_of_the_kernel(self) -> None:
        operation, calls = self.operation("nvil", torch.OutOfMemoryError("CUDA out of memory"))
        for _ in range(2):
            with pytest.raises(torch.OutOfMemoryError):
                operation(torch.ones(1))
        assert calls == ["nvil"] * 2


class _Module:
    """`torch.cuda` with one stream and graphs that cannot be recorded."""

    graph_pool_handle = staticmethod(lambda: (0, 1))
    synchronize = empty_cache = current_stream = staticmethod(lambda device=None: None)
    Stream = stream = staticmethod(lambda each: nullcontext())

    class CUDAGraph:
        def capture_begin(self, pool: Any, capture_error_mode: str) -> None:
            assert capture_error_mode == "thread_local"

        def capture_end(self) -> None:
            raise RuntimeError("operation failed due to a previous error during capture")


def test_an_interrupted_recording_ends_in_the_allocator_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []
    monkeypatch.setattr(torch, "get_device_module", lambda device: _Module)
    monkeypatch.setattr(torch._C, "_cuda_endAllocateToPool", lambda *arguments: ended.append(arguments), raising=False)
    recorder = graphs.GraphRecorder(torch.device("cuda:0"))
    with pytest.raises(KeyError, match="reason"):
        recorder.record(lambda: {}["reason"])
    with pytest.raises(RuntimeError, match="previous error"):
        recorder.record(lambda: None)
    assert ended == [(0, (0, 1))] * 2


def test_later_work_waits_for_an_interrupted_update(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = []

    class Stream:
        def __init__(self, device: torch.device) -> None:
            self.waited_for: list[Stream] = []
            streams.append(self)

        def wait_stream(self, stream: "Stream") -> None:
            self.waited_for.append(stream)

    module = type("Module", (_Module,), {"Stream": Stream, "current_stream": staticmethod(Stream)})
    monkeypatch.setattr(torch, "get_device_module", lambda device: module)
    recorder = graphs.GraphRecorder(torch.device("cuda:0"))
    with pytest.raises(KeyboardInterrupt), recorder.on_stream():
        raise KeyboardInterrupt
    side, outside = streams
    assert side.waited_for == [outside]
    assert outside.waited_for == [side]


@pytest.mark.parametrize(("has_gpu", "backend"), [(True, "cpu:gloo,cuda:nccl"), (False, "gloo")])
def test_nccl_needs_a_gpu(monkeypatch: pytest.MonkeyPatch, has_gpu: bool, backend: str) -> None:
    """torch for CUDA contains nccl, which refuses to start on a machine without a GPU."""
    for name in distributed.LAUNCH_VARIABLES:
        monkeypatch.setenv(name, "0")
    chosen = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    monkeypatch.setattr(dist, "is_nccl_available", lambda: True)
    monkeypatch.setattr(dist, "rendezvous", lambda url: iter([(dist.HashStore(), 0, 1)]))
    monkeypatch.setattr(dist, "init_process_group", lambda backend, **options: chosen.append(backend))
    monkeypatch.setattr(dist, "destroy_process_group", lambda: None)
    with distributed.process_group():
        pass
    assert chosen == [backend]


def test_processes_that_share_a_gpu_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_with(message: str) -> None:
        def broadcast(tensor: torch.Tensor, src: int) -> None:
            raise RuntimeError(message)

        monkeypatch.setattr(dist, "broadcast", broadcast)
        distributed.ProcessGroup(0, 2).broadcast([torch.ones(1)])

    with pytest.raises(ConfigurationError, match="use the same GPU"):
        fail_with("ncclInvalidUsage: ...\nLast error:\nDuplicate GPU detected : rank 1 and rank 0")
    with pytest.raises(WorkerError, match="ended too early"):
        fail_with("Connection closed by peer")
