"""Tools for any Prometheus: finding and running it, checking rules, replay, backfill, mutation.

Knows no metric, rule or threshold of this project. Imports nothing of it; everybody but app and
simulator may import it.
"""
