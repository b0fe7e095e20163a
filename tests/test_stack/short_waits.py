"""Rules and routes with short waits: a copy of its own for a stack that runs.

That an alert waits as long as it should is shown by promtool, and by Alertmanager's own tests. Here
it is only in the way.
"""

import re
import signal
from pathlib import Path

import httpx

from tests.test_stack.native_stack import Stack
from tests.waiting import until

_RULE_WAITS = re.compile(r"^(\s+(?:for|keep_firing_for|interval): )\S+$", re.MULTILINE)
_ROUTE_WAITS = re.compile(r"^(\s+(?:group_wait|group_interval): )\S+$", re.MULTILINE)
_WINDOW = "[1m]", "[15s]"
"""The shortest of the rules: until it has gone by, an alert does not end."""


async def give(stack: Stack) -> None:
    """Let Prometheus and Alertmanager of ``stack`` go on with short waits."""
    if _prometheus_follows(stack) and _alertmanager_follows(stack):
        return
    run = stack.state / "run"
    _shorten_rules(run / "prometheus" / "rules")
    _shorten_routes(run / "alertmanager" / "alertmanager.yml")
    for process in stack.processes():
        if process.name().removeprefix("prometheus-") in ("prometheus", "alertmanager"):
            process.send_signal(signal.SIGHUP)
    await until(lambda: _prometheus_follows(stack) and _alertmanager_follows(stack))


def _shorten_rules(folder: Path) -> None:
    texts = {file.name: file.read_text() for file in folder.glob("*.yml")}
    if folder.is_symlink():
        # Those of the checkout stay as they are.
        folder.unlink()
        folder.mkdir()
    for name, text in texts.items():
        (folder / name).write_text(shortened_rules(text))


def shortened_rules(rules: str) -> str:
    """The text of a file of rules, with short waits in it."""
    return _RULE_WAITS.sub(r"\g<1>2s", rules).replace(*_WINDOW)


def _shorten_routes(config: Path) -> None:
    config.write_text(_shortened(config.read_text()))


def _shortened(routes: str) -> str:
    return _ROUTE_WAITS.sub(r"\g<1>1s", routes)


def _prometheus_follows(stack: Stack) -> bool:
    groups = httpx.get(f"{stack.addresses.prometheus}/api/v1/rules").json()["data"]["groups"]
    return bool(groups) and all(
        group["interval"] <= 2 and rule.get("duration", 0) <= 2
        for group in groups
        for rule in group["rules"]
    )


def _alertmanager_follows(stack: Stack) -> bool:
    status = httpx.get(f"{stack.addresses.alertmanager}/api/v2/status").json()
    config = status["config"]["original"]
    return _shortened(config) == config
