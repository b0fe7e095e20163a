"""Who gets what: Alertmanager's routes, and the configurations they share names with."""

import pytest
import yaml

from alerts import paths, promtool
from alerts.model import alert_names
from alerts.signals import groups
from alerts.signals.scraping import ORCHESTRATOR_JOB, PLATFORM_JOBS
from app.core.thresholds import Thresholds

CONFIG = yaml.safe_load(paths.ALERTMANAGER_CONFIG.read_text())
ALERTS = alert_names(groups(Thresholds()))


def test_alertmanager_accepts_its_configuration() -> None:
    promtool.check_alertmanager(paths.ALERTMANAGER_CONFIG)


@pytest.mark.parametrize("severity", ["page", "ticket"])
@pytest.mark.parametrize("team", ["orchestrator", "platform"])
def test_what_asks_something_of_people_reaches_the_webhook(severity: str, team: str) -> None:
    labels = {"alertname": "Anything", "severity": severity, "team": team}
    assert promtool.receivers(paths.ALERTMANAGER_CONFIG, **labels) == ["webhook"]


def test_the_watchdog_reaches_nobody() -> None:
    labels = {"alertname": "Watchdog", "severity": "info", "team": "platform"}
    assert promtool.receivers(paths.ALERTMANAGER_CONFIG, **labels) == ["null"]


def test_resolved_alerts_are_sent() -> None:
    (webhook,) = (r for r in CONFIG["receivers"] if r["name"] == "webhook")
    assert all(target["send_resolved"] for target in webhook["webhook_configs"])


def test_matchers_name_only_alerts_that_exist() -> None:
    named = {
        matcher.split('"')[1]
        for rule in [*CONFIG["inhibit_rules"], *CONFIG["route"]["routes"]]
        for key in ("matchers", "source_matchers", "target_matchers")
        for matcher in rule.get(key, [])
        if matcher.startswith("alertname")
    }
    assert named <= ALERTS


def test_prometheus_scrapes_the_jobs_that_are_watched() -> None:
    config = yaml.safe_load(paths.PROMETHEUS_CONFIG.read_text())
    jobs = [job["job_name"] for job in config["scrape_configs"]]
    assert sorted(jobs) == sorted([ORCHESTRATOR_JOB, *PLATFORM_JOBS])
