"""Environment variables: which of them are settings, and which a platform put there by itself.

OwnSettings is what all settings of this project are made of: it takes those and refuses the rest.

Kubernetes gives each container variables for every service in its namespace. For a service called
``orchestrator`` they begin as the settings do, and ``ORCHESTRATOR_PORT=tcp://10.0.0.1:8000`` even
has a setting's name. They set nothing here.
"""

import os
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, ClassVar, Self

from pydantic import AnyUrl, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from asgi_observability.nearest import nearest
from asgi_observability.secrets_in_text import SECRET, is_secrets_name, shown_url


class SettingsError(ValueError):
    """The settings can't be used; the message names each setting and its fix."""

    is_loggable = True


_ADDRESS = re.compile(r"(tcp|udp|sctp)://\S+", re.IGNORECASE)
_NUMBER = re.compile(r"\d+")
_HOST = re.compile(r"[\da-fA-F.:]+")
_OF_SERVICES = (
    (re.compile(r"\w+_SERVICE_HOST"), _HOST),
    (re.compile(r"\w+_SERVICE_PORT(_\w+)?"), _NUMBER),
    (re.compile(r"\w+_PORT(_\d+_(TCP|UDP|SCTP))?"), _ADDRESS),
    (re.compile(r"\w+_PORT_\d+_(TCP|UDP|SCTP)_PROTO"), re.compile(r"tcp|udp|sctp")),
    (re.compile(r"\w+_PORT_\d+_(TCP|UDP|SCTP)_PORT"), _NUMBER),
    (re.compile(r"\w+_PORT_\d+_(TCP|UDP|SCTP)_ADDR"), _HOST),
)
"""Names and values of what Kubernetes sets for a service."""


def without_service_addresses(variables: Mapping[str, str]) -> dict[str, str]:
    """``variables`` without those that a service's address overwrote: no port is ``tcp://…``."""
    return {
        name: value
        for name, value in variables.items()
        if not (name.upper().endswith("_PORT") and _ADDRESS.fullmatch(value))
    }


class OwnVariables(EnvSettingsSource):
    """The variables that set something."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        found = super()._load_env_vars()
        kept = without_service_addresses({name: value or "" for name, value in found.items()})
        return {name: found[name] for name in kept}


class OwnSettings(BaseSettings):
    """Settings that come from variables with a prefix of their own, and from nowhere else.

    What looks like one of them and sets nothing is refused, with the name that was meant.
    """

    # What pydantic says of an error has the whole value in it, which may be a secret.
    model_config = SettingsConfigDict(frozen=True, hide_input_in_errors=True)
    sources: ClassVar[tuple[type[PydanticBaseSettingsSource], ...]] = (OwnVariables,)
    """Where values come from, the first before the others."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, *(source(settings_cls) for source in cls.sources)

    @classmethod
    def variable(cls, field: str) -> str:
        """The environment variable that sets ``field``."""
        return f"{cls.model_config['env_prefix']}{field.upper()}"

    @classmethod
    def variables(cls) -> list[str]:
        """The environment variables that set something."""
        return [cls.variable(field) for field in cls.model_fields]

    @classmethod
    def unknown(cls) -> list[str]:
        """One line for each variable that starts as they do and sets nothing, with the fix."""
        return list(_unknown_variables(cls.model_config["env_prefix"], cls.variables()))

    @classmethod
    def load(cls, **given: Any) -> Self:
        """The settings from the environment; ``given`` come before it.

        Raises SettingsError naming every unknown or impossible setting and its fix.
        """
        if unknown := cls.unknown():
            raise SettingsError("\n".join(unknown))
        try:
            return cls(**given)
        except ValidationError as error:
            raise SettingsError("\n".join(cls._explanations(error))) from None

    @classmethod
    def described(cls) -> str:
        """Every variable with its default and meaning, one a line."""
        lines = []
        for name, field in cls.model_fields.items():
            lines.append(f"  {cls.variable(name)}={cls._written(name)}")
            if field.description:
                lines.append(f"      {field.description}")
        return "\n".join(lines)

    @classmethod
    def _written(cls, field: str) -> str:
        """The default of ``field`` as its variable would say it."""
        match cls.model_fields[field].default:
            case None:
                return ""
            case bool() as default:
                return str(default).lower()
            case tuple() as default:
                return ",".join(map(str, default))
            case default:
                return str(default)

    @classmethod
    def _explanations(cls, error: ValidationError) -> Iterator[str]:
        for problem in error.errors():
            rule = problem["msg"].removeprefix("Value error, ")
            # Without the positions in lists and pydantic's names of what a union is made of.
            named = (part for part in problem["loc"] if isinstance(part, str) and "[" not in part)
            path = "__".join(named)
            if not path:  # a rule about several; its input is all of them, secrets included
                yield rule
                continue
            shown = shown_setting(path, problem["input"])
            given = "" if shown == repr(SECRET) else f"={shown}"
            limits = problem.get("ctx", {})
            is_share = limits.get("le", limits.get("lt")) == 1
            mend = "; it is a share: write 0.05 for 5%" if is_share else ""
            yield f"{cls.variable(path)}{given}: {rule}{mend}"

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            is_address = isinstance(value, str | AnyUrl) and (name or "").endswith("url")
            yield name, shown_url(value) if is_address else value


def shown_setting(name: str, value: object) -> str:
    """The value of a setting as it may be shown: no secret, and no URL's password."""
    if is_secrets_name(name) or name.endswith("proxy"):
        return repr(SECRET)
    if name.endswith("url") or (isinstance(value, str) and "://" in value):
        return repr(shown_url(value))
    return repr(value)


def _unknown_variables(prefix: str, known: Collection[str]) -> Iterator[str]:
    """One line for each variable that starts with ``prefix`` and sets nothing, with the fix.

    ``known`` are the names of the settings, in capitals, with their prefix.
    """
    settings = [name.removeprefix(prefix) for name in known]
    for name, value in sorted(os.environ.items()):
        setting = name.upper().removeprefix(prefix)
        is_ours = name.upper().startswith(prefix) and not _is_of_a_service(name, value)
        if is_ours and setting not in settings:
            close = nearest(setting, settings)
            hint = f"did you mean {prefix}{close}?" if close else "remove it"
            yield f"{name}: no such setting; {hint}"


def _is_of_a_service(name: str, value: str) -> bool:
    return any(
        names.fullmatch(name.upper()) and values.fullmatch(value) for names, values in _OF_SERVICES
    )
