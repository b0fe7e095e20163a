"""Environment variables: which of them are settings, and which a platform put there by itself.

Kubernetes gives each container variables for every service in its namespace. For a service called
``orchestrator`` they begin as the settings do, and ``ORCHESTRATOR_PORT=tcp://10.0.0.1:8000`` even
has a setting's name. They set nothing here.
"""

import os
import re
from collections.abc import Collection, Iterator, Mapping

from pydantic_settings import EnvSettingsSource

from app.core.nearest import nearest

_ADDRESS = re.compile(r"(tcp|udp|sctp)://\S+", re.IGNORECASE)
_NUMBER = re.compile(r"\d+")
_HOST = re.compile(r"[\da-fA-F.:]+")
_OF_SERVICES = (
    (re.compile(r"\w+_SERVICE_HOST"), _HOST),
    (re.compile(r"\w+_SERVICE_PORT(_\w+)?"), _NUMBER),
    (re.compile(r"\w+_PORT(_\d+_(TCP|UDP|SCTP))?"), _ADDRESS),
    (re.compile(r"\w+_PORT_\d+_(TCP|UDP|SCTP)_PROTO"), re.compile(r"tcp|udp|sctp")),
    (re.compile(r"\w+_PORT_\d+_(TCP|UDP|SCTP)_PORT"), _NUMBER),
    (re.compile(r"\w+_PORT_\d+_(TCP|UDP|SCTP)_ADDR"), _HOST),
)
"""Names and values of what Kubernetes sets for a service."""


def without_service_addresses(variables: Mapping[str, str]) -> dict[str, str]:
    """``variables`` without those that a service's address overwrote: no port is ``tcp://…``."""
    return {
        name: value
        for name, value in variables.items()
        if not (name.upper().endswith("_PORT") and _ADDRESS.fullmatch(value))
    }


def unknown_variables(prefix: str, known: Collection[str]) -> Iterator[str]:
    """One line for each variable that starts with ``prefix`` and sets nothing, with the fix.

    ``known`` are the names of the settings, in capitals, with their prefix.
    """
    settings = [name.removeprefix(prefix) for name in known]
    for name, value in sorted(os.environ.items()):
        setting = name.upper().removeprefix(prefix)
        is_ours = name.upper().startswith(prefix) and not _is_of_a_service(name, value)
        if is_ours and setting not in settings:
            close = nearest(setting, settings)
            hint = f"did you mean {prefix}{close}?" if close else "remove it"
            yield f"{name}: no such setting; {hint}"


class OwnVariables(EnvSettingsSource):
    """The variables that set something."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        found = super()._load_env_vars()
        kept = without_service_addresses({name: value or "" for name, value in found.items()})
        return {name: found[name] for name in kept}


def _is_of_a_service(name: str, value: str) -> bool:
    return any(
        names.fullmatch(name.upper()) and values.fullmatch(value) for names, values in _OF_SERVICES
    )
