"""A synthetic past: what is read of the orchestrator over weeks, with known incidents."""
