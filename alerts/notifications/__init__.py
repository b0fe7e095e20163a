"""Alertmanager's configuration: who is notified of what, by which way, how soon and how often."""
