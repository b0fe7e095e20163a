"""The Grafana dashboards, generated from signals and recording rules.

May import alerts, app and prometheus_tools; not the simulator or the stack.
"""
