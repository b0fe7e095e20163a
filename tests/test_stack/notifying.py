"""Whom a running Alertmanager notifies."""

import httpx


def notifies_slack(alertmanager_url: str) -> bool:
    """Whether the configuration that it runs with has Slack in it."""
    status = httpx.get(f"{alertmanager_url}/api/v2/status").raise_for_status().json()
    return "slack_configs" in status["config"]["original"]
