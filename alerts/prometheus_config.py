"""What the rules need to know of the committed prometheus.yml."""

from typing import Any

import yaml

from alerts import paths
from alerts.promql import seconds


def scrape_seconds() -> int:
    """How often targets are scraped."""
    return seconds(_global()["scrape_interval"])


def evaluation_seconds() -> int:
    """How often rules are evaluated, those of groups without an interval of their own."""
    return seconds(_global()["evaluation_interval"])


def _global() -> dict[str, Any]:
    settings: dict[str, Any] = yaml.safe_load(paths.PROMETHEUS_CONFIG.read_text(encoding="utf-8"))[
        "global"
    ]
    return settings
