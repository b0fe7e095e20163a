"""REMOTE_WRITE_URL: the engine that Prometheus sends its samples to as well."""

import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

from prometheus_tools.yaml_reading import read_yaml
from stack.backend import StackError

VARIABLE = "REMOTE_WRITE_URL"
FILE = "remote_write.yml"

_USE = "use an address such as http://127.0.0.1:8428/api/v1/write"
_CREDENTIALS = (
    "write authorization or basic_auth, with a file, into a prometheus.yml of your own beside "
    f"what {FILE} has (docs/scaling.md)"
)
_LONGEST = 253
# Names of containers may have an underscore.
_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"


def chosen(variables: Mapping[str, str]) -> str:
    """The address; empty where none is given.

    Raises StackError for what is none. Nothing of the value is repeated but its scheme, host and
    port: the rest may be secret.
    """
    url = variables.get(VARIABLE, "")
    if url and (wrong := _wrong(url)):
        raise StackError(f"{VARIABLE}: {wrong}")
    return url


def _wrong(url: str) -> str:
    """What is wrong and the fix; empty where nothing is."""
    if re.search(r"[\s\x00-\x1f\x7f]", url):
        return f"there is a space or a line break in the address; {_USE}"
    # Before anything is read from it: an address that can't be read may have a password too.
    if "@" in url:
        return f"no user or password in the address, which Prometheus shows; {_CREDENTIALS}"
    if "?" in url or "#" in url:
        return f"nothing after ? or # in the address, which Prometheus shows; {_CREDENTIALS}"
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in ("http", "https"):
        return f"the address has to begin with http:// or https://; {_USE}"
    host = re.split(r"[/\\]", rest, maxsplit=1)[0]
    name, port = _divided(host)
    if not _is_host(name):
        return f"there is no host that can be used after {scheme}://; {_USE}"
    if port is not None and not (re.fullmatch(r"[0-9]{1,5}", port) and 1 <= int(port) <= 65535):
        return f"the port after {name} has to be a number from 1 to 65535; {_USE}"
    return ""


def _divided(host: str) -> tuple[str, str | None]:
    """The host's name, and the port where one is given."""
    if found := re.fullmatch(r"(\[[^\]]*\])(?::(.*))?", host):
        return found[1], found[2]
    name, colon, port = host.partition(":")
    return name, port if colon else None


def _is_host(name: str) -> bool:
    if name.startswith("["):
        try:
            IPv6Address(name[1:-1])
        except ValueError:
            return False
        return name.endswith("]")
    parts = name.removesuffix(".").split(".")
    if all(part.isdecimal() for part in parts):
        try:
            IPv4Address(name)
        except ValueError:
            return False
    return len(name) <= _LONGEST and all(re.fullmatch(_PART, part) for part in parts)


def section(folder: Path, url: str) -> dict[str, Any]:
    """The committed section of ``folder`` with this address."""
    written: dict[str, Any] = read_yaml((folder / FILE).read_text(encoding="utf-8"))
    (remote,) = written["remote_write"]
    return {"remote_write": [{**remote, "url": url}]}
