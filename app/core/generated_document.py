"""A document that is made from declarations: written, or with ``--check`` compared."""

import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def written_or_checked(document: str, text: str, source: str) -> int:
    """Write ``text`` to a document of docs/, or with ``--check`` say whether it is up to date.

    Gives the exit status.
    """
    path = DOCS / document
    if "--check" in sys.argv[1:]:
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            print(f"docs/{document}: ok")
            return 0
        print(f"docs/{document} differs from {source}: make generate", file=sys.stderr)
        return 1
    path.write_text(text, encoding="utf-8")
    print(f"docs/{document}")
    return 0
