"""Tests of the dashboards, their checks, pictures and differences."""
