"""The stack's Alertmanager: its configuration, for those secrets that are there."""

from pathlib import Path

import httpx

from alerts.notifications import configuration
from alerts.notifications.channels import NOBODY_LISTENS, SECRET_FILES, Channel, Secrets, warnings
from alerts.notifications.settings import NotificationSettings
from stack import plain_http
from stack.backend import StackError

CONFIG = "alertmanager.yml"
SECRETS = "secrets"
"""The folder of the secrets, in Alertmanager's working directory."""


def write(folder: Path, secrets: Path, receiver_url: str) -> None:
    """Make ``folder`` Alertmanager's working directory, with what is found in ``secrets``.

    Without a webhook of the user's own, the simulator's receiver at ``receiver_url`` is notified.
    Alertmanager may be running there. Raises StackError.
    """
    webhook = SECRET_FILES[Channel.WEBHOOK]
    try:
        found = Secrets.found_in(secrets)
        settings = NotificationSettings.load().model_copy(update={"secrets_path": SECRETS})
        every = Secrets(found.files | {webhook})
        configuration.write(folder / CONFIG, every, settings)
        contents = {webhook: receiver_url}
        contents |= {name: (secrets / name).read_text(encoding="utf-8") for name in found.files}
    except (OSError, ValueError) as error:
        raise StackError(str(error)) from None
    own = folder / SECRETS
    own.mkdir(exist_ok=True)
    for leftover in {each.name for each in own.iterdir()} - set(contents):
        (own / leftover).unlink()
    for name, content in contents.items():
        (own / name).touch(mode=0o600)
        (own / name).write_text(content, encoding="utf-8")


def reload(url: str) -> None:
    """Let the Alertmanager at ``url`` read its configuration anew. Raises StackError."""
    try:
        answer = plain_http.client().post(f"{url}/-/reload", timeout=10)
    except httpx.HTTPError as error:
        raise StackError(f"Alertmanager does not answer at {url}: {error}") from None
    if answer.is_error:
        raise StackError(f"Alertmanager refuses its configuration: {answer.text.strip()}")


def note(secrets: Path) -> str:
    """Who is notified, for people."""
    found = Secrets.found_in(secrets) if secrets.is_dir() else Secrets.of()
    own = [str(channel) for channel in Channel if found.is_on(channel)]
    if Channel.WEBHOOK not in own:
        own = ["the simulator's receiver", *own]
    told = f"Notified: {', '.join(own)}; docs/notifying.md says how to notify others"
    every = Secrets(found.files | {SECRET_FILES[Channel.WEBHOOK]})
    more = warnings(secrets, every) if secrets.is_dir() else [NOBODY_LISTENS]
    return "\n".join((told, *more))
