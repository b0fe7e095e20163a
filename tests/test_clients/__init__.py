"""Tests of the calls to the upstreams."""
