"""A past that never was: the orchestrator's metrics of weeks gone by, with known incidents."""
