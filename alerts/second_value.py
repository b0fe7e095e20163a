"""A second number in an alert's text, such as what is usual beside what is: asked when it fires.

An alert has one value. What else its reader needs is another series of the same service: the one
with the labels of the alert itself, whatever labels tell services apart here. A text that asks for
one begins with `same_service`.
"""

from collections.abc import Iterable

from alerts.model import Record


def same_service(*apart_from: str) -> str:
    """The template that remembers which service it is, and writes nothing.

    ``apart_from`` are labels of the alert that the series asked for don't have.
    """
    others = "".join(f' (ne $name "{name}")' for name in ("__name__", *apart_from))
    return (
        '{{ $same := "" }}{{ range $name, $value := $labels }}'
        f"{{{{ if and{others} }}}}"
        '{{ $same = printf "%s%s=%q," $same $name $value }}{{ end }}{{ end }}'
    )


def number_of(record: Record) -> str:
    """The template that writes the whole number nearest to ``record``; nothing where it is gone."""
    return _asked(f"{record}{{%s}}", '. | first | value | printf "%.0f"')


def highest_of(record: Record, label: str, but_not: Iterable[str]) -> str:
    """The template that writes the ``label``, none of ``but_not``, of the highest ``record``."""
    others = f'%s{label}!~\\"{"|".join(but_not)}\\"'
    return _asked(f"topk(1, {record}{{{others}}})", f'. | first | label "{label}"')


def _asked(expr: str, shown: str) -> str:
    return f'{{{{ with printf "{expr}" $same | query }}}}{{{{ {shown} }}}}{{{{ end }}}}'


def is_asked_for(text: str) -> bool:
    """Whether ``text`` asks for another number than the alert's own."""
    return "| query }}" in text
