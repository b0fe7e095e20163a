"""Each fault of the simulator on a real stack at real speed: `make test-faults`.

A run of a fault: history that looks healthy, a quiet time, the fault, and the time until all is
quiet again. What fired, what was notified and what was resolved is compared with expected.py.
"""
