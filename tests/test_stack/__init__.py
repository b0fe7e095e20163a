"""Tests of the stack: natively, with compose, and fault by fault."""
