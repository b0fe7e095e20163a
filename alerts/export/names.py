"""Names that an export takes from whoever makes it, and what the others allow in them."""

import re
from collections.abc import Mapping

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_DNS_NAME = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
)
_LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_OF_LABELS = "letters, digits, -, _ and ., 63 at most, the first and last a letter or digit"
# Mimir's API has it in the path; what is left out here would have to be escaped there.
_IN_A_PATH = re.compile(r"[A-Za-z0-9][-A-Za-z0-9_.~]*")


def require_kubernetes_namespace(namespace: str) -> None:
    """ValueError where Kubernetes allows no namespace of that name."""
    if not _DNS_LABEL.fullmatch(namespace):
        raise ValueError(f"--namespace {namespace!r}: small letters, digits and -, 63 at most")


def require_mimir_namespace(namespace: str) -> None:
    """ValueError where the name would have to be escaped in the path of a request."""
    if not _IN_A_PATH.fullmatch(namespace):
        raise ValueError(
            f"--namespace {namespace!r}: letters, digits, -, _, . and ~, the first a letter or "
            "digit: Mimir has it in the path of a URL"
        )


def require_labels(labels: Mapping[str, str]) -> None:
    """ValueError where Kubernetes allows no label of that name or value."""
    for label, value in labels.items():
        prefix, slash, name = label.rpartition("/")
        if slash and not _DNS_NAME.fullmatch(prefix):
            raise ValueError(
                f"--label {label}={value}: the part before / is a domain, in small letters, such "
                "as example.com"
            )
        if not _LABEL.fullmatch(name):
            raise ValueError(f"--label {label}={value}: the name takes {_OF_LABELS}")
        if not _LABEL.fullmatch(value):
            raise ValueError(f"--label {label}={value}: the value takes {_OF_LABELS}")
