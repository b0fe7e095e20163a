"""Alertmanager's configuration: who is notified of what, by which channel, when and how often."""
