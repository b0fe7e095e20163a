"""Standard output and error where the locale is not UTF-8."""

import sys
from io import TextIOWrapper


def print_what_the_locale_has() -> None:
    """Print a question mark for a character that the locale's encoding lacks, and go on."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
