"""Asking a component whether it works."""

from dataclasses import dataclass

import httpx

from stack import plain_http


@dataclass(frozen=True, slots=True)
class Probe:
    """The address of a component and the path that answers 2xx when it works."""

    url: str
    path: str


def probe(target: Probe) -> str | None:
    """What is wrong with a component; None when nothing is."""
    try:
        response = plain_http.client().get(target.url + target.path, timeout=2)
    except httpx.HTTPError as error:
        return str(error) or type(error).__name__
    return None if response.is_success else f"answers {response.status_code}"
