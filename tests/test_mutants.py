"""The mutation tester changes code only, one detail at a time, and each change is valid Python."""

import ast

import pytest
from mutants import MutantFinder

SOURCE = b'''"""Text with 1 number."""
__all__ = ["f"]

def f(x: int | None = 3, *rest: "1 + 1") -> float:
    """Return 2 < 3."""
    if x < 2 and not rest:
        raise ValueError("at least " + str(2))
    g(x, 1)
    x += 1
    return min(x, -y) if x else [a for a in zip(x, strict=True) if a]
'''


def changes(source: bytes) -> dict[str, set[str]]:
    """Return the changed lines by operator."""
    lines: dict[str, set[str]] = {}
    for mutant in MutantFinder("f.py", source).mutants:
        added = [line[1:].strip() for line in mutant.diff(source).splitlines() if line.startswith("+")]
        lines.setdefault(mutant.operator, set()).update(added)
    return lines


def test_operators_change_what_they_name():
    by_operator = changes(SOURCE)
    assert by_operator["comparison"] == {"if (x <= 2) and not rest:", "if (x >= 2) and not rest:"}
    assert by_operator["and/or"] == {"if (x < 2 or not rest):"}
    assert by_operator["remove not"] == {"if x < 2 and rest:"}
    assert by_operator["swap branches"] == {
        "if (not (x < 2 and (not rest))):",
        "return ([a for a in zip(x, strict=True) if a] if x else min(x, -y))",
    }
    assert by_operator["delete statement"] == {"pass"}
    assert by_operator["arithmetic"] == {"x -= 1"}
    assert "g(1, x)" in by_operator["swap arguments"]
    assert by_operator["return None"] == {"return None"}
    assert by_operator["other call"] == {"return max(x, -y) if x else [a for a in zip(x, strict=True) if a]"}
    assert by_operator["negate filter"] == {"return min(x, -y) if x else [a for a in zip(x, strict=True) if (not a)]"}


def test_text_types_and_errors_are_not_changed():
    lines = SOURCE.decode().splitlines()
    changed = {mutant.line for mutant in MutantFinder("f.py", SOURCE).mutants}
    assert {lines[line - 1].split()[0] for line in changed} == {"def", "if", "g(x,", "x", "return"}
    assert changes(SOURCE)["constant"] >= {'def f(x: int | None = 4, *rest: "1 + 1") -> float:'}
    assert not any("strict=False" in line or "2 + 1" in line for found in changes(SOURCE).values() for line in found)


@pytest.mark.parametrize("code", ["a - b * c", "é = x < 1 < y", "f(lambda v: v + 1, 'é', 2)", "-x ** 2", "not a == b"])
def test_every_mutant_is_valid_and_different(code):
    source = code.encode()
    mutants = MutantFinder("f.py", source).mutants
    assert mutants
    for mutant in mutants:
        assert ast.dump(ast.parse(mutant.apply(source))) != ast.dump(ast.parse(source))


def test_functions_are_found_by_their_first_line():
    source = b"@decorated\ndef f():\n    def g():\n        return 1\n    return 2\n"
    lines = {(mutant.line, mutant.function) for mutant in MutantFinder("f.py", source).mutants}
    assert lines == {(4, "f.py:3"), (5, "f.py:1")}
