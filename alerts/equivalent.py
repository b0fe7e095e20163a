"""Mutants that change nothing which can be, each with the reason."""

from prometheus_tools.mutation import Mutant

_REASONS: dict[str, str] = {}
"""None yet. By a mutant in words, or by how those begin: why no test can notice it."""


def reason(mutant: Mutant) -> str:
    """Why nothing can notice the mutant; empty where something has to."""
    said = str(mutant)
    return next((why for begins, why in _REASONS.items() if said.startswith(begins)), "")
