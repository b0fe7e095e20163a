"""The secrets that have to exist: no file of the repository holds them."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from alerts.export.alertmanager_config import SECRET as NOTIFICATIONS_SECRET
from alerts.notifications.channels import Secrets
from alerts.notifications.configuration import COMMITTED
from asgi_observability.nearest import nearest


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a secret, and what is in it."""

    name: str
    holds: str
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class RequiredSecret:
    """A secret that whoever runs this makes; ``by`` says who reads it."""

    name: str
    by: str
    keys: tuple[Key, ...]

    def problems(self, present: Collection[str]) -> Iterator[str]:
        """The keys that have to be there and are not, a line each with what they hold."""
        own = {key.name for key in self.keys}
        for key in self.keys:
            if key.is_optional or key.name in present:
                continue
            close = nearest(key.name, set(present) - own)
            instead = f", but {close}" if close else ""
            yield f"Secret {self.name}: no key {key.name}{instead}; add it: {key.holds}"


DATABASE_URL, METRICS_TOKENS, OPERATOR_TOKENS = "database_url", "metrics_tokens", "operator_tokens"
PROXY = "ai_provider_proxy"
TOKEN = "token"

SERVICE = RequiredSecret(
    "sms-orchestrator",
    "the orchestrator",
    (
        Key(DATABASE_URL, "postgresql://USER:PASSWORD@HOST/DATABASE"),
        Key(
            "log_hash_key", "any long random text: personal identifiers are hashed with it in logs"
        ),
        Key(
            METRICS_TOKENS,
            "`name:token` lines: who may read metrics, hand in SMS and act; one of them is "
            "Prometheus",
        ),
        Key(OPERATOR_TOKENS, "`name:token` lines: who may change log levels"),
        Key("ai_api_key", "the key of the AI provider", is_optional=True),
        Key(
            PROXY,
            "http://HOST:PORT of the proxy to the AI provider",
            is_optional=True,
        ),
    ),
)
SCRAPE = RequiredSecret(
    "sms-orchestrator-scrape",
    "Prometheus",
    (Key(TOKEN, f"the token of Prometheus's line in {METRICS_TOKENS}"),),
)


def notifications(secrets: Secrets = COMMITTED) -> RequiredSecret:
    """The secret of the channels that ``secrets`` switches on."""
    return RequiredSecret(
        NOTIFICATIONS_SECRET,
        "Alertmanager",
        tuple(Key(name, "see docs/notifying.md") for name in sorted(secrets.files)),
    )


ALL = (SERVICE, SCRAPE, notifications())


def problems(present: Mapping[str, Collection[str]]) -> Iterator[str]:
    """What is missing from the secrets that are there, each with its keys."""
    for secret in ALL:
        if secret.name in present:
            yield from secret.problems(present[secret.name])
            continue
        close = nearest(secret.name, set(present) - {each.name for each in ALL})
        instead = f", but {close}" if close else ""
        keys = ", ".join(key.name for key in secret.keys if not key.is_optional)
        yield f"no secret {secret.name}{instead}; make it for {secret.by}, with {keys}"
