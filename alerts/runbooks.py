"""The runbooks: one page an alert, with the same sections and queries that can be pasted."""

import re
from pathlib import Path

from alerts.expressions import Vocabulary

SECTIONS = ("Meaning", "Impact", "First checks", "Likely causes", "Mend", "Silence")

_QUERY = re.compile(r"^```promql\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)


def problems(folder: Path, alerts: set[str], vocabulary: Vocabulary) -> list[str]:
    """What is wrong with the pages in ``folder``, one line each."""
    pages = {page.stem: page for page in sorted(folder.glob("*.md"))}
    found = [
        f"{folder / alert}.md: is missing; write it, alert {alert} links to it"
        for alert in sorted(alerts - pages.keys())
    ]
    for alert, page in pages.items():
        if alert not in alerts:
            found.append(f"{page}: no alert is called {alert}; rename or remove it")
            continue
        text = page.read_text()
        sections = tuple(_SECTION.findall(text))
        if sections != SECTIONS:
            found.append(f"{page}: has sections {sections}; it needs {SECTIONS}")
        found += [
            f"{page}: {problem}"
            for query in _QUERY.findall(text)
            for problem in vocabulary.problems(query)
        ]
    return found
