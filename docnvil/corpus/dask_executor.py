"""An executor that runs tasks on a Dask cluster whose machines share a disk.

Dask repeats the task of a worker that dies on another worker. Needs `pip install 'docnvil[cluster]'`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from docnvil.corpus.executor import Task
from docnvil.errors import ConfigurationError, MissingDependencyError, WorkerError

SCHEME = "dask://"
CONNECT_SECONDS = 10
WORKER_SECONDS = 20.0


class DaskExecutor:
    """Runs tasks on the workers of a `distributed.Client`; `connect_to_dask` makes one."""

    def __init__(self, client: Any, address: str) -> None:
        self._client, self._address = client, address

    def run_all(self, function: Callable[..., None], tasks: Sequence[Task]) -> Iterator[int]:
        """See `Executor.run_all`."""
        from distributed import CancelledError, KilledWorker, as_completed
        from distributed.comm import CommClosedError

        try:
            # The results are folders on disk, so Dask must not skip a call because it has run before ("pure").
            futures = [self._client.submit(function, *task, pure=False) for task in tasks]
            for n_done, future in enumerate(as_completed(futures), start=1):
                future.result()
                yield n_done
        except KilledWorker as error:
            raise WorkerError(
                f"Workers of {self._address} died repeatedly on the same task; they may have run out of memory."
                " Finished tasks are kept: run the same command again on workers with more memory."
            ) from error
        except (CancelledError, CommClosedError) as error:
            raise WorkerError(
                f"The connection to the Dask scheduler at {self._address} was lost. Finished tasks are kept: run the"
                " same command again."
            ) from error


@contextmanager
def connect_to_dask(address: str) -> Iterator[DaskExecutor]:
    """Connect to the Dask scheduler at dask://HOST:PORT and yield an executor that runs tasks on its workers.

    Raises:
        ConfigurationError: the address has another form.
        MissingDependencyError: Dask is not installed.
        WorkerError: the scheduler does not answer, or has no workers.
    """
    host, _, port = address.removeprefix(SCHEME).rpartition(":")
    if not (address.startswith(SCHEME) and host and port.isdecimal()):
        raise ConfigurationError(
            f"{address!r} is not the address of a Dask scheduler. Give dask://HOST:PORT; the usual port is 8786."
        )
    try:
        from distributed import Client
    except ImportError as error:
        message = "--executor dask://... needs Dask. Install it with pip install 'docnvil[cluster]'."
        raise MissingDependencyError(message) from error
    try:
        client = Client(f"tcp://{address.removeprefix(SCHEME)}", timeout=CONNECT_SECONDS, name="docnvil")
    except OSError as error:  # TimeoutError is an OSError
        raise WorkerError(
            f"No Dask scheduler answers at {address}. Check that it runs and that this machine can reach it."
        ) from error
    with client:
        try:  # workers may be starting, or starting again
            client.wait_for_workers(1, timeout=WORKER_SECONDS)
        except TimeoutError as error:
            message = f"The Dask scheduler at {address} has no workers. Start some with dask worker."
            raise WorkerError(message) from error
        yield DaskExecutor(client, address)
