"""Grafana's provisioning fits the rest of the stack."""

import yaml

from alerts.paths import PROMETHEUS_CONFIG, ROOT

PROVISIONING = ROOT / "grafana" / "provisioning"


def test_the_data_source_is_prometheus_wherever_it_runs() -> None:
    (source,) = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yml").read_text())[
        "datasources"
    ]
    assert (source["uid"], source["type"]) == ("prometheus", "prometheus")
    assert source["url"] == "${PROMETHEUS_URL}"


def test_rates_are_taken_over_the_interval_that_is_scraped() -> None:
    (source,) = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yml").read_text())[
        "datasources"
    ]
    scraping = yaml.safe_load(PROMETHEUS_CONFIG.read_text())["global"]
    assert source["jsonData"]["timeInterval"] == scraping["scrape_interval"]


def test_dashboards_come_from_the_folder_they_are_generated_into() -> None:
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards" / "dashboards.yml").read_text())[
        "providers"
    ]
    assert provider["options"]["path"] == "${DASHBOARDS_DIR}"
    assert provider["allowUiUpdates"] is False
