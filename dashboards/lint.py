"""What makes a dashboard broken, empty or misleading, found in its JSON.

The rules of Grafana's dashboard-linter, and our own. Each finding names the dashboard, the panel
and the fix.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain, product
from typing import Any
from urllib.parse import urlsplit

from promql_parser import Call, MatchOp, MatrixSelector, VectorSelector

from alerts.exporters import ALERTS, ALERTS_FOR_STATE, UP
from alerts.expressions import Vocabulary
from alerts.identity import IDENTITY
from alerts.model import Dashboard, Group, Signal, records
from alerts.promql import seconds
from alerts.semantics import Semantics
from alerts.signals.scraping import REACHABLE
from app.core import catalogue
from dashboards import legible, schema
from dashboards.board import GRID_WIDTH, LEAST_WIDTH, TILES_IN_A_ROW
from dashboards.deployments import is_told_apart, legend_with_where
from dashboards.legible import OVER_TIME, headings, settings_of
from dashboards.links import TAG
from dashboards.panels.states import UNKNOWN_STATE
from dashboards.preview.screen import controls_lines
from dashboards.queries import (
    annotation_queries,
    is_prometheus,
    panels,
    queries,
    selectors_in,
    series_in,
    variables,
)
from dashboards.sources import LONG_RANGE_SECONDS, Gate, gates, unasked
from prometheus_tools.promql_nodes import nodes

Document = Mapping[str, Any]

SAYS_WHAT_IS_GOOD = re.compile(r"\b(Good|good|Promised|Usual|should)\b")

_LINES_OF_CONTROLS = 2
_OF_THE_PRESENT = ("stat", "bargauge", "state-timeline", "table")
_COLOURED_BY_VALUE = ("stat", "bargauge", "state-timeline")
_OF_SEVERAL = ("state-timeline", "table")
_SAY_WHO_IS_REACHED = {str(REACHABLE), UP.name, catalogue.BACKGROUND_TASK_FAILURES.name}
_IS_THERE = ("group", "present_over_time")
"""How it is asked whether anything is known at all."""
_WORST = {"and": "min", "unless": "max"}
"""How what holds is asked of all at once, so that the answer is that of the worst."""
_NAMED = ("timeseries", "bargauge")
_COLOURS_OF_THE_PALETTE = "palette"
_CLAIMS_NOTHING = re.compile(r"(No data|Not known)(; .+)?")
"""A reason stands there whatever the reason is, also when Prometheus can't be asked."""
_SAYS_NOT_KNOWN = f"vector({UNKNOWN_STATE})"
_OF_ALERTS = {ALERTS, ALERTS_FOR_STATE}
_OF_DEPLOYMENT = {*IDENTITY, "job"}
_ROW_OF_ALERT = re.compile(r"\|(?P<uid>[\w-]+)\|(?:viewPanel=panel-(?P<panel>\d+))?\"")
"""The end of what is packed into the row of an alert: where a click on it leads."""


def problems(
    documents: Mapping[str, Document], groups: Sequence[Group], scrape_seconds: float
) -> list[str]:
    """What is wrong in the dashboards, by the name of their files; empty when nothing is."""
    known = records(groups)
    vocabulary, semantics = Vocabulary(known), Semantics(known, scrape_seconds)
    signals = [signal for group in groups for signal in group.signals]
    found = [
        f"{name}: {problem}"
        for name, document in documents.items()
        for problem in (
            *schema.problems(dict(document)),
            *_of_dashboard(document),
            *_of_layout(document),
            *legible.problems(document),
            *_of_panels(document),
            *_of_what_is_not_known(document),
            *_of_the_present(document),
            *_of_deployments(document, semantics),
            *_of_colours(document),
            *_of_repetitions(document),
            *_of_queries(document, vocabulary, semantics),
            *_of_thresholds(document, signals),
            *_of_links(document, documents.values()),
        )
    ]
    of_all = (_of_set(documents), _of_alerts(documents, groups), _of_rows(documents))
    return [*found, *chain.from_iterable(of_all)]


def _of_dashboard(document: Document) -> Iterator[str]:
    if document.get("editable") is not False:
        yield "can be changed in Grafana, where the change is lost; set editable to false"
    if TAG not in document.get("tags", []):
        yield f"has no tag {TAG}, by which the others link to it; add it"
    if not str(document.get("description", "")).startswith("For "):
        yield 'does not say whom it is for; begin its description with "For "'
    yield from _of_variables(document)
    leading = [link for link in document.get("links", []) if link.get("tags") == [TAG]]
    if not any(link.get("keepTime") and link.get("includeVars") for link in leading):
        yield f"does not lead to the others; link by tag {TAG} with keepTime and includeVars"


def _of_variables(document: Document) -> Iterator[str]:
    offered = document.get("templating", {}).get("list", [])
    if not any(each["type"] == "datasource" for each in offered):
        yield "has no variable datasource; add it"
    for each in offered:
        where = f"variable {each['name']}"
        if each["type"] == "query" and each.get("refresh") != 2:
            yield f"{where}: is not read again when the time range changes; set refresh to 2"
        if each.get("includeAll") and not each.get("allValue"):
            yield f"{where}: All is an empty choice where nothing is on offer; set allValue"
        if each["type"] == "datasource" and each["current"].get("value") != "default":
            yield f"{where}: takes the first data source by name; choose the default one"
        others = [
            text
            for other in offered
            if other is not each
            for text in (other["query"], (other.get("datasource") or {}).get("uid", ""))
        ]
        if not _reads(each["name"], [*_texts(document), *others]):
            yield f"{where}: no panel reads it, so that a choice changes nothing; leave it out"


def _reads(name: str, texts: Iterable[str]) -> bool:
    written = re.compile(rf"\$(?:{name}\b|\{{{name}\b)")
    return any(written.search(text) for text in texts)


def _texts(document: Document) -> Iterator[str]:
    """What may read a variable: queries of panels and annotations, and their data sources."""
    yield from (each["expr"] for each in document.get("annotations", {}).get("list", []))
    for panel in panels(document):
        yield panel.get("datasource", {}).get("uid", "")
        yield from (target["expr"] for target in panel.get("targets", []))


def _of_what_is_not_known(document: Document) -> Iterator[str]:
    """Nothing that is not known looks good, or says that all is well."""
    for panel in panels(document):
        where = f"panel {panel['title']!r}"
        defaults = panel["fieldConfig"]["defaults"]
        if panel["type"] in _COLOURED_BY_VALUE:
            special = [each for each in defaults.get("mappings", []) if each["type"] == "special"]
            if not any(each["options"]["match"] == "null+nan" for each in special):
                yield f"{where}: gives no value the colour of the first step; map null+nan"
        if panel["type"] == "state-timeline" and defaults["color"]["mode"] == "thresholds":
            yield f"{where}: Grafana would write ranges for states; use another colour mode"
        options = panel.get("options", {})
        calcs = options.get("reduceOptions", {}).get("calcs", ["last"])
        if calcs != ["last"]:
            yield f"{where}: shows what was known last as if it were so now; reduce by last"
        if any(each.startswith("last") for each in options.get("legend", {}).get("calcs", ())):
            yield (
                f"{where}: its legend says of a series that has ended what was last, as if it were "
                "so now; show the mean or the highest"
            )
        if panel["type"] == "table":
            yield from _of_empty_cells(panel)
        empty = defaults.get("noValue", "No data")
        if not _CLAIMS_NOTHING.fullmatch(empty):
            yield (
                f"{where}: says {empty!r} also when nothing is known; write 'Not known', or "
                "'Not known; ' and what it takes to know"
            )
        yield from _of_empty_drawings(panel)


def _of_the_present(document: Document) -> Iterator[str]:
    """What is shown as of now is known now."""
    for panel in panels(document):
        if panel["type"] in _OF_THE_PRESENT and is_prometheus(panel):
            for target in panel["targets"]:
                for name in sorted(unasked(target["expr"])):
                    yield (
                        f"panel {panel['title']!r}: shows {name} for minutes after its source is "
                        "gone; ask through known.now, as the kinds of panels do"
                    )


def _of_deployments(document: Document, semantics: Semantics) -> Iterator[str]:
    """One that can't be reached hides none that can, and is not hidden by one."""
    for panel in filter(is_prometheus, panels(document)):
        where = f"panel {panel['title']!r}"
        has_several = panel["type"] in _OF_SEVERAL or (
            panel["type"] == "bargauge" and "{{" in panel["targets"][0]["legendFormat"]
        )
        for target in panel["targets"]:
            names_all = panel["type"] == "state-timeline" or (
                panel["type"] in _NAMED and is_told_apart(target["expr"])
            )
            if names_all and not target["legendFormat"].endswith(legend_with_where("")):
                yield f"{where}: names don't say which deployment they are of; end legends in where"
            for gate in _gates_of_deployments(target["expr"]):
                found = _of_gate(gate, semantics, has_several, panel["type"] in _OF_THE_PRESENT)
                yield from (f"{where}: {problem}" for problem in found)


def _of_gate(
    gate: Gate, semantics: Semantics, has_several: bool, is_present: bool
) -> Iterator[str]:
    labels = semantics.labels_of(gate.held)
    says_which = labels is not None and labels.issuperset(IDENTITY)
    if says_which and gate.on is not None and not gate.on.issuperset(IDENTITY):
        yield (
            "is empty for all deployments while one can't be reached; match "
            f"on ({', '.join(IDENTITY)}), as known.while_there does"
        )
    elif not says_which and has_several:
        yield (
            "is of all deployments together, so that it is empty while one can't be reached; keep "
            f"by ({', '.join(IDENTITY)}, …)"
        )
    elif not says_which and is_present and gate.how != _WORST[gate.operator]:
        yield (
            "is of all deployments together and goes on without one that can't be reached; ask "
            f"for the {_WORST[gate.operator]} of them, as known.while_there does"
        )


def _gates_of_deployments(expr: str) -> Iterator[Gate]:
    """What in ``expr`` is shown while deployments can be reached, all or each of them."""
    try:
        found = list(gates(expr))
    except ValueError:
        return
    for gate in found:
        is_of_age = isinstance(gate.held, VectorSelector) and gate.held.name in gate.series
        if gate.series & _SAY_WHO_IS_REACHED and gate.how not in _IS_THERE and not is_of_age:
            yield gate


def _of_empty_drawings(panel: Mapping[str, Any]) -> Iterator[str]:
    """Grafana writes an error of its own where there is no lane, and not the panel's text."""
    if panel["type"] != "state-timeline":
        return
    exprs = [target["expr"] for target in panel["targets"]]
    if not any(_SAYS_NOT_KNOWN in expr for expr in exprs):
        yield f"panel {panel['title']!r}: has an error where no lane has a series; add one unknown"
    if any("NaN" in expr for expr in exprs):
        yield f"panel {panel['title']!r}: says 'No' at each step for NaN; use UNKNOWN_STATE"


def _of_empty_cells(panel: Mapping[str, Any]) -> Iterator[str]:
    """A table that says nothing of what it doesn't know looks as if nothing were wrong."""
    where = f"panel {panel['title']!r}"
    if "vector(" not in panel["targets"][0]["expr"]:
        yield f"{where}: is blank where nothing is known; add a row that says so"
    settings = settings_of(panel)
    for name, heading in headings(panel).items():
        mapped = settings.get(heading, {}).get("mappings", [])
        special = [each["options"] for each in mapped if each["type"] == "special"]
        if name.startswith("Value") and not any(
            each["match"] == "null+nan" and _CLAIMS_NOTHING.fullmatch(each["result"]["text"])
            for each in special
        ):
            yield f"{where}: leaves a cell of {heading!r} empty; map null+nan to 'Not known'"


def _of_colours(document: Document) -> Iterator[str]:
    """Green and red mean something: no series has them because of its place in a legend."""
    for panel in panels(document):
        settings = panel["fieldConfig"]
        colours = [settings["defaults"].get("color", {})]
        colours += [each.get("color", {}) for each in settings_of(panel).values()]
        if any(each.get("mode", "").startswith(_COLOURS_OF_THE_PALETTE) for each in colours):
            yield f"panel {panel['title']!r}: takes colours from the palette; use fixed or shades"


def _of_repetitions(document: Document) -> Iterator[str]:
    """The same question twice, or a link to where one is."""
    asked: dict[tuple[str, str], str] = {}
    for panel in panels(document):
        where = f"panel {panel['title']!r}"
        key = (panel["type"], str([target["expr"] for target in panel.get("targets", [])]))
        first = asked.setdefault(key, panel["title"])
        if first != panel["title"]:
            yield f"{where}: asks what {first!r} asks; leave one of them out"
        for link in (*panel.get("links", []), *panel["fieldConfig"]["defaults"].get("links", [])):
            if urlsplit(link["url"]).path == f"/d/{document.get('uid')}":
                yield f"{where}: link {link['title']!r} leads to its own dashboard; leave it out"


def _of_layout(document: Document) -> Iterator[str]:
    tiles = Counter(panel["gridPos"]["y"] for panel in panels(document) if panel["type"] == "stat")
    for y, count in tiles.items():
        if count > TILES_IN_A_ROW:
            yield f"{count} numbers side by side at {y}: titles are cut; {TILES_IN_A_ROW} at most"
    lines = controls_lines(document, legible.WINDOW)
    if lines > _LINES_OF_CONTROLS:
        yield f"its variables take {lines} lines; {_LINES_OF_CONTROLS} at most, so leave one out"
    for panel in panels(document):
        if panel["type"] in OVER_TIME and panel["gridPos"]["w"] < LEAST_WIDTH:
            yield f"panel {panel['title']!r}: is too narrow to be read; {LEAST_WIDTH} at least"
    ids = Counter(
        each["id"]
        for panel in document.get("panels", [])
        for each in (panel, *panel.get("panels", []))
    )
    for panel_id, count in ids.items():
        if count > 1:
            yield f"{count} panels have the id {panel_id}; give them different titles"
    taken: dict[tuple[int, int], str] = {}
    for panel in document.get("panels", []):
        for inner in (panel, *panel.get("panels", [])):
            place = inner["gridPos"]
            if place["x"] + place["w"] > GRID_WIDTH:
                yield f"panel {inner['title']!r}: reaches beyond the grid; make it narrower"
        others = {taken.setdefault(cell, panel["title"]) for cell in _cells(panel["gridPos"])}
        for other in sorted(others - {panel["title"]}):
            yield f"panel {panel['title']!r}: lies upon {other!r}; move it"


def _cells(place: Mapping[str, int]) -> Iterator[tuple[int, int]]:
    """The cells of the grid that a panel takes."""
    columns = range(place["x"], place["x"] + place["w"])
    lines = range(place["y"], place["y"] + place["h"])
    return product(columns, lines)


def _of_panels(document: Document) -> Iterator[str]:
    titles = Counter(panel.get("title", "") for panel in panels(document))
    for title, count in titles.items():
        if count > 1:
            yield f"{count} panels are called {title!r}; tell them apart"
    for panel in panels(document):
        where = f"panel {panel.get('title', '')!r}"
        if not panel.get("title"):
            yield f"{where}: has no title; name the quantity it shows, or the question it answers"
        description = panel.get("description", "")
        if is_prometheus(panel) and not SAYS_WHAT_IS_GOOD.search(description):
            yield f"{where}: does not say what good looks like; add it to the description"
        if not description:
            yield f"{where}: has no description; say what it shows and what good looks like"
        if not panel["fieldConfig"]["defaults"].get("unit"):
            yield f"{where}: has no unit; give it one"
        if panel.get("datasource", {}).get("uid") not in ("${datasource}", "${logs}"):
            yield f"{where}: has a data source of its own; use the variable datasource or logs"
        for target in panel.get("targets", []):
            query = f"{where}: query {target.get('refId')}"
            if target.get("datasource") != panel.get("datasource"):
                yield f"{query} asks another data source than its panel; give it the same"
            if panel["type"] not in ("table", "logs") and not target.get("legendFormat"):
                yield f"{query} has no legend; say what its series are"


def _of_queries(document: Document, vocabulary: Vocabulary, semantics: Semantics) -> Iterator[str]:
    try:
        chosen = dict.fromkeys(variables(document), ".+")
        asked = list(queries(document, chosen))
        marks = list(annotation_queries(document, chosen))
    except ValueError as error:
        yield str(error)
        return
    for kind, found in (("panel", asked), ("annotation", marks)):
        for query in found:
            problems = vocabulary.problems(query.expr) or [
                *semantics.problems(query.expr),
                *_of_ranges(query.expr),
            ]
            for problem in problems:
                yield f"{kind} {query.panel!r}: {problem}"
    for panel in panels(document):
        if is_prometheus(panel):
            for target in panel["targets"]:
                yield from _of_choices(f"panel {panel['title']!r}", target["expr"], document)
    for mark in document.get("annotations", {}).get("list", []):
        yield from _of_choices(f"annotation {mark['name']!r}", mark["expr"], document)


def _of_choices(where: str, expr: str, document: Document) -> Iterator[str]:
    """Each series is filtered by something that is chosen on the dashboard; alerts by all of it."""
    chosen = variables(document)
    for selector in selectors_in(expr):
        values = [matcher.value for matcher in selector.matchers.matchers]
        read = {name for name in chosen if _reads(name, values)}
        names_its_job = any(
            matcher.name == "job" and matcher.op is MatchOp.Equal
            for matcher in selector.matchers.matchers
        )
        if selector.name in _OF_ALERTS:
            for name in sorted(chosen & _OF_DEPLOYMENT - read):
                yield (
                    f"{where}: {selector.name} is shown whatever {name} is chosen; filter it by "
                    "choices.ALERTS_OF"
                )
        elif not read and not names_its_job:
            yield (
                f"{where}: {selector.name} is shown of every job, whatever is chosen; add "
                'job=~"$job"'
            )
        else:
            for name in sorted(chosen & {*IDENTITY} - read):
                yield (
                    f"{where}: {selector.name} is shown whatever {name} is chosen; filter it by "
                    "choices.DEPLOYMENT"
                )


def _of_ranges(expr: str) -> Iterator[str]:
    """Rates over a fixed short range miss what lies between two points of a longer view."""
    # $__rate_interval has been filled in as 1m.
    for length in _rate_ranges(expr):
        if seconds("1m") < length < LONG_RANGE_SECONDS:
            yield (
                f"a rate over {length:g}s, whatever the time between two points; write "
                "[$__rate_interval], or read a record"
            )


@cache
def _rate_ranges(expr: str) -> tuple[float, ...]:
    return tuple(
        each.range.total_seconds()
        for node in nodes(expr)
        if isinstance(node, Call) and node.func.name in ("rate", "increase", "irate")
        for each in node.args
        if isinstance(each, MatrixSelector)
    )


def _of_thresholds(document: Document, signals: Iterable[Signal]) -> Iterator[str]:
    """Lines are at the values of alerts, and nowhere else."""
    by_series: dict[str, set[float]] = {}
    for signal in signals:
        values = {threshold.value for threshold in signal.thresholds}
        # A signal of no series, such as the Watchdog, is known by its title.
        for name in series_in(str(signal.source)) or {signal.title}:
            by_series.setdefault(name, set()).update(values)
    for panel in panels(document):
        defaults = panel["fieldConfig"]["defaults"]
        style = defaults.get("custom", {}).get("thresholdsStyle", {}).get("mode", "off")
        if style == "off" or not is_prometheus(panel):
            continue
        drawn = {step["value"] for step in defaults["thresholds"]["steps"]} - {None}
        read = {n for target in panel["targets"] for n in series_in(target["expr"])}
        read = read or {panel["title"]}
        declared = set().union(*(by_series.get(name, set()) for name in read))
        for value in sorted(drawn - declared):
            yield (
                f"panel {panel['title']!r}: draws a threshold at {value:g} that no alert has; "
                "pass the signal to the panel"
            )


def _of_links(document: Document, all_of_them: Iterable[Document]) -> Iterator[str]:
    uids = {each.get("uid") for each in all_of_them}
    names = variables(document)
    for panel in panels(document):
        for link in (*panel.get("links", []), *panel["fieldConfig"]["defaults"].get("links", [])):
            where = f"panel {panel['title']!r}: link {link['title']!r}"
            path = urlsplit(link["url"]).path
            if path.startswith("/d/") and path.split("/")[2] not in uids:
                yield f"{where}: there is no dashboard {path.split('/')[2]}; name one that there is"
            for name in re.findall(r"\$\{(\w+):queryparam\}", link["url"]):
                if name not in names:
                    yield f"{where}: hands on ${name}, which this dashboard has not; leave it out"


def _of_set(documents: Mapping[str, Document]) -> Iterator[str]:
    by_uid: dict[str, list[str]] = {}
    for name, document in documents.items():
        by_uid.setdefault(str(document.get("uid", "")), []).append(name)
    for uid, names in by_uid.items():
        if len(names) > 1:
            yield (
                f"{' and '.join(names)}: have the same uid {uid}, so that one replaces the other; "
                "give each a member of alerts.model.Dashboard"
            )
        if uid not in list(Dashboard):
            yield f"{names[0]}: uid {uid!r} is not in alerts.model.Dashboard; add it there"


def _of_rows(documents: Mapping[str, Document]) -> Iterator[str]:
    """A click on the row of an alert opens a panel that there is."""
    there = {
        (document["uid"], str(panel["id"]))
        for document in documents.values()
        for panel in panels(document)
    }
    for name, document in documents.items():
        for panel in panels(document):
            for target in panel.get("targets", []):
                for row in _ROW_OF_ALERT.finditer(target["expr"]):
                    # Of some of the set alone, the others' panels are not known.
                    known = row["uid"] in {uid for uid, _ in there}
                    if known and (row["uid"], row["panel"]) not in there:
                        yield (
                            f"{name}: panel {panel['title']!r}: a row leads to {row['uid']} and "
                            "to no panel of it; name the one that shows its signal"
                        )


def _of_alerts(documents: Mapping[str, Document], groups: Iterable[Group]) -> Iterator[str]:
    """An alert leads to a dashboard that shows what it is about."""
    shown: dict[str, set[str]] = {
        document["uid"]: {
            name
            for panel in panels(document)
            if is_prometheus(panel)
            for target in panel["targets"]
            for name in series_in(target["expr"])
        }
        for document in documents.values()
    }
    for group in groups:
        for signal in group.signals:
            uid = signal.dashboard or group.dashboard
            read = series_in(str(signal.source))
            if signal.thresholds and read and not read & shown.get(uid, set()):
                alert = signal.thresholds[0].alert
                yield (
                    f"{uid}: alert {alert} leads here, and no panel shows {signal.title!r}; add "
                    "signal(…), or name another dashboard in its declaration"
                )
