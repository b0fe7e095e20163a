"""`python -m app.core.settings_reference`: docs/settings.md, made from the declared settings."""

import json
import sys
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from app.core.config import ENV_PREFIX, Settings
from app.core.generated_document import written_or_checked
from app.core.sections import Section
from asgi_observability.utf8 import begin_in_utf8

_HEAD = f"""\
# Settings of the orchestrator

Made from `app/core/config.py` and `app/core/thresholds.py` by `make generate`. Each is an
environment variable that begins with `{ENV_PREFIX}`. A name that is misspelt is refused at the
start, with the one that was meant. Lists and objects are written as JSON. What differs between
environments is in `app/core/environments.toml`; a variable comes before it.

`{ENV_PREFIX}SECRETS_DIR` names a folder that may hold the files `database_password`,
`ai_api_key`, `ai_provider_proxy` and `log_hash_key`.
"""


def reference() -> str:
    """The document."""
    return "\n".join([_HEAD, *_table(Settings.model_fields, ""), *_sections()]) + "\n"


def _sections() -> Iterator[str]:
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Section):
            about = " ".join((section.__doc__ or "").split())
            yield f"\n## {name.replace('_', ' ').capitalize()}\n\n{about}\n"
            yield from _table(section.model_fields, f"{name.upper()}__")


def _table(fields: dict[str, FieldInfo], prefix: str) -> Iterator[str]:
    yield "| variable | default | |"
    yield "| --- | --- | --- |"
    for name, field in fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            continue
        default = _shown(field.get_default(call_default_factory=True))
        yield f"| `{prefix}{name.upper()}` | {default} | {field.description or ''} |"


def _shown(default: Any) -> str:
    """The default as its variable would say it."""
    if default is None:
        return ""
    if isinstance(default, bool | dict | list | tuple | BaseModel):
        return f"`{json.dumps(to_jsonable_python(default))}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


if __name__ == "__main__":
    begin_in_utf8()
    sys.exit(written_or_checked("settings.md", reference(), "app/core/config.py"))
