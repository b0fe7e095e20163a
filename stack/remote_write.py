"""REMOTE_WRITE_URL: the engine that Prometheus sends its samples to as well."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from prometheus_tools.yaml_reading import read_yaml
from stack.backend import StackError

VARIABLE = "REMOTE_WRITE_URL"
FILE = "remote_write.yml"


def chosen(variables: Mapping[str, str]) -> str:
    """The address; empty where none is given. Raises StackError for what is none."""
    url = variables.get(VARIABLE, "")
    if not url:
        return ""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise StackError(
            f"{VARIABLE}={url}: use an address such as http://127.0.0.1:8428/api/v1/write"
        )
    if parts.password:
        raise StackError(
            f"{VARIABLE}: no password in the address, which Prometheus shows; name a file by "
            "basic_auth in a prometheus.yml of your own"
        )
    return url


def section(folder: Path, url: str) -> dict[str, Any]:
    """The committed section of ``folder`` with this address."""
    written: dict[str, Any] = read_yaml((folder / FILE).read_text(encoding="utf-8"))
    (remote,) = written["remote_write"]
    return {"remote_write": [{**remote, "url": url}]}
