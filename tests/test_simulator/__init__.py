"""Tests of the simulator: upstreams, faults, traffic, history."""
