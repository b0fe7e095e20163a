"""Tests of the tools for Prometheus, on real binaries."""
