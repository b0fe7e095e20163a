"""Incidents in raw counters, and who must be told what of them, how soon and how often.

A scenario says what happens to the business; a world turns that into what the orchestrator would
expose; promtool evaluates all rules over it, Alertmanager's configuration routes what fires.
"""
