"""The files for Kubernetes: the orchestrator, and what watches it by the Prometheus Operator.

`python -m deploy generate` writes them; nothing here runs in a cluster. May import alerts, app and
prometheus_tools; not the simulator, the dashboards or the stack.
"""
