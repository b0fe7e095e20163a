"""promtool and amtool, with what they find as problems that name file, group and rule.

Their exit codes are not enough: they pass a rule test that loads no rules, a scrape job whose
target file is missing, and duplicate rules.

``promtool`` says which one is asked, where it is not to be the one that everything else uses.
"""

import ast
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from prometheus_tools.promtool_failures import difference
from prometheus_tools.toolchain import Tool, locate
from prometheus_tools.yaml_reading import read_yaml

_RULE = re.compile(
    r'(?:(?P<file>\S+?): )?(?:\d+:\d+: )*group "(?P<group>[^"]*)", rule \d+, "(?P<rule>[^"]*)": '
    r"(?P<message>.*)"
)
_LINE = re.compile(r"line (?P<line>\d+): (?P<message>.*)")
_REPEATED_GROUP = re.compile(r'groupname: "(?P<group>[^"]*)" is repeated.*')
_DUPLICATE = re.compile(r"^Metric: (?P<rule>\S+)$", re.MULTILINE)
_WARNING = re.compile(r"^\s*WARNING: (?P<message>.*)$", re.MULTILINE)
_FAILED = re.compile(r"FAILED:(?P<message>.*)", re.DOTALL)
_CREDENTIALS = re.compile(r"credentials_file: .*")
_TEST_NAME = re.compile(r"\bname: (?P<name>.*),")
_TEST_ALERT = re.compile(r"alertname: (?P<rule>\S+), time: (?P<time>\S+),")
_ANSWER = re.compile(
    r'expr: ".*", time: (?P<time>\S+),\n\s*exp: ?nil\n\s*got: ?(?P<got>.*)', re.MULTILINE
)
_SAID = re.compile(
    r'expr: (?P<expr>"(?:[^"\\]|\\.)*"), time: (?P<time>\S+),\n\s*exp: ?nil\n\s*got: ?(?P<got>.*)'
)
_BRACES = r'\{((?:[^"{}]|"(?:[^"\\]|\\.)*")*)\}'
_SERIES = re.compile(rf"{_BRACES} \S+")
_ALERTS_ANSWER = re.compile(
    r"alertname: (?P<alert>\S+), time: (?P<time>\S+), *\n"
    r"\s*exp: ?\[\], *\n\s*got: ?\[(?P<got>.*?)\n\s*\]$",
    re.MULTILINE | re.DOTALL,
)
_LABELS_OF = re.compile(rf"^\s*Labels:{_BRACES}", re.MULTILINE)
_ANNOTATIONS_OF = re.compile(rf"^\s*Annotations:{_BRACES}", re.MULTILINE)
_PAIR = re.compile(r'(?P<name>\w+)="(?P<value>(?:[^"\\]|\\.)*)"')
_UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_TEST_EXPR = re.compile(r'expr: "(?P<expr>.*)", time: (?P<time>\S+),')


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding. ``group`` and ``rule`` are empty where the whole file is meant."""

    file: str
    message: str
    group: str = ""
    rule: str = ""

    def __str__(self) -> str:
        group = f" group {self.group}:" if self.group else ""
        rule = f" rule {self.rule}:" if self.rule else ""
        return f"{self.file}:{group}{rule} {self.message}"


class CheckFailedError(Exception):
    """promtool or amtool refused something; ``problems`` says what and where."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def check_rules(file: Path, promtool: Tool | None = None) -> None:
    """Check a rule file: syntax, PromQL, templates, duplicates. Raises CheckFailedError."""
    tool = promtool or locate("promtool")
    code, output = _run(tool, "check", "rules", "--lint=all", "--lint-fatal", str(file))
    if code:
        _fail(_rule_problems(file, output))


def check_config(file: Path, promtool: Tool | None = None) -> None:
    """Check a Prometheus configuration and the files it names. Raises CheckFailedError.

    Credentials are taken to be there: they are written where Prometheus runs.
    """
    with TemporaryDirectory() as folder:
        for beside in file.parent.iterdir():
            if beside != file:
                (Path(folder) / beside.name).symlink_to(beside.absolute())
        staged = Path(folder) / file.name
        staged.write_text(
            _CREDENTIALS.sub("credentials_file: /dev/null", file.read_text(encoding="utf-8")),
            encoding="utf-8",
        )
        tool = promtool or locate("promtool")
        code, output = _run(tool, "check", "config", "--lint=none", str(staged))
    output = output.replace(folder, str(file.parent))
    problems = [Problem(str(file), match["message"]) for match in _WARNING.finditer(output)]
    if code:
        problems += _rule_problems(file, output)
    _fail(problems)


def test_rules(file: Path, promtool: Tool | None = None) -> None:  # noqa: PT028 - no test
    """Run a file of rule unit tests. Raises CheckFailedError with each expectation not met."""
    code, output = _run(promtool or locate("promtool"), "test", "rules", str(file))
    problems = [Problem(str(file), match["message"]) for match in _WARNING.finditer(output)]
    if code:
        problems += _unmet_expectations(file, output) or _rule_problems(file, output)
    _fail(problems)


@dataclass(frozen=True, slots=True)
class Answer:
    """What promtool found in place of an expected nothing: the labels of each series, or alert.

    ``annotations`` are those of each alert, where that was asked for.
    """

    seconds: int
    labels: tuple[dict[str, str], ...]
    annotations: tuple[dict[str, str], ...] = ()


def answers(file: Path, promtool: Tool | None = None) -> list[Answer]:
    """Run a file of rule unit tests that are questions: each expects no series, or no alert.

    promtool has no other way to show a value than that it is not the expected one. Gives an answer
    for each question whose result is not empty, those about expressions first.
    Raises CheckFailedError where promtool refuses the file.
    """
    code, output = _run(promtool or locate("promtool"), "test", "rules", str(file))
    found = [
        Answer(
            _seconds(match["time"]),
            tuple(_labels_in(each) for each in _SERIES.findall(match["got"])),
        )
        for match in _ANSWER.finditer(output)
    ]
    found += [
        Answer(
            _seconds(match["time"]),
            tuple(_labels_in(labels) for labels in _LABELS_OF.findall(match["got"])),
            tuple(_labels_in(text) for text in _ANNOTATIONS_OF.findall(match["got"])),
        )
        for match in _ALERTS_ANSWER.finditer(output)
    ]
    if bool(code) != bool(found):
        _fail(_rule_problems(file, output[-2000:]))
    return found


def said(file: Path, promtool: Tool | None = None) -> dict[tuple[str, int], str]:
    """As `answers`, as promtool writes them: by the expression, or the alert, and its seconds.

    Raises CheckFailedError.
    """
    code, output = _run(promtool or locate("promtool"), "test", "rules", str(file))
    found = {
        (ast.literal_eval(match["expr"]), _seconds(match["time"])): match["got"]
        for match in _SAID.finditer(output)
    }
    found |= {
        (match["alert"], _seconds(match["time"])): "\n".join(
            f"{labels} {text}"
            for labels, text in zip(
                _LABELS_OF.findall(match["got"]), _ANNOTATIONS_OF.findall(match["got"]), strict=True
            )
        )
        for match in _ALERTS_ANSWER.finditer(output)
    }
    if bool(code) != bool(found):
        _fail(_rule_problems(file, output[-2000:]))
    return found


def _labels_in(text: str) -> dict[str, str]:
    # Quoted as Go does it, which Python reads.
    return {p["name"]: ast.literal_eval(f'"{p["value"]}"') for p in _PAIR.finditer(text)}


def _seconds(time: str) -> int:
    """A duration as Prometheus writes it, such as 1h9m30s."""
    return sum(int(n) * _UNITS[unit] for n, unit in re.findall(r"(\d+)([wdhms])", time))


# pytest takes functions of this name for tests where they are imported.
test_rules.__test__ = False  # type: ignore[attr-defined]


def check_alertmanager(file: Path) -> None:
    """Check an Alertmanager configuration and its templates. Raises CheckFailedError."""
    code, output = _run(locate("amtool"), "check-config", str(file))
    if code:
        _fail([Problem(str(file), _reason(file, output))])


def receivers(file: Path, **labels: str) -> list[str]:
    """The receivers to which Alertmanager routes an alert with ``labels``."""
    pairs = [f"{name}={value}" for name, value in labels.items()]
    tool = locate("amtool")
    code, output = _run(tool, "config", "routes", "test", f"--config.file={file}", *pairs)
    if code:
        _fail([Problem(str(file), _reason(file, output))])
    # The answer comes last, after warnings.
    return output.split()[-1].split(",")


def _run(tool: Tool, *arguments: str) -> tuple[int, str]:
    """Exit code, and everything the tool said."""
    done = subprocess.run(
        [str(tool.path), *arguments],
        # A fifth less of the processors for rule tests, for some more memory.
        env={"GOGC": "400"} | os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        encoding="utf-8",
    )
    return done.returncode, done.stdout


def _fail(problems: list[Problem]) -> None:
    if problems:
        # promtool 3 reports what stops the YAML parser twice.
        raise CheckFailedError(list(dict.fromkeys(problems)))


def _rule_problems(file: Path, output: str) -> list[Problem]:
    problems = [
        Problem(match["file"] or str(file), match["message"], match["group"], match["rule"])
        for match in _RULE.finditer(output)
    ]
    problems += [
        Problem(str(file), match[0], group=match["group"])
        for match in _REPEATED_GROUP.finditer(output)
    ]
    problems += [
        Problem(str(file), "is there twice", _group_of(match["rule"], [file]), match["rule"])
        for match in _DUPLICATE.finditer(output)
    ]
    return problems or list(_line_problems(file, output)) or [_quoting_problem(file, output)]


def _line_problems(file: Path, output: str) -> Iterator[Problem]:
    """Findings of the YAML parser, which knows lines but neither groups nor rules."""
    for match in _LINE.finditer(output):
        group, rule = _at_line(file, int(match["line"]))
        yield Problem(str(file), f"line {match['line']}: {match['message']}", group, rule)


def _quoting_problem(file: Path, output: str) -> Problem:
    """A finding without any place; what it quotes last leads to the rule, if it is in the file."""
    reason = _reason(file, output)
    quoted = re.findall(r'"([^"]+)"', reason)
    lines = file.read_text(encoding="utf-8").splitlines() if quoted and file.is_file() else []
    for number, text in enumerate(lines, start=1):
        if quoted[-1] in text:
            return Problem(str(file), reason, *_at_line(file, number))
    return Problem(str(file), reason)


def _at_line(file: Path, line: int) -> tuple[str, str]:
    """The group and the rule that begin last at or before ``line``; empty where there is none."""
    group = rule = ""
    for number, text in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if number > line:
            break
        if match := re.match(r"\s*(?:- )?(record|alert|name):\s*(\S+)", text):
            if match[1] == "name":
                group, rule = match[2], ""
            else:
                rule = match[2]
    return group, rule


def _unmet_expectations(file: Path, output: str) -> list[Problem]:
    problems = []
    rule_files = [
        file.parent / name for name in read_yaml(file.read_text(encoding="utf-8"))["rule_files"]
    ]
    for block in re.split(r"\n\s*\n", output):
        alert, expr = _TEST_ALERT.search(block), _TEST_EXPR.search(block)
        if not (unmet := alert or expr):
            continue
        name = _TEST_NAME.search(block)
        test = f"test {name['name']!r}: " if name else ""
        detail = difference(block[unmet.end() :])
        rule = alert["rule"] if alert else _rule_in(expr["expr"], rule_files) if expr else ""
        message = f"{test}at {unmet['time']}: {detail}"
        problems.append(Problem(str(file), message, _group_of(rule, rule_files), rule))
    return problems


def _rule_in(expr: str, rule_files: list[Path]) -> str:
    """The first rule whose name is in ``expr``; ``expr`` itself if there is none."""
    names = (name for _, name in _rules(rule_files) if name in expr)
    return next(names, expr)


def _group_of(rule: str, rule_files: list[Path]) -> str:
    return next((group for group, name in _rules(rule_files) if name == rule), "")


def _rules(rule_files: list[Path]) -> Iterator[tuple[str, str]]:
    """The group and the name of each rule."""
    for file in rule_files:
        for group in read_yaml(file.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                yield group["name"], rule.get("record") or rule.get("alert")


def _reason(file: Path, output: str) -> str:
    """What is said after FAILED, or everything, in one line that doesn't name ``file`` again."""
    match = _FAILED.search(output)
    text = (match["message"] if match else output).split("amtool: error:")[0]
    lines = (line.strip().removeprefix(f"{file}: ") for line in text.splitlines())
    return " ".join(filter(None, dict.fromkeys(lines)))
