"""Metrics, logs and correlation IDs for ASGI services; nothing in it knows one of them.

import asgi_observability as obs

watched = obs.observe(app, service="billing")
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asgi_observability.adoption import observe
    from asgi_observability.log_options import LogOptions
    from asgi_observability.process import observe_process
    from asgi_observability.watched import Watched

__all__ = ["LogOptions", "Watched", "observe", "observe_process"]

# Imported when they are asked for: a script that reads logs needs no server's framework.
_PLACES = {
    "LogOptions": "asgi_observability.log_options",
    "Watched": "asgi_observability.watched",
    "observe": "asgi_observability.adoption",
    "observe_process": "asgi_observability.process",
}


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"asgi_observability has no {name}; it has {', '.join(__all__)}")
    return getattr(import_module(_PLACES[name]), name)
