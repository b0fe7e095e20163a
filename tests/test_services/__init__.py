"""Tests of the workflow, the metrics service and its exactness."""
