"""What the tests send that must never be written down, and the logs in which it is looked for.

conftest.py looks at the end of the session: one line with a telephone number fails it. Where
several processes share the tests, one looks for what all have sent, in the logs of all.
"""

import gzip
import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

SHORTEST = 8
"""Shorter texts, "yes" or "STOP", are found in anything."""

LOG_FOLDER = Path(tempfile.mkdtemp(prefix="tests-logs-"))
"""Log files of the tests' own process and of the services that they start."""

LOG_FOLDERS = {LOG_FOLDER}
"""This one, and those of the processes that share the tests."""

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
        logs = [file for folder in LOG_FOLDERS for file in folder.glob("*.jsonl*")]
        files = [file for file in (*logs, *OUTPUTS) if file.is_file()]
        if SENT and not files:
            return [f"there is no log to look at in {', '.join(map(str, LOG_FOLDERS))}"]
        return [line for file in files for line in _found_in(file, Path(patterns.name))]


def handed_over() -> dict[str, list[str]]:
    """What another process needs in order to look for what this one has sent."""
    return {
        "sent": list(SENT),
        "log_folders": [str(folder) for folder in LOG_FOLDERS],
        "outputs": [str(file) for file in OUTPUTS],
    }


def take_over(handed: Mapping[str, Sequence[str]]) -> None:
    """Look for it as well. ``handed`` is what `handed_over` gave in the other process."""
    SENT.update(handed["sent"])
    LOG_FOLDERS.update(map(Path, handed["log_folders"]))
    OUTPUTS.update(map(Path, handed["outputs"]))


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
