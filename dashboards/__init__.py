"""Grafana dashboards, generated from the signals and the recording rules."""
