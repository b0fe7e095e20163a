"""`make logs`: lines of all components as one stream."""

import json
import threading
from pathlib import Path

from stack import log_view
from stack.log_view import LogFilter


def line(at: int, level: str = "info", event: str = "said", **fields: object) -> str:
    known = {"timestamp": f"2026-11-23T10:00:{at:02}.000000Z", "level": level, "event": event}
    return json.dumps(known | fields)


def sources(folder: Path) -> log_view.Sources:
    return lambda: {file: file.stem for file in sorted(folder.glob("*.log"))}


def test_the_last_lines_of_all_are_in_the_order_of_their_time(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("".join(f"{line(at)}\n" for at in (1, 3, 5)))
    (tmp_path / "prometheus.log").write_text(
        "time=2026-11-23T10:00:02.000Z level=INFO msg=two\n"
        "time=2026-11-23T10:00:04.000Z level=WARN msg=four\n"
    )
    found = log_view.last_lines(sources(tmp_path), LogFilter(), 2)
    assert [component for component, _ in found] == ["prometheus", "app", "prometheus", "app"]
    assert "four" in found[2][1]


def test_levels_are_known_in_every_format() -> None:
    wanted = LogFilter(level="warning")
    assert wanted.admits(line(1, "warning"))
    assert wanted.admits(line(1, "critical"))
    assert wanted.admits("time=2026 level=warn msg=x")
    assert wanted.admits('level="ERROR" msg=x')
    assert not wanted.admits(line(1, "info"))
    assert not wanted.admits("level=info msg=x")
    assert not wanted.admits("no level at all")
    assert not LogFilter(text="abc").admits(line(1))
    assert LogFilter(text="abc").admits(line(1, correlation_id="abc"))


def test_new_lines_come_from_files_that_grow_begin_and_are_rotated(tmp_path: Path) -> None:
    app, other = tmp_path / "app.log", tmp_path / "other.log"
    app.write_text("old\n")
    files = sources(tmp_path)
    coming = log_view.new_lines(files, LogFilter(), log_view.file_sizes(files))
    found: list[tuple[str, str]] = []
    enough = threading.Event()

    def follow() -> None:
        for each in coming:
            found.append(each)
            if len(found) in (2, 3, 4):
                enough.set()
            if len(found) == 4:
                return

    def until_found(number: int) -> None:
        assert enough.wait(20), found
        enough.clear()
        assert len(found) >= number

    reader = threading.Thread(target=follow, daemon=True)
    reader.start()
    with app.open("a") as file:
        file.write("new\nha")
        file.flush()
        other.write_text("begun\n")
        until_found(2)
        file.write("lf\n")
        file.flush()
        until_found(3)
    app.write_text("r\n")
    until_found(4)
    reader.join(20)
    assert sorted(found[:2]) == [("app", "new"), ("other", "begun")]
    assert found[2:] == [("app", "half"), ("app", "r")]


def test_a_line_is_cut_at_the_terminals_width_and_ids_go_first() -> None:
    text = line(1, "error", "request", correlation_id="c" * 30, route="/x", duration_ms=3)
    (shown,) = log_view.shown([("app", text)], 90)
    assert len(shown) < 90
    assert "route=/x duration_ms=3 correlation_id=ccc" in shown
    assert "error" in shown
    (raw,) = log_view.shown([("prometheus", "level=info msg=x")], 70)
    assert raw == "prometheus    level=info msg=x"
