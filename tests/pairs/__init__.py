"""Two Prometheus and a cluster of Alertmanagers, while parts of them are lost under an incident.

`python -m tests.pairs` makes each fault, and writes the table in docs/pairs.md from what the
receiver was told.
"""
