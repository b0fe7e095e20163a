"""The worlds of files of rule tests: each test is one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser

from prometheus_tools.mutated import World
from prometheus_tools.yaml_reading import read_yaml


def worlds_of(tests: Path) -> Iterator[World]:
    """Every test of the files in ``tests`` and below, those that load few rules first."""
    for file in sorted(tests.rglob("*.yml")):
        document = read_yaml(file.read_text(encoding="utf-8"))
        for number, test in enumerate(document["tests"]):
            yield _world(f"{file.stem}[{number}] {test.get('name', '')}", document, test)


def _world(name: str, document: dict[str, Any], test: dict[str, Any]) -> World:
    asked = ("promql_expr_test", "alert_rule_test")
    own = {key: value for key, value in document.items() if key not in ("tests", "rule_files")}
    return World(
        name,
        test={key: value for key, value in test.items() if key not in asked},
        settings=own,
        files=[Path(each).stem for each in document["rule_files"]],
        queries=[(c["expr"], _seconds(c["eval_time"])) for c in test.get("promql_expr_test", ())],
        alerts=[
            (c["alertname"], _seconds(c["eval_time"])) for c in test.get("alert_rule_test", ())
        ],
    )


def _seconds(duration: str | int) -> int:
    text = str(duration)
    # The parser knows no duration of nothing.
    nothing = not text.strip("0smh")
    return 0 if nothing else int(promql_parser.parse_duration(text).total_seconds())
