"""Other names for the jobs: in expressions and in the labels that rules set."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

Rule = dict[str, Any]

_MATCHER = re.compile(r'\bjob(?P<op>=~|!~|!=|=)"(?P<value>[^"]*)"')


def renamed(rule: Rule, jobs: Mapping[str, str]) -> Rule:
    """``rule`` with each job of ``jobs`` called as it says."""
    found = {**rule, "expr": in_expression(rule["expr"], jobs)}
    if (own := rule.get("labels", {}).get("job")) in jobs:
        found["labels"] = {**rule["labels"], "job": jobs[own]}
    return found


def named_in(groups: Mapping[str, Iterable[dict[str, Any]]]) -> set[str]:
    """The jobs that the rules of ``groups``, by file, ask for by name."""
    return {
        name
        for of_file in groups.values()
        for group in of_file
        for rule in group["rules"]
        for match in _MATCHER.finditer(rule["expr"])
        for name in match["value"].split("|")
    }


def require_apart(jobs: Mapping[str, str], known: set[str]) -> None:
    """ValueError where two jobs would have one name, or one that PromQL can't quote."""
    names = [jobs.get(job, job) for job in sorted(known)]
    for new in jobs.values():
        if names.count(new) > 1:
            raise ValueError(f"two jobs would be called {new}; give each a name of its own")
        if set(new) & {'"', "\\", "\n"}:
            raise ValueError(
                f"--job …={new}: a job's name can hold no quote, backslash or line end"
            )


def in_expression(expr: str, jobs: Mapping[str, str]) -> str:
    """``expr`` with the matchers of ``job`` renamed, those that list several too."""

    def other(match: re.Match[str]) -> str:
        is_regex = match["op"].endswith("~")
        names = match["value"].split("|") if is_regex else [match["value"]]
        written = [_written(jobs[name], is_regex) if name in jobs else name for name in names]
        return f'job{match["op"]}"{"|".join(written)}"'

    return _MATCHER.sub(other, expr)


def _written(name: str, is_regex: bool) -> str:
    # A backslash counts twice: once for PromQL's string, once for the regex.
    return re.escape(name).replace("\\-", "-").replace("\\", "\\\\") if is_regex else name
