"""Lets processes that tests start wait when they open a file beside which a file NAME.wait exists.

Python imports this module at its start if its folder is in PYTHONPATH, also in worker processes.
"""

import builtins
import io
import os
import time

_open, _open_descriptor = io.open, os.open


def _wait(file):
    if isinstance(file, str | os.PathLike):
        while os.path.exists(f"{os.fspath(file)}.wait"):
            time.sleep(0.01)


def _open_when_allowed(file, *args, **kwargs):
    _wait(file)
    return _open(file, *args, **kwargs)


def _open_descriptor_when_allowed(path, *args, **kwargs):
    _wait(path)
    return _open_descriptor(path, *args, **kwargs)


builtins.open = io.open = _open_when_allowed
os.open = _open_descriptor_when_allowed
