"""Changed expressions, texts and addresses in words."""

from collections.abc import Iterator, Mapping, Sequence

from dashboards.changes.excerpts import (
    figures,
    promql_difference,
    same_promql,
    sentence_difference,
    series,
    with_names,
)
from dashboards.changes.report import Change, Weight


def expression_change(
    what: str, old: str, new: str, renamed: Mapping[str, str] | None = None
) -> Iterator[Change]:
    """How one PromQL expression differs from the other, if it does; ``renamed`` are records."""
    if same_promql(old, new):
        return
    followed = with_names(old, renamed or {})
    if same_promql(followed, new):
        names = ", ".join(sorted((renamed or {}).keys() & series(old)))
        yield Change(Weight.PLACE, f"{what} follows the new name of {names}")
    elif excerpts := promql_difference(followed, new):
        yield Change(Weight.BEHAVIOUR, f"{what} changed", excerpts)
    else:
        yield Change(Weight.BEHAVIOUR, f"{what} written anew{_reads(old, new)}")


def text_change(
    what: str, old: str, new: str, known: Sequence[tuple[str, str]] = ()
) -> Iterator[Change]:
    """How one text differs from the other, if it does by more than figures that are ``known``."""
    if old == new:
        return
    if not old or not new:
        yield Change(Weight.WORDING, f"{what} {'added' if new else 'removed'}")
    elif moved := figures(old, new):
        if told := ", ".join(f"{was} -> {now}" for was, now in moved if (was, now) not in known):
            yield Change(Weight.WORDING, f"{what}: {told}")
    else:
        yield Change(Weight.WORDING, f"{what} reworded", sentence_difference(old, new))


def address_change(what: str, old: str, new: str) -> Iterator[Change]:
    """Where a link leads that led elsewhere, without what both addresses share."""
    if old == new:
        return
    if not old or not new:
        yield Change(Weight.WORDING, f"{what} {'added' if new else 'removed'}")
        return
    before, after = old.split("/"), new.split("/")
    end = _shared(before[::-1], after[::-1])
    begin = _shared(before, after)
    # "http:" and "" are not worth leaving out.
    begin = begin if begin > 2 else 0
    was, now = (
        "/".join(
            ["…"] * bool(begin) + parts[begin : len(parts) - end] + ["…"] * bool(end),
        )
        for parts in (before, after)
    )
    yield Change(Weight.WORDING, f"{what} moved: {was} -> {now}")


def _shared(one: list[str], other: list[str]) -> int:
    """How many parts both begin with, leaving each one at least."""
    most = min(len(one), len(other)) - 1
    return next((n for n in range(most) if one[n] != other[n]), most)


def _reads(old: str, new: str) -> str:
    before, after = series(old), series(new)
    parts = [
        f"{word} {', '.join(sorted(names))}"
        for word, names in (("now reads", after - before), ("no longer", before - after))
        if names
    ]
    return f"; {', '.join(parts)}" if parts else ""
