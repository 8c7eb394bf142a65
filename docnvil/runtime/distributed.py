"""Data-parallel training in several processes, each of which works on a shard of every batch.

    torchrun --nproc-per-node=4 -m docnvil fit corpus/

Every process holds the whole network. Losses are sums over documents, so gradients are all-reduced as sums and batches
need not divide evenly. Random numbers are keyed by document, so the result equals that of one process up to rounding.
"""

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch import distributed as dist

from docnvil.errors import ConfigurationError, WorkerError, first_line
from docnvil.runtime.cleanup import delete_leftovers

# torchrun sets these variables, and so must any other launcher.
LAUNCH_VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class ProcessGroup:
    """The R = `size` processes of one training, as seen by process `rank` (from 0); the default is a single process.

    Example:
        >>> list(range(5))[ProcessGroup(rank=1, size=2).shard]
        [1, 3]
    """

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and messages."""
        return self.rank == 0

    @property
    def shard(self) -> slice:
        """Return the slice of rows that belongs to this process; shard sizes differ by at most one row."""
        return slice(self.rank, None, self.size)

    def all_gather(self, tensor: Tensor) -> Tensor:
        """Return the tensors of all processes, `[...] -> [R, ...]`."""
        if self.size == 1:
            return tensor[None]
        tensor = tensor.contiguous()
        tensors = [torch.empty_like(tensor) for _ in range(self.size)]
        with _translate_backend_errors():
            dist.all_gather(tensors, tensor)
        return torch.stack(tensors)

    def all_reduce(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor in place by its sum over processes; all tensors travel in one message."""
        tensors = list(tensors)
        if self.size == 1:
            return
        message = torch.cat([tensor.reshape(-1) for tensor in tensors])
        with _translate_backend_errors():
            dist.all_reduce(message)
        for tensor, total in zip(tensors, message.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(total.view_as(tensor))

    def broadcast(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor in place by that of the main process."""
        if self.size == 1:
            return
        with _translate_backend_errors():
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    def require_agreement(self, *values: object) -> None:
        """Raise `ConfigurationError` if the values of two processes differ; hashes of their `repr` are compared."""
        digest = hashlib.sha256(repr(values).encode()).digest()
        if self.all_gather(torch.tensor(list(digest))).unique(dim=0).shape[0] > 1:
            raise ConfigurationError(
                "The processes of this run have different documents, settings, seeds or checkpoints. Start all of"
                " them with the same corpus, options and seed, and an --out folder that all of them can read."
            )


SINGLE_PROCESS = ProcessGroup()


def is_launched() -> bool:
    """Return whether torchrun or a similar launcher started this process as one of several."""
    return all(name in os.environ for name in LAUNCH_VARIABLES)


def is_restart() -> bool:
    """Return whether torchrun restarted the processes because one of them had died."""
    return _restart_count() > 0


def local_device(name: str) -> str:
    """Return the device of this process for the requested one; on a machine with several GPUs, each process has one."""
    if name not in ("auto", "cuda") or not is_launched() or not torch.cuda.is_available():
        return name
    number = int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count()
    torch.cuda.set_device(number)  # nccl communicates through the current device
    return f"cuda:{number}"


@contextmanager
def process_group() -> Iterator[ProcessGroup]:
    """Join the process group that a launcher started, and destroy it at the end; without a launcher, yield one process.

    If one process fails, the others fail too. The first one raises its error; the others exit silently with status 1.

    Raises:
        WorkerError: the processes could not connect, or one of them ended too early.
    """
    if not is_launched():
        yield SINGLE_PROCESS
        return
    address = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    try:
        store, rank, size = next(dist.rendezvous("env://"))
        # torchrun's store outlives its workers; the prefix hides the addresses of workers that died.
        store = dist.PrefixStore(f"docnvil/{_restart_count()}", store)
        # torch for CUDA has nccl on machines without a GPU too, where nccl cannot start.
        has_nccl = dist.is_nccl_available() and torch.cuda.is_available()
        backend = "cpu:gloo,cuda:nccl" if has_nccl else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=size)
    except (RuntimeError, ValueError) as error:
        reason = first_line(error)
        raise WorkerError(
            f"The processes of this run could not connect at {address} ({reason}). Check that every machine can"
            " reach this address, then start them again."
        ) from error
    try:
        yield ProcessGroup(rank, size)
    except BaseException:
        if not _is_first_failure(store):
            raise SystemExit(1) from None
        raise
    finally:
        dist.destroy_process_group()


def exit_now() -> None:
    """Exit with status 0 without shutting down the interpreter, if a launcher started this process.

    Call it after all files are written. gloo's threads may still be freeing tensors. If one of them needs the
    interpreter during its shutdown, the process aborts (seen in about 1 of 20 trainings), and torchrun reports a
    finished training as failed.
    """
    if is_launched():
        delete_leftovers()  # such as the lock of the output
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _restart_count() -> int:
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def _is_first_failure(store: dist.Store) -> bool:
    try:
        return store.add("failures", 1) == 1
    except RuntimeError:  # the process that served the store has ended
        return True


@contextmanager
def _translate_backend_errors() -> Iterator[None]:
    """Raise a `WorkerError` for the backend-specific error that occurs when another process has ended."""
    try:
        yield
    except RuntimeError as error:
        if "Duplicate GPU" in str(error):  # nccl's words
            raise ConfigurationError(
                "Two processes of this run use the same GPU, and each needs one of its own. Start as many per machine"
                " as it has GPUs (--nproc-per-node), or use --device cpu."
            ) from error
        raise WorkerError(
            "Another process of this run ended too early, so this one stopped. Rerun the same command with"
            " --resume to continue from the last saved epoch."
        ) from error
