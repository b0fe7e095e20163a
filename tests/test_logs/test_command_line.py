"""`python -m app.logs` on files as services leave them."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.logs.command_line import main
from asgi_observability import personal_data

NOW = datetime.now(UTC)
SMS = "01a209b3-f687-7a33-a8b2-a463ea317405"
OTHER = "01a209b3-f687-7a33-a8b2-a463ea317406"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], folder: Path) -> Run:
    """The command line on the test's folder: exit code, output, errors."""

    def run(*arguments: str, places: tuple[Path, ...] = (folder,)) -> tuple[int, str, str]:
        options = [option for place in places for option in ("--in", str(place))]
        code = main([*arguments, *options])
        return code, *capsys.readouterr()

    return run


def line(event: str, *, ago: float = 60, correlation_id: str = SMS, **fields: object) -> str:
    known = {
        "timestamp": f"{NOW - timedelta(seconds=ago):%Y-%m-%dT%H:%M:%S.%fZ}",
        "level": "info",
        "event": event,
        "logger": "app.services.workflow",
        "service": "orchestrator",
        "correlation_id": correlation_id,
    }
    return json.dumps(known | fields, separators=(",", ":"), ensure_ascii=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What is written now, what was rotated, and what another service wrote."""
    old = [
        line("sms_received", ago=7200, correlation_id=OTHER, tenant_id="tenant-2"),
        line("operation_slow", ago=7190, correlation_id=OTHER, level="warning", duration_ms=5100.5),
    ]
    stamp = f"{NOW - timedelta(seconds=7000):%Y%m%dT%H%M%S.%fZ}"
    rotated = tmp_path / f"orchestrator-{stamp}-7.jsonl.gz"
    rotated.write_bytes(gzip.compress("".join(f"{each}\n" for each in old).encode()))
    new = [
        line("sms_received", ago=60.9, tenant_id="tenant-1"),
        line("operation_completed", ago=60.5, component="ai_provider", duration_ms=300, weight=4),
        line("step_completed", ago=60.4, step="ai_response", duration_ms=450.0),
        line("operation_failed", ago=60.3, level="error", error_type="Überlauf", duration_ms=0),
        line("request", ago=60.0, status=200, route="/orchestrate/sms-received", duration_ms=950),
    ]
    (tmp_path / "orchestrator-9.jsonl").write_text("".join(f"{each}\n" for each in new))
    (tmp_path / "simulator-8.jsonl").write_text(
        line("upstream_called", ago=60.6, service="simulator", upstream="ai_provider") + "\n"
    )
    return tmp_path


def events(output: str) -> list[str]:
    return [json.loads(each)["event"] for each in output.splitlines()]


def test_one_id_is_followed_as_a_time_line(run: Run) -> None:
    code, output, errors = run("trace", SMS)
    assert code == 0
    assert "6 lines" in errors
    head, whom, _, _, *rows = output.splitlines()
    assert SMS in head
    assert "950.0 ms" in head
    assert whom == "tenant_id=tenant-1"
    # In the order in which things began, not in which they ended.
    assert [row.split(": ")[1].split()[0] for row in rows] == [
        *("request", "sms_received", "step_completed", "operation_completed"),
        *("upstream_called", "operation_failed"),
    ]
    assert OTHER not in output
    assert "simulator: " in output


def test_it_may_be_any_of_a_lines_ids(run: Run, folder: Path) -> None:
    with (folder / "orchestrator-9.jsonl").open("a") as file:
        file.write(line("response_approved", correlation_id=SMS, request_id="manager-1") + "\n")
    code, output, _ = run("trace", "manager-1", "--ndjson")
    assert code == 0
    assert events(output) == ["response_approved"]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        (["--level", "warning"], ["operation_slow", "operation_failed"]),
        (["--level", "error"], ["operation_failed"]),
        (["--event", "request", "--event", "sms_received"], ["sms_received"] * 2 + ["request"]),
        (["--tenant", "tenant-2"], ["sms_received"]),
        (["--since", "30m", "--event", "sms_received"], ["sms_received"]),
        (["--until", "1h"], ["sms_received", "operation_slow"]),
        (["--slower-than", "500ms"], ["operation_slow", "request"]),
        (["--slower-than", "5s"], ["operation_slow"]),
        (["--where", "component=ai_provider"], ["operation_completed"]),
        (["--where", "error_type=Überlauf"], ["operation_failed"]),
        (["--where", "status=200", "--where", "duration_ms=950"], ["request"]),
        (["--service", "simulator"], ["upstream_called"]),
        (["--logger", "app.services", "--until", "1h", "--level", "warning"], ["operation_slow"]),
        (["--id", OTHER], ["sms_received", "operation_slow"]),
        (["--limit", "1"], ["request"]),
    ],
)
def test_conditions(run: Run, conditions: list[str], expected: list[str]) -> None:
    code, output, _ = run("find", *conditions, "--ndjson")
    assert code == 0
    assert events(output) == expected


def test_a_table_for_people_names_the_fields(run: Run) -> None:
    code, output, errors = run("find", "--event", "request")
    assert code == 0
    assert "request  " in output
    assert "route=/orchestrate/sms-received" in output
    assert "1 line" in errors


def test_counts_by_any_field_know_what_sampling_left_out(run: Run) -> None:
    code, output, _ = run("count", "event", "--ndjson")
    assert code == 0
    counts = {c["event"]: (c["lines"], c["total"]) for c in map(json.loads, output.splitlines())}
    assert counts["sms_received"] == (2, 2)
    assert counts["operation_completed"] == (1, 4)
    code, output, _ = run("count", "level", "--since", "1h")
    assert code == 0
    assert "with sampled" in output.splitlines()[0]
    assert output.splitlines()[1].split()[:3] == ["info", "5", "8"]


def test_a_hashed_identifier_is_found_by_its_own_form(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_LOG_HASH_KEY", "a key")
    personal_data.use_key("a key")
    conversation = personal_data.identifier("+15550100001")
    with (folder / "orchestrator-9.jsonl").open("a") as file:
        file.write(line("sms_repeated", conversation_id=conversation) + "\n")
    code, output, _ = run("find", "--conversation", "+15550100001", "--ndjson")
    assert code == 0
    assert events(output) == ["sms_repeated"]


def test_nothing_found_is_said_and_told_by_the_exit_code(run: Run) -> None:
    assert run("trace", "01a209b3-f687-7a33-a8b2-000000000000")[0] == 1
    code, output, errors = run("find", "--since", "10s")
    assert (code, output) == (1, "")
    assert errors == "0 lines\n"


@pytest.mark.parametrize(
    ("question", "complaint"),
    [
        (["count", "evnt"], "did you mean event?"),
        (["find", "--where", "compnent=x"], "did you mean component?"),
        (["find", "--where", "component"], "write FIELD=VALUE"),
        (["find", "--where", "a b=c"], "can't be a field's name"),
        (["find", "--where", "x'); DROP=c"], "can't be a field's name"),
        (["count", ""], "can't be a field's name"),
        (["find", "--since", "yesterday"], "--since yesterday: no time; write 30m"),
        (["find", "--until", "2026-13-01"], "--until 2026-13-01: no time"),
        (["find", "--slower-than", "fast"], "--slower-than fast: no duration; write 500ms"),
    ],
)
def test_a_wrong_question_says_what_to_write(run: Run, question: list[str], complaint: str) -> None:
    code, output, errors = run(*question)
    assert (code, output) == (2, "")
    assert complaint in errors
    assert "Traceback" not in errors


def test_places_without_logs_are_named(run: Run, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no *.jsonl or *.jsonl.gz in" in run("count", "event", places=(empty,))[2]
    assert "does not exist" in run("count", "event", places=(tmp_path / "no",))[2]


def test_what_can_not_be_read_is_skipped_and_counted(run: Run, folder: Path) -> None:
    (folder / "half.jsonl").write_bytes(b'{"event":"half","correl')
    (folder / "binary.jsonl").write_bytes(b"\x00\xff\xfe binary\n{not json}\n[1]\n\n")
    whole = gzip.compress((line("cut", padding=os.urandom(4000).hex()) + "\n").encode() * 50)
    (folder / "cut.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "no.jsonl.gz").write_bytes(b"this is no gzip")
    (folder / "empty.jsonl").touch()
    code, output, errors = run("find", "--event", "request", "--event", "cut", "--ndjson")
    assert code == 0
    assert events(output)[-1] == "request"
    assert "cut.jsonl.gz: cut off, read as far as it goes" in errors
    assert "no.jsonl.gz: cut off" in errors
    assert "skipped, unreadable" in errors
    assert "Traceback" not in errors


def test_a_file_without_permission_is_skipped(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda p, m: Path(p).name[:3] != "sim" and allowed(p, m))
    code, _, errors = run("count", "event")
    assert code == 0
    assert "simulator-8.jsonl: skipped, it can't be read (permissions)" in errors


def test_a_file_that_is_just_compressed_counts_once(run: Run, folder: Path) -> None:
    plain = folder / "orchestrator-20260101T000000.000000Z-1.jsonl"
    plain.write_text(line("twice") + "\n")
    Path(f"{plain}.gz").write_bytes(gzip.compress(plain.read_bytes()))
    _, output, _ = run("count", "event", "--ndjson")
    assert {"event": "twice", "lines": 1, "total": 1.0} in map(json.loads, output.splitlines())


def test_it_ends_quietly_when_nobody_reads_on(folder: Path) -> None:
    command = f"{sys.executable} -m app.logs find --ndjson --in {folder} | head -1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert len(done.stdout.splitlines()) == 1


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "python -m app.logs trace" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "event", "said"),
    [
        (("find",), "workflow_faild", "did you mean workflow_failed?"),
        (("count", "level"), "workflow_faild", "did you mean workflow_failed?"),
        # The simulator's, which only its lines tell.
        (("find",), "upstream_caled", "did you mean upstream_called?"),
        (("find",), "frobnicated", "`python -m app.logs count event` lists those that there are"),
    ],
)
def test_an_event_that_there_is_not_is_named(
    run: Run, command: tuple[str, ...], event: str, said: str
) -> None:
    code, output, errors = run(*command, "--event", event)
    assert (code, output) == (1, "")
    assert errors == f"no event is called {event}; {said}\n0 lines\n"


def test_a_misspelt_event_is_named_beside_lines_of_another(run: Run) -> None:
    code, _, errors = run("find", "--event", "request", "--event", "workflow_faild")
    assert code == 0
    assert errors == "no event is called workflow_faild; did you mean workflow_failed?\n1 line\n"


@pytest.mark.parametrize("event", ["workflow_failed", "event_of_an_older_version"])
def test_an_event_that_may_have_been_is_just_not_found(run: Run, folder: Path, event: str) -> None:
    """Declared here, or logged by a version that declared it."""
    old = line("event_of_an_older_version", ago=3600)
    (folder / "orchestrator-1.jsonl").write_text(f"{old}\n")
    assert run("find", "--event", event, "--since", "30m") == (1, "", "0 lines\n")


def test_a_line_that_is_too_long_is_skipped_once_however_often_files_are_read(
    run: Run, folder: Path
) -> None:
    (folder / "orchestrator-1.jsonl").write_text(line("x" * 1_200_000) + "\n")
    skipped = "0 lines; 1 line skipped, unreadable\n"
    assert run("find", "--event", "workflow_faild", "--where", "status=1")[2].endswith(skipped)
