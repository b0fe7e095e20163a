"""Where the monitoring's files are in a checkout."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
RULES = ROOT / "prometheus" / "rules"
RULE_TESTS = ROOT / "prometheus" / "tests"
GENERATED_RULE_TESTS = RULE_TESTS / "generated"
PROMETHEUS_CONFIG = ROOT / "prometheus" / "prometheus.yml"
ALERTMANAGER_CONFIG = ROOT / "alerts" / "alertmanager.yml"
MESSAGE_TEMPLATES = ROOT / "alerts" / "templates"
RUNBOOKS = ROOT / "alerts" / "runbooks"
SIGNALS = ROOT / "alerts" / "signals"
NOTIFYING = ROOT / "docs" / "notifying.md"
SCENARIOS = ROOT / "docs" / "scenarios.md"
MUTANTS = ROOT / ".mutants"
"""What `python -m alerts mutate` has found out, so that it need not again."""
DASHBOARDS = ROOT / "grafana" / "dashboards"


def in_checkout(text: str) -> str:
    """``text`` with the paths in it relative to the checkout."""
    return text.replace(f"{ROOT}/", "")
