"""Rules for other engines: each takes what is exported for it, by its own checker where it has one.

vmalert is Debian's, of 1.79: the oldest that the export is made for.
"""

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from alerts import paths
from alerts.export import ranges, splitting
from alerts.export.adaptation import adapted
from alerts.export.engines import ALLOWANCES, Engine
from alerts.export.files import MIMIR_FILE, exported, exported_notifications
from alerts.export.jobs import in_expression
from alerts.export.options import Options
from alerts.notifications.channels import Channel, Secrets
from alerts.notifications.settings import NotificationSettings
from prometheus_tools import promtool
from prometheus_tools.toolchain import ToolMissing, locate_other_engine
from prometheus_tools.yaml_reading import read_all_yaml, read_yaml
from tests.not_empty import not_empty

RULES = {file.name: file.read_text() for file in sorted(paths.RULES.glob("*.yml"))}
MIMIR = Options(Engine.MIMIR)
OF_PROMETHEUS = re.compile(r"(?<![\w:])prometheus_(tsdb|config|target|remote_storage)")
MAIL = NotificationSettings(email_to="on-call@example.com")


def written(folder: Path, files: dict[str, str]) -> Iterator[Path]:
    for name, text in not_empty(files.items()):
        (folder / name).write_text(text)
        yield folder / name


def rules_of(groups: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [rule for of_file in groups.values() for group in of_file for rule in group["rules"]]


def names(rules: list[dict[str, Any]]) -> list[str]:
    return [rule.get("alert") or rule["record"] for rule in rules]


@pytest.mark.parametrize("engine", [Engine.PROMETHEUS, Engine.MIMIR])
def test_promtool_takes_them(engine: Engine, tmp_path: Path) -> None:
    for file in written(tmp_path, exported(RULES, Options(engine))):
        if engine is Engine.MIMIR:
            groups = read_yaml(file.read_text())["groups"]
            file.write_text(yaml.safe_dump({"groups": groups}))
        promtool.check_rules(file)


def test_vmalert_takes_them(tmp_path: Path) -> None:
    try:
        vmalert = locate_other_engine("vmalert")
    except ToolMissing as missing:
        pytest.skip(f"vmalert can't be had: {missing.reason}")
    files = exported(RULES, Options(Engine.VMALERT, vmalert=(1, 79)))
    given = [f"-rule={file}" for file in written(tmp_path, files)]
    done = subprocess.run(
        [vmalert.path, "-dryRun", *given], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_mimir_takes_groups_of_that_size() -> None:
    document = read_yaml(exported(RULES, Options(Engine.MIMIR, namespace="sms"))[MIMIR_FILE])
    sizes = {group["name"]: len(group["rules"]) for group in document["groups"]}
    assert document["namespace"] == "sms"
    assert max(sizes.values()) <= (ALLOWANCES[Engine.MIMIR].rules_per_group or 0)
    assert len(sizes) == len(document["groups"]), "names of groups are unique"


def test_no_rule_is_lost_or_told_twice() -> None:
    every = rules_of(adapted(RULES, Options(Engine.PROMETHEUS)))
    here, mimir = Counter(names(every)), Counter(names(rules_of(adapted(RULES, MIMIR))))
    assert mimir - here == Counter()
    # What reads the store, the configuration or the targets of a Prometheus, by way of records too.
    gone = {*(here - mimir)}
    told = {
        name
        for name, rule in zip(names(every), every, strict=True)
        if gone & splitting.names_in(rule["expr"]) or OF_PROMETHEUS.search(rule["expr"])
    }
    assert gone <= told


class TestSelfMonitoring:
    def test_mimir_tells_of_its_rules_under_another_name(self) -> None:
        rules = rules_of(adapted(RULES, Options(Engine.MIMIR)))
        failing = next(
            rule for rule in rules if "rule_evaluation_failures:" in rule.get("record", "")
        )
        assert "cortex_prometheus_rule_evaluation_failures_total" in failing["expr"]
        assert {"RuleEvaluationFailing", "AlertsUndelivered"} <= {*names(rules)}

    @pytest.mark.parametrize("engine", [Engine.MIMIR, Engine.VMALERT])
    def test_what_an_engine_does_not_tell_is_left_out(self, engine: Engine) -> None:
        rules = rules_of(adapted(RULES, Options(engine)))
        for rule in not_empty(rules):
            assert not OF_PROMETHEUS.search(rule["expr"])
        assert "Watchdog" in names(rules)
        assert "TSDBTrouble" not in names(rules)
        assert "AlertmanagerNotificationsFailing" in names(rules)

    def test_vmalert_counts_changes_as_prometheus_does(self) -> None:
        rules = rules_of(adapted(RULES, Options(Engine.VMALERT)))
        every = "\n".join(rule["expr"] for rule in rules)
        assert "changes_prometheus(" in every
        assert not re.search(r"\bchanges\(", every)

    def test_vmalert_tells_nothing_of_prometheus(self) -> None:
        rules = rules_of(adapted(RULES, Options(Engine.VMALERT)))
        own = [
            name
            for rule in rules
            for name in splitting.names_in(rule["expr"])
            if name.startswith("prometheus_")
        ]
        assert own == []
        assert "RuleEvaluationFailing" not in names(rules)


class TestOperator:
    def test_its_models_take_the_resources(self) -> None:
        options = Options(Engine.OPERATOR, namespace="sms", labels={"release": "stack"})
        files = exported(RULES, options)
        every = Secrets.of(*(channel for channel in Channel if channel is not Channel.TEAMS))
        files |= exported_notifications(every, MAIL, options)
        resources = [each for text in files.values() for each in read_all_yaml(text)]
        kinds = {each["kind"] for each in resources}
        assert kinds == {"PrometheusRule", "AlertmanagerConfig", "ConfigMap"}
        for resource in not_empty(resources):
            assert resource["metadata"]["namespace"] == "sms"
            assert resource["metadata"]["labels"] == {"release": "stack"}
        # No secret is in them, only the name of the one that holds it.
        assert "secrets/" not in "".join(files.values())

    def test_what_the_resource_can_t_say_is_refused_with_the_way_that_can(self) -> None:
        options = Options(Engine.OPERATOR)
        with pytest.raises(ValueError, match=r"no Teams workflows; .*configSecret"):
            exported_notifications(Secrets.of(Channel.TEAMS), MAIL, options)
        elsewhere = NotificationSettings(quiet_hours=True, time_zone="Europe/Berlin")
        with pytest.raises(ValueError, match=r"ALERTS_TIME_ZONE=Europe/Berlin"):
            exported_notifications(Secrets.of(Channel.WEBHOOK), elsewhere, options)


class TestJobs:
    def test_each_matcher_is_renamed(self) -> None:
        jobs = {"orchestrator": "sms/api"}
        assert in_expression('up{job="orchestrator"}', jobs) == 'up{job="sms/api"}'
        assert in_expression('up{job=~"node|orchestrator"}', jobs) == 'up{job=~"node|sms/api"}'
        assert in_expression('up{job!="prometheus"}', jobs) == 'up{job!="prometheus"}'
        dotted = {"node": "node.exporter"}
        assert in_expression('up{job=~"node"}', dotted) == r'up{job=~"node\\.exporter"}'

    def test_nothing_of_the_old_name_is_left(self) -> None:
        rules = rules_of(adapted(RULES, Options(Engine.PROMETHEUS, {"orchestrator": "sms"})))
        asked = [rule for rule in rules if "job=" in rule["expr"]]
        assert any('job="sms"' in rule["expr"] for rule in asked)
        for rule in not_empty(asked):
            assert '"orchestrator"' not in rule["expr"]
            assert rule.get("labels", {}).get("job") != "orchestrator"

    def test_a_job_that_no_rule_asks_for_is_refused_with_the_nearest(self) -> None:
        with pytest.raises(ValueError, match="no job is called orchestrater; did you mean orch"):
            adapted(RULES, Options(Engine.PROMETHEUS, {"orchestrater": "sms"}))


class TestRanges:
    def test_short_ones_hold_four_scrapes(self) -> None:
        assert ranges.stretched("rate(x[1m])", 30) == "rate(x[2m])"
        assert ranges.stretched("rate(x[1m])", 20) == "rate(x[80s])"
        assert ranges.stretched("rate(x[5m])", 60) == "rate(x[5m])"

    def test_what_reads_records_stays(self) -> None:
        expr = "sum_over_time(job:x:rate5m[1h:1m])"
        assert ranges.stretched(expr, 60) == expr

    def test_nothing_changes_at_the_bundle_s_own_interval(self) -> None:
        for rule in not_empty(rules_of(adapted(RULES, Options(Engine.PROMETHEUS)))):
            assert ranges.stretched(rule["expr"], 15) == rule["expr"]


class TestSplitting:
    def test_what_reads_a_record_stays_with_it(self) -> None:
        rules = [
            {"record": "job:a:x", "expr": "rate(a[5m])"},
            {"record": "job:b:x", "expr": "rate(b[5m])"},
            {"alert": "B", "expr": "job:b:x > 1"},
            {"alert": "A", "expr": "job:a:x > 1"},
        ]
        parts = list(splitting.split({"name": "g", "interval": "1m", "rules": rules}, 2))
        assert [names(part["rules"]) for part in parts] == [["job:a:x", "A"], ["job:b:x", "B"]]
        assert [part["name"] for part in parts] == ["g-1", "g-2"]
        assert {part["interval"] for part in parts} == {"1m"}

    def test_a_chain_that_is_too_long_is_cut(self) -> None:
        rules = [{"record": f"job:a:x{n}", "expr": f"job:a:x{n - 1}"} for n in range(5)]
        parts = list(splitting.split({"name": "g", "rules": rules}, 2))
        assert [len(part["rules"]) for part in parts] == [2, 2, 1]


def test_a_record_that_is_left_out_but_read_is_named() -> None:
    with pytest.raises(ValueError, match=r"group throughput_long reads job_flow:throughput"):
        adapted(RULES, Options(Engine.PROMETHEUS, without=frozenset({"throughput"})))


def test_alerts_that_miss_a_job_that_nobody_scrapes_are_left_out() -> None:
    options = Options(Engine.PROMETHEUS, absent_jobs=frozenset({"node"}))
    every = rules_of(adapted(RULES, Options(Engine.PROMETHEUS)))
    kept = rules_of(adapted(RULES, options))
    (gone,) = [each for each in every if each not in kept]
    assert (gone["alert"], gone["labels"]["job"]) == ("TargetDown", "node")
    with pytest.raises(ValueError, match=r"no job is called nod; did you mean node\?"):
        adapted(RULES, Options(Engine.PROMETHEUS, absent_jobs=frozenset({"nod"})))


def test_what_the_docs_say_can_be_left_out_can() -> None:
    left_out = frozenset({"monitoring", "arrivals", "growth", "node"})
    assert (
        adapted(RULES, Options(Engine.PROMETHEUS, without=left_out)).keys()
        == {file.removesuffix(".yml") for file in RULES} - left_out
    )


def test_alerts_wait_for_as_long_as_their_ranges_grew() -> None:
    def pending(scrape_seconds: int) -> dict[str, str]:
        options = Options(Engine.PROMETHEUS, scrape_seconds=scrape_seconds)
        return {r["alert"]: r["for"] for r in rules_of(adapted(RULES, options)) if "for" in r}

    assert (pending(15)["AIProviderFailing"], pending(30)["AIProviderFailing"]) == ("90s", "150s")


@pytest.mark.parametrize(
    ("jobs", "said"),
    [
        ({"orchestrator": "prometheus"}, "two jobs would be called prometheus"),
        ({"orchestrator": 'a"b'}, "no quote, backslash"),
    ],
)
def test_names_of_jobs_that_can_t_be(jobs: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        adapted(RULES, Options(Engine.PROMETHEUS, jobs))


def test_a_namespace_that_can_t_be() -> None:
    with pytest.raises(ValueError, match="--namespace 'a b/C'"):
        exported(RULES, Options(Engine.OPERATOR, namespace="a b/C"))
