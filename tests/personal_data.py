"""What the tests send that must never be written down, and the logs in which it is looked for.

conftest.py looks at the end of the session: one line with a telephone number fails it.
"""

import gzip
import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

SHORTEST = 8
"""Shorter texts, "yes" or "STOP", are found in anything."""

LOG_FOLDER = Path(tempfile.mkdtemp(prefix="tests-logs-"))
"""Log files of the tests' own process and of the services that they start."""

OUTPUTS: set[Path] = set()
"""Files that hold the standard output and error of such services."""

SENT: set[str] = set()
"""Telephone numbers and texts that tests have sent."""

_TELEPHONE = r"(^|[^0-9a-f])1?555[0-9]{7}([^0-9a-f]|$)"


def everything_found() -> list[str]:
    """The lines, of any log, in which something of it stands."""
    forms = {form for sent in SENT for form in (sent, json.dumps(sent)[1:-1], repr(sent)[1:-1])}
    with tempfile.NamedTemporaryFile("w", suffix=".patterns") as patterns:
        # What has a newline stands in no line as it is.
        patterns.write("".join(f"{form}\n" for form in forms if "\n" not in form))
        patterns.flush()
        files = [*LOG_FOLDER.glob("*.jsonl*"), *OUTPUTS]
        return [line for f in files if f.is_file() for line in _found_in(f, Path(patterns.name))]


def note(body: object) -> None:
    """Remember what is personal in a request's body."""
    if isinstance(body, list):
        for each in body:
            note(each)
    elif isinstance(body, dict):
        for name, value in body.items():
            if name in _PERSONAL and isinstance(value, str) and len(value.strip()) >= SHORTEST:
                SENT.add(value.strip())
            elif name != "choices":
                note(value)


_PERSONAL = {"phone_number", "content", "message_content", "ai_response", "modified_text"}


def _found_in(file: Path, patterns: Path) -> Iterator[str]:
    text = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    # grep looks for thousands of strings at once.
    for options in (["-F", "-f", str(patterns)], ["-E", "-e", _TELEPHONE]):
        command = ["grep", "--text", *options]
        grep = subprocess.run(command, input=text, capture_output=True, check=False)
        assert grep.returncode in (0, 1), grep.stderr
        yield from (f"{file.name}: {line[:400]!r}" for line in grep.stdout.splitlines())
