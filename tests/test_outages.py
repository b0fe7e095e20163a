"""The document of outages holds what was seen: every outage, every surface, nothing left empty."""

import re

from tests.not_empty import not_empty
from tests.outages import document
from tests.outages.causes import OUTAGES
from tests.outages.surfaces import Surface


def test_each_surface_was_seen_in_each_outage() -> None:
    text = document.FILE.read_text()
    for outage in not_empty(OUTAGES):
        _, found, section = text.partition(f"\n## {outage.title}\n")
        assert found, f"{outage.name} was not seen; python -m tests.outages {outage.name}"
        section = section.partition("\n## ")[0]
        for surface in not_empty(Surface):
            assert re.search(rf"^\\| {surface} \\| \S.* \\|$", section, re.MULTILINE), (
                f"{outage.name}: {surface} was not seen"
            )
