"""Asking a component whether it works."""

from dataclasses import dataclass

import httpx


@dataclass(frozen=True, slots=True)
class Probe:
    """The address of a component and the path that answers 2xx when it works."""

    url: str
    path: str


def probe(target: Probe) -> str | None:
    """What is wrong with a component; None when nothing is."""
    try:
        # Components are on this machine: no proxy from the environment leads to them.
        response = httpx.get(target.url + target.path, timeout=2, trust_env=False)
    except httpx.HTTPError as error:
        return str(error) or type(error).__name__
    return None if response.is_success else f"answers {response.status_code}"
