"""The metrics endpoints under schemathesis: whatever is asked, the answer is one they declare."""

import asyncio
import subprocess
import sys
from pathlib import Path

from tests.length import LONG
from tests.serving_process import serving_process
from tests.upstreams import ScriptedUpstreams

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
)
EXAMPLES = 40 if LONG else 10


def fuzz(url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """schemathesis over every metrics endpoint that ends by itself."""
    script = str(Path(sys.executable).with_name("schemathesis"))
    return subprocess.run(
        [
            *(script, "run", f"{url}/openapi.json"),
            "--include-path-regex=^/orchestrate/metrics(/series|/export|/measures)?$",
            f"--checks={','.join(CHECKS)}",
            f"--max-examples={EXAMPLES}",
            "--phases=examples,coverage,fuzzing",
            "--no-color",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


async def test_whatever_is_asked(tmp_path: Path, upstreams: ScriptedUpstreams) -> None:
    database = f"sqlite:///{tmp_path}/orchestrator.db"
    async with serving_process(tmp_path / "log", upstreams.url, database) as client:
        done = await asyncio.to_thread(fuzz, str(client.base_url), tmp_path)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "4 selected" in done.stdout or "Selected: 4" in done.stdout, done.stdout[:1500]
