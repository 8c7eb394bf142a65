"""One training by several processes: each works on a share of every batch, and they tell one another what it came to.

    torchrun --nproc-per-node=4 -m docnvil fit corpus/

Every process holds the whole network. Losses are sums over documents, so gradients are added up, and a batch that does
not divide evenly needs no weights. What is drawn for a document is keyed by the document, so the result is that of one
process, but for the order in which sums are taken.

Axes: R processes.
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

from docnvil.errors import ConfigurationError, WorkerError

# What torchrun sets, and what whoever starts processes by other means has to set.
LAUNCHED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class ProcessGroup:
    """The processes of one training, as one of them sees them; by default it is alone.

    Arguments:
        rank: this process's number, from 0. size: R.

    Example:
        >>> alone = ProcessGroup()
        >>> list(range(5))[alone.shard], alone.all_gather(torch.tensor([7.0])).tolist()
        ([0, 1, 2, 3, 4], [[7.0]])
        >>> list(range(5))[ProcessGroup(rank=1, size=2).shard]
        [1, 3]
    """

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and speaks."""
        return self.rank == 0

    @property
    def shard(self) -> slice:
        """Which of any rows are this process's: all shares are equal, but for one row."""
        return slice(self.rank, None, self.size)

    def all_gather(self, tensor: Tensor) -> Tensor:
        """Return every process's tensor, `[...] -> [R, ...]`."""
        if self.size == 1:
            return tensor[None]
        parts = [torch.empty_like(tensor) for _ in range(self.size)]
        with _all_present():
            dist.all_gather(parts, tensor.contiguous())
        return torch.stack(parts)

    def all_reduce(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its sum over processes, in place and in one message."""
        tensors = list(tensors)
        if self.size == 1:
            return
        message = torch.cat([tensor.reshape(-1) for tensor in tensors])
        with _all_present():
            dist.all_reduce(message)
        for tensor, total in zip(tensors, message.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(total.view_as(tensor))

    def broadcast(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by the first process's, in place."""
        if self.size == 1:
            return
        with _all_present():
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    def require_agreement(self, *parts: object) -> None:
        """Refuse to go on with processes that were not given the same.

        Arguments:
            parts: whatever they must have in common, told apart by its representation.

        Raises:
            ConfigurationError: two of them differ.
        """
        digest = hashlib.sha256(repr(parts).encode()).digest()
        if self.all_gather(torch.tensor(list(digest))).unique(dim=0).shape[0] > 1:
            raise ConfigurationError(
                "The processes of this training were given different documents, settings, seeds or unfinished"
                " trainings. Start all of them with the same corpus, the same options and a seed, and an --out that all"
                " of them can read."
            )


SINGLE_PROCESS = ProcessGroup()


def is_launched() -> bool:
    """Tell whether this process was started as one of several, by torchrun or in its way."""
    return all(name in os.environ for name in LAUNCHED)


def is_restart() -> bool:
    """Tell whether torchrun started these processes again because one of them had died."""
    return _restarts() > 0


def local_device(name: str) -> str:
    """Return the device of this process: of several GPUs in a machine, each process takes one.

    Arguments:
        name: "auto", "cpu" or "cuda", asked for by all of them.
    """
    if name not in ("auto", "cuda") or not is_launched() or not torch.cuda.is_available():
        return name
    number = int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count()
    torch.cuda.set_device(number)  # nccl talks over the current device
    return f"cuda:{number}"


@contextmanager
def process_group() -> Iterator[ProcessGroup]:
    """Join the processes started together with this one, and part from them at the end; or stay alone.

    When one fails the others cannot go on, and fail too. The first to fail raises what stopped it; the others exit
    silently with status 1.

    Raises:
        WorkerError: they did not find one another, or one of them ended before the others.
    """
    if not is_launched():
        yield SINGLE_PROCESS
        return
    where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    try:
        store, rank, size = next(dist.rendezvous("env://"))
        # torchrun's store outlives its workers: those started again shall not look for the dead ones' addresses.
        store = dist.PrefixStore(f"docnvil/{_restarts()}", store)
        backend = "cpu:gloo,cuda:nccl" if dist.is_nccl_available() else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=size)
    except (RuntimeError, ValueError) as error:
        raise WorkerError(
            f"The processes of this training did not find one another at {where} ({_first_line(error)})."
            " Check that every machine reaches that address, and start them again."
        ) from error
    try:
        yield ProcessGroup(rank, size)
    except BaseException:
        if not _first_to_fail(store):
            raise SystemExit(1) from None
        raise
    finally:
        dist.destroy_process_group()


def exit_now() -> None:
    """End this process with status 0, all its work being done and its files written; a process alone goes on.

    gloo's threads may still be letting go of tensors. Should one of them want Python while the interpreter is being
    taken down, the whole process is aborted (seen once in some twenty trainings), and torchrun would call a finished
    training failed. So the interpreter is not taken down.
    """
    if is_launched():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _restarts() -> int:
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def _first_to_fail(store: dist.Store) -> bool:
    try:
        return store.add("failures", 1) == 1
    except RuntimeError:  # it went away with the process that held it, and nobody knows
        return True


@contextmanager
def _all_present() -> Iterator[None]:
    """Say in a sentence that another process has left, which the backends tell by an error of their own."""
    try:
        yield
    except RuntimeError as error:
        raise WorkerError(
            "Another process of this training ended before its time, so this one stopped too. The same command with"
            " --resume goes on from the last epoch that was kept."
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".")
