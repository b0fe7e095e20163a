"""No test passes because there was nothing to look at, and none is skipped without a known reason.

An assertion within a loop, or about all of a collection, holds for an empty collection as well. So
what is looped over is written out, asserted to hold something, or given to `not_empty`. Parameters
that come out empty fail by themselves: pyproject.toml says so.
"""

import ast
from collections.abc import Iterator

import pytest

from tests.not_empty import not_empty
from tests.project import ROOT

SKIPS = {
    "tests/conftest.py": "What can't be imported, or skips itself, says so when it is collected.",
    "tests/debian_programs.py": " can't be had: it is not on PATH, and ",
    "tests/length.py": "runs with LONG_TESTS=1, as in make test-all",
    "tests/test_alerts/test_export.py": "vmalert can't be had: ",
    "tests/test_alerts/test_lts.py": "the rules are run on Prometheus ",
    "tests/test_alerts/test_rule_tests.py": "its alerts read expressions or ask for more: ",
    "tests/test_alerts/test_scenarios.py": "the rules do not do this yet: ",
    "tests/test_commands.py": "this system has no /dev/full",
    "tests/test_deploy/conftest.py": "Go is not installed: nothing of Kubernetes can be built",
    "tests/test_prometheus_tools/test_toolchain.py": "the packages route needs apt",
    "tests/test_stack/test_quiet.py": "the processors were busy by ",
    "tests/test_stack/compose/conftest.py": "the compose stack is not tested: ",
    "tests/test_stack/test_compose_file.py": "compose v2 can't be had: ",
    "tests/test_stack/compose/test_confinement.py": "does not run: its image can't be had here",
}
"""Where tests may be skipped, and the words by which the summary at the end says why."""

_SKIPPING = {"skip", "skipif", "importorskip", "xfail", "exit"}
_ITEM_BY_ITEM = {"enumerate", "sorted", "reversed", "list", "tuple", "set", "pairs"}
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules() -> dict[str, ast.Module]:
    """Every file of the tests, by its path in the checkout; benches judge nothing."""
    files = sorted((ROOT / "tests").rglob("*.py"))
    return {
        name: ast.parse(file.read_text())
        for file in files
        if not (name := str(file.relative_to(ROOT))).startswith("tests/bench/")
    }


class Loops:
    """The loops of one function whose assertions hold when there is nothing to look at."""

    def __init__(self, module: ast.Module, function: _Function) -> None:
        # Of a name that is given several values nothing is known.
        self._values = _once_assigned(module.body) | _once_assigned(ast.walk(function))
        self._function = function
        self._asserted = {
            ast.unparse(each)
            for node in ast.walk(function)
            if isinstance(node, ast.Assert)
            for each in self._shown_by(node.test)
        }

    def perhaps_empty(self) -> Iterator[tuple[int, str]]:
        """The line, and what is looped over there."""
        for node in ast.walk(self._function):
            if isinstance(node, ast.For) and any(isinstance(n, ast.Assert) for n in ast.walk(node)):
                if not self.holds_something(node.iter):
                    yield node.lineno, ast.unparse(node.iter)
            elif isinstance(node, ast.Assert):
                for collection in _said_of_all(node.test):
                    if not self.holds_something(collection):
                        yield node.lineno, ast.unparse(collection)

    def holds_something(self, node: ast.AST) -> bool:
        """Whether there surely is something in ``node``."""
        if ast.unparse(node) in self._asserted:
            return True
        match node:
            case ast.Constant(value=str() as text):
                return bool(text)
            case ast.List(elements) | ast.Tuple(elements) | ast.Set(elements):
                return any(map(self._is_element, elements))
            case ast.Dict(keys, values):
                pairs = zip(keys, values, strict=True)
                return any(key is not None or self.holds_something(value) for key, value in pairs)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                return all(
                    self.holds_something(each.iter) and not each.ifs for each in node.generators
                )
            case ast.Name(name):
                # A class that is looped over is an Enum, and its members are written in it.
                is_class = name[0].isupper() and not name.isupper()
                return is_class or (name in self._values and self._value_holds_something(name))
            case ast.Await(value):
                return self.holds_something(value)
            case ast.Call(ast.Name("range" | "not_empty")):
                return True
            case ast.Call(ast.Name("zip"), arguments):
                return any(map(self.holds_something, arguments))
            case ast.Call(ast.Name("map"), [_, *arguments]):
                return all(map(self.holds_something, arguments))
            case ast.Call(ast.Name(name), [argument, *_]):
                return name in _ITEM_BY_ITEM and self.holds_something(argument)
            case ast.Call(ast.Attribute(value, "items" | "keys" | "values")):
                return self.holds_something(value)
            case ast.Call(ast.Attribute(_, "gather"), arguments):
                return any(map(self._is_element, arguments))
        return False

    def _value_holds_something(self, name: str) -> bool:
        # Taken away meanwhile, or a name made of itself would be looked up for ever.
        value = self._values.pop(name)
        found = self.holds_something(value)
        self._values[name] = value
        return found

    def _is_element(self, node: ast.AST) -> bool:
        return not isinstance(node, ast.Starred) or self.holds_something(node.value)

    def _shown_by(self, test: ast.expr) -> Iterator[ast.expr]:
        """What holds something if ``assert test`` passes."""
        match test:
            case ast.Name() | ast.Attribute() | ast.Subscript():
                yield test
            case ast.Compare(_, [ast.In()], [collection]):
                yield _bare(collection)
            case ast.Compare(left, [ast.Lt() | ast.LtE()], [collection]) if _is_written_out(left):
                yield _bare(collection)
            case ast.Compare(left, operators, others):
                sides = [left, *others]
                if any(isinstance(each, ast.Eq | ast.Gt | ast.GtE) for each in operators):
                    for side in sides:
                        if isinstance(side, ast.Call) and ast.unparse(side.func) == "len":
                            yield side.args[0]
                if all(isinstance(each, ast.Eq) for each in operators):
                    yield from map(_bare, sides) if any(map(_is_written_out, sides)) else ()


def _is_written_out(node: ast.expr) -> bool:
    match node:
        case ast.List(written) | ast.Set(written) | ast.Tuple(written) | ast.Dict(written):
            return bool(written)
    return False


def _bare(node: ast.expr) -> ast.expr:
    """What is within `set(…)` and the like."""
    match node:
        case ast.Call(ast.Name("set" | "sorted" | "list" | "tuple"), [within]):
            return within
    return node


def _once_assigned(nodes: Iterator[ast.AST] | list[ast.stmt]) -> dict[str, ast.expr]:
    found: dict[str, list[ast.expr]] = {}
    for node in nodes:
        match node:
            case ast.Assign([ast.Name(name)], value):
                found.setdefault(name, []).append(value)
            case ast.AnnAssign(ast.Name(name), value=ast.expr() as value):
                found.setdefault(name, []).append(value)
    return {name: values[0] for name, values in found.items() if len(values) == 1}


def _said_of_all(test: ast.expr) -> Iterator[ast.expr]:
    """The collections of which ``assert test`` says that all, or none, is so."""
    for node in ast.walk(test):
        match node:
            case ast.Call(ast.Name("all"), [collection]):
                yield from _looped(collection)
            case ast.UnaryOp(ast.Not(), ast.Call(ast.Name("any"), [collection])):
                yield from _looped(collection)
            case ast.UnaryOp(ast.Not(), ast.ListComp() | ast.SetComp() as wrong):
                yield wrong.generators[0].iter
            case ast.Compare(ast.ListComp() as wrong, [ast.Eq()], [ast.List([])]):
                yield wrong.generators[0].iter


def _looped(collection: ast.expr) -> Iterator[ast.expr]:
    """What ``collection`` is made of; all of it, where that decides which of them are looked at."""
    if isinstance(collection, ast.GeneratorExp) and not collection.generators[0].ifs:
        yield collection.generators[0].iter
    else:
        yield collection


def functions(module: ast.Module) -> list[_Function]:
    """All of a file, those within others left out: they are looked at with these."""
    classes = [node for node in module.body if isinstance(node, ast.ClassDef)]
    bodies = [module.body, *(each.body for each in classes)]
    return [node for body in bodies for node in body if isinstance(node, _Function)]


def found_in(module: ast.Module) -> list[tuple[int, str]]:
    """Line and collection of each loop in a file that may assert nothing."""
    return sorted(
        place for function in functions(module) for place in Loops(module, function).perhaps_empty()
    )


def test_what_is_looped_over_holds_something() -> None:
    found = [
        f"{name}:{line}: {collection} may be empty; loop over not_empty({collection})"
        for name, module in modules().items()
        for line, collection in found_in(module)
    ]
    assert "tests/test_core/test_config.py" in modules()
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize(
    "test",
    [
        "for each in found():\n  assert each",
        "for each in found:\n  if each:\n    assert each.ok",
        "for name, each in NOWHERE.items():\n  assert each",
        "some = [n for n in range(9) if n > 9]\n for each in some:\n  assert each",
        "assert all(each for each in found())",
        "assert all(each.ok for each in not_empty(found()) if each.is_odd)",
        "assert all(found())",
        "assert set() <= found\n assert all(found)",
        "assert found == []\n assert all(found)",
        "assert not any(each for each in found())",
        "assert [each for each in found() if each] == []",
    ],
)
def test_a_loop_over_nothing_is_found(test: str) -> None:
    (place,) = found_in(ast.parse(f"def test_it(found):\n {test}"))
    assert place[0] >= 2


@pytest.mark.parametrize(
    "test",
    [
        "for each in (1, 2):\n  assert each",
        "for each in range(9):\n  assert each",
        "for each in not_empty(found()):\n  assert each",
        "assert found\n for each in found:\n  assert each",
        "assert len(found) == 3\n assert all(found)",
        "assert set(found) == {1}\n assert all(found)",
        "assert 'known' in found\n assert all(found)",
        "assert {1, 2} <= set(found)\n assert all(found)",
        "for name, each in KNOWN.items():\n  assert each",
        "some = [n for n in range(9)]\n for each in some:\n  assert each",
        "for each in found():\n  print(each)",
    ],
)
def test_what_surely_holds_something_is_left_alone(test: str) -> None:
    assert found_in(ast.parse(f"KNOWN = {{1: 2}}\ndef test_it(found):\n {test}")) == []


def test_nothing_is_skipped_without_a_reason_that_is_known_here() -> None:
    skipping = {
        name
        for name, module in modules().items()
        for node in ast.walk(module)
        if isinstance(node, ast.Attribute)
        and node.attr in _SKIPPING
        and ast.unparse(node.value) in ("pytest", "pytest.mark")
    }
    assert skipping == set(SKIPS)
    for name, reason in SKIPS.items():
        assert reason in (ROOT / name).read_text()


def test_nothing_to_loop_over_is_an_error() -> None:
    assert not_empty(iter("ab")) == ["a", "b"]
    with pytest.raises(AssertionError, match="nothing to look at"):
        not_empty(iter(""))
