"""Attacks on docnvil: faults, kills, damaged files, concurrent commands, other orders and machines.

`python -m torture` (with `tests` in PYTHONPATH) runs all attacks, and continues an interrupted run. Every finished try
is a line of a file, see `ledger.py`; `registry.py` lists the attacks and says how to add one.
"""
