"""Lets processes that tests start wait when they open a file beside which a file NAME.wait exists.

Python imports this module at its start if its folder is in PYTHONPATH, also in worker processes.
"""

import builtins
import io
import os
import time

_open = io.open


def _open_when_allowed(file, *args, **kwargs):
    if isinstance(file, str | os.PathLike):
        while os.path.exists(f"{os.fspath(file)}.wait"):
            time.sleep(0.01)
    return _open(file, *args, **kwargs)


builtins.open = io.open = _open_when_allowed
