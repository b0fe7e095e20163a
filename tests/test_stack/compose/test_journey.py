"""From one SMS to one notification and its resolution, in containers."""

from stack import metrics_tokens
from tests.test_stack.compose.conftest import SCRAPE_SECONDS, Stack
from tests.test_stack.journey import Addresses, walk


def test_from_one_sms_to_one_notification_and_its_resolution(stack: Stack) -> None:
    addresses = Addresses(
        app=stack.url("APP_PORT"),
        receiver=stack.url("RECEIVER_PORT"),
        prometheus=stack.url("PROMETHEUS_PORT"),
        alertmanager=stack.url("ALERTMANAGER_PORT"),
        token=metrics_tokens.of(stack.checkout / ".state/secrets", "people").read_text(),
    )
    walk(addresses, scrape_seconds=SCRAPE_SECONDS)
