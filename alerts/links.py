"""The links in rule files, made to lead to other addresses than the committed ones."""

import re
from pathlib import Path

from alerts import generated
from app.core.config import Links

_LINK = re.compile(r"^( +(?:runbook|dashboard)_url: )(.+)$", re.MULTILINE)
COMMITTED = Links()
"""Where the links in the committed rules lead."""


def relinked(rules: str, links: Links) -> str:
    """The text of a rule file with ``links`` in place of the committed ones.

    Only these change: a link that somebody has set to another address stays.
    """
    bases = {
        f"{base(old)}/": f"{base(new)}/"
        for old, new in (
            (COMMITTED.runbooks_url, links.runbooks_url),
            (COMMITTED.grafana_url, links.grafana_url),
        )
    }

    def moved(line: re.Match[str]) -> str:
        for old, new in bases.items():
            if line[2].startswith(old):
                return line[1] + new + line[2].removeprefix(old)
        return line[0]

    return _LINK.sub(moved, rules)


def write_relinked(committed: Path, folder: Path, links: Links) -> None:
    """Make ``folder`` hold the rule files of ``committed`` with ``links``."""
    files = committed.glob("*.yml")
    texts = {file.name: relinked(file.read_text(encoding="utf-8"), links) for file in files}
    generated.write(folder, texts)


def base(url: object) -> str:
    """An address to which a path is added."""
    return str(url).rstrip("/")
