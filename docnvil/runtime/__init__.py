"""The machine and the process: devices, precision, random numbers, processes, profiling, atomic files."""
