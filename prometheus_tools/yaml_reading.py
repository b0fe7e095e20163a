"""YAML read by libyaml where it can be had: ten times as fast as in Python."""

from typing import Any

import yaml

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(text: str | bytes) -> Any:
    """The document in ``text``, in plain types. Raises yaml.YAMLError."""
    return yaml.load(text, Loader=_LOADER)


def read_all_yaml(text: str) -> list[Any]:
    """Each of the documents in ``text``. Raises yaml.YAMLError."""
    return list(yaml.load_all(text, Loader=_LOADER))
