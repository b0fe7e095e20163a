"""What a dashboard asks of Prometheus, read from its JSON."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# As Grafana fills them in on an hour's view of data scraped every 15 s, of every job and instance.
_VALUES = {
    "__rate_interval": "1m",
    "__interval": "15s",
    "__range": "1h",
    "job": ".+",
    "instance": ".+",
}
# $1 is a group of a regular expression.
_VARIABLE = re.compile(r"\$(?:\{([a-zA-Z_]\w*)(?::\w+)?\}|([a-zA-Z_]\w*))")


def expressions(path: Path) -> list[tuple[str, str]]:
    """The title of the panel and the PromQL, variables filled in, of each query in a dashboard.

    Raises ValueError naming the panel when a query uses a variable that is not known here.
    """
    document = json.loads(path.read_text())
    return [
        (
            panel["title"],
            filled_in(target["expr"], _VALUES, f"{path.name}: panel {panel['title']!r}"),
        )
        for panel in panels(document)
        for target in panel.get("targets", [])
    ]


def panels(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The panels of a dashboard, those in collapsed rows included, without the rows."""
    for panel in document["panels"]:
        yield from panels(panel) if "panels" in panel else ()
        if panel["type"] != "row":
            yield panel


def filled_in(text: str, values: Mapping[str, str], where: str) -> str:
    """``text`` with the ``values`` of Grafana's variables in their places.

    Raises ValueError that begins with ``where`` when it uses one that has no value.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in values:
            raise ValueError(f"{where}: no variable ${name}; there are ${', $'.join(values)}")
        return values[name]

    return _VARIABLE.sub(value, text)
