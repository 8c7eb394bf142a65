"""Doing the same work on many things on a Dask cluster, whose machines share a disk.

Dask finds another worker for what a dying one leaves. Installed by `pip install 'docnvil[cluster]'`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from docnvil.corpus.process_pool import Run
from docnvil.errors import ConfigurationError, MissingDependencyError, WorkerError

SCHEME = "dask://"
SECONDS_TO_ANSWER = 10


def check_address(address: str) -> None:
    """Refuse what is not the address of a scheduler.

    Raises:
        ConfigurationError: it does not look like dask://HOST:PORT.

    >>> check_address("dask://10.0.0.7:8786")
    >>> check_address("spark://10.0.0.7")
    Traceback (most recent call last):
    docnvil.errors.ConfigurationError: 'spark://10.0.0.7' is no executor. Give dask://HOST:PORT, the address of a...
    """
    host, _, port = address.removeprefix(SCHEME).rpartition(":")
    if not (address.startswith(SCHEME) and host and port.isdecimal()):
        raise ConfigurationError(
            f"{address!r} is no executor. Give dask://HOST:PORT, the address of a Dask scheduler; port 8786 is its"
            " usual one."
        )


@contextmanager
def cluster(address: str) -> Iterator[Run]:
    """Connect to a Dask scheduler, and give what runs tasks on its workers.

    Arguments:
        address: dask://HOST:PORT.

    Raises:
        MissingDependencyError: Dask is not installed.
        WorkerError: no scheduler answers, or it has no workers.
    """
    check_address(address)
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingDependencyError(
            "An executor dask://... needs Dask. Install it with pip install 'docnvil[cluster]'."
        ) from error
    try:
        client = Client(f"tcp://{address.removeprefix(SCHEME)}", timeout=SECONDS_TO_ANSWER, name="docnvil")
    except OSError as error:  # of which TimeoutError is one
        raise WorkerError(
            f"No Dask scheduler answers at {address}. Look whether it runs, and whether this machine reaches it."
        ) from error
    with client:
        if not client.nthreads():
            raise WorkerError(f"The Dask scheduler at {address} has no workers. Start some with dask worker.")
        yield partial(_run_on, client, address)


def _run_on(
    client: Any,
    address: str,
    work: Callable[..., None],
    tasks: Sequence[tuple[Any, ...]],
    *,
    on_done: Callable[[int], None] = lambda done: None,
) -> None:
    from distributed import CancelledError, KilledWorker, as_completed
    from distributed.comm import CommClosedError

    try:
        # Impure: a result is a folder on the disk, of which Dask knows nothing.
        futures = [client.submit(work, *task, pure=False) for task in tasks]
        for done, future in enumerate(as_completed(futures), start=1):
            future.result()
            on_done(done)
    except KilledWorker as error:
        raise WorkerError(
            f"Workers of {address} died again and again over the same part; memory may have run out. What is finished"
            " is kept: give the same command once more, on workers with more memory."
        ) from error
    except (CancelledError, CommClosedError) as error:
        raise WorkerError(
            f"The Dask scheduler at {address} went away. What is finished is kept: give the same command once more."
        ) from error
