"""What the rules need to know of the committed prometheus.yml."""

from typing import Any

from alerts import paths
from alerts.promql import seconds
from prometheus_tools.yaml_reading import read_yaml


def scrape_seconds() -> int:
    """How often targets are scraped."""
    return seconds(_global()["scrape_interval"])


def evaluation_seconds() -> int:
    """How often rules are evaluated, those of groups without an interval of their own."""
    return seconds(_global()["evaluation_interval"])


def _global() -> dict[str, Any]:
    config = read_yaml(paths.PROMETHEUS_CONFIG.read_text(encoding="utf-8"))
    settings: dict[str, Any] = config["global"]
    return settings
