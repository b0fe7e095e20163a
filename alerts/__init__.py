"""Signals, objectives, alert rules, notifications and runbooks.

May import app (for the catalogue, the events and the settings) and prometheus_tools; not the
simulator, the dashboards or the stack.
"""
