"""Whether a dashboard is what Grafana reads, by Grafana's own models.

The models are those of grafana-foundation-sdk. A document is read into them and written again: what
is dropped or changed on the way is nothing that Grafana knows.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

_OF_DATA_SOURCE = re.compile(r"annotations\.list\.\d+\.titleFormat")
"""The models leave an annotation's further fields to its data source; Prometheus's has this one."""

_registered = False


def problems(document: dict[str, Any]) -> list[str]:
    """What Grafana does not know in ``document``, each by its path; empty when all is well."""
    _register_panels()
    try:
        read = Dashboard.from_json(document)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return [f"Grafana can't read it: {error!r}; compare with a dashboard that it exported"]
    written = json.loads(json.dumps(read, cls=JSONEncoder))
    return [
        problem
        for path, problem in _differences(document, written, "")
        if not _OF_DATA_SOURCE.fullmatch(path)
    ]


def _register_panels() -> None:
    """Make the models of panel options and queries known, once."""
    global _registered
    if not _registered:
        plugins.register_default_plugins()
        _registered = True


def _differences(given: Any, known: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(given, dict) and isinstance(known, dict):
        for key, value in given.items():
            inner = f"{path}.{key}" if path else key
            if key in known:
                yield from _differences(value, known[key], inner)
            else:
                yield inner, f"{inner}: Grafana knows no such field; leave it out"
    elif isinstance(given, list) and isinstance(known, list) and len(given) == len(known):
        for index, (one, other) in enumerate(zip(given, known, strict=True)):
            yield from _differences(one, other, f"{path}.{index}")
    elif given != known:
        yield path, f"{path}: is {given!r}, and Grafana reads {known!r}; write what it reads"
