"""Mutants of Python source: one detail changed at a time, found with `ast` and written back into the text.

Not changed: docstrings and other strings, annotations, f-strings, `raise` statements, assertions, `__all__`, and the
values of keywords such as `strict` of `zip`, which only matter if the code is wrong elsewhere.
"""

import ast
import difflib
import random
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any", "sum": "mean", "mean": "sum", "floor": "ceil"}
SAFEGUARDS = {"strict", "frozen", "stacklevel"}  # keywords whose values only matter if the code is wrong elsewhere
NO_SWAP = {"isinstance", "issubclass", "getattr", "hasattr", "setattr"}  # a swap could only raise a TypeError


@dataclass(frozen=True)
class Mutant:
    """One change of one file.

    Arguments:
        file: path relative to the root.
        line: where the changed code starts.
        function: FILE:LINE of the innermost function around it, as recorded; "" outside functions.
        operator: kind of change.
        start: first byte that is replaced.
        end: byte after the last one that is replaced.
        replacement: new code.
    """

    file: str
    line: int
    function: str
    operator: str
    start: int
    end: int
    replacement: str

    def apply(self, source: bytes) -> bytes:
        """Return the changed file."""
        return source[: self.start] + self.replacement.encode() + source[self.end :]

    def diff(self, source: bytes) -> str:
        """Return the removed and added lines."""
        before, after = (text.decode().splitlines() for text in (source, self.apply(source)))
        return "\n".join(list(difflib.unified_diff(before, after, lineterm="", n=0))[3:])


class MutantFinder(ast.NodeVisitor):
    """Collect the mutants of a file."""

    def __init__(self, file: str, source: bytes) -> None:
        self.file = file
        self.mutants: list[Mutant] = []
        self.function = ""
        self.lines = [0]
        for line in source.splitlines(keepends=True):
            self.lines.append(self.lines[-1] + len(line))
        self.visit(ast.parse(source))

    def add(self, operator: str, node: ast.AST, replacement: ast.AST | str) -> None:
        """Add the mutant that replaces `node`."""
        start, end = (
            self.lines[line - 1] + column
            for line, column in ((node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset))
        )
        if isinstance(replacement, ast.AST):
            loose = isinstance(replacement, ast.BinOp | ast.BoolOp | ast.Compare | ast.IfExp | ast.UnaryOp)
            replacement = f"({ast.unparse(replacement)})" if loose else ast.unparse(replacement)
        self.mutants.append(Mutant(self.file, node.lineno, self.function, operator, start, end, replacement))

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for outside in (*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)):
            self.visit(outside)
        self.visit_inside(node, min([node.lineno, *(each.lineno for each in node.decorator_list)]), node.body)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.visit_inside(node, node.lineno, [node.body])

    def visit_inside(self, node: ast.AST, line: int, body: Sequence[ast.AST]) -> None:
        """Visit the body of a function that starts on this line."""
        around, self.function = self.function, f"{self.file}:{line}"
        for child in body:
            self.visit(child)
        self.function = around

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Skip f-strings: their text is for readers, and Python 3.11 gives no positions inside them."""

    def visit_Raise(self, node: ast.Raise) -> None:
        """Skip errors, whose text is for readers."""

    def visit_Assert(self, node: ast.Assert) -> None:
        """Skip assertions."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        if not any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets):
            self.visit(node.value)

    def visit_If(self, node: ast.If) -> None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return
        self.add("swap branches", node.test, ast.UnaryOp(ast.Not(), node.test))
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.add("swap branches", node, ast.IfExp(node.test, node.orelse, node.body))
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            self.add("negate filter", test, ast.UnaryOp(ast.Not(), test))
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        for number, operator in enumerate(node.ops):
            for other in COMPARISONS[type(operator)]:
                changed = deepcopy(node)
                changed.ops[number] = other()
                self.add("comparison", node, changed)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        self.add("and/or", node, ast.BoolOp(other, node.values))
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not | ast.USub | ast.Invert):
            self.add("remove " + {ast.Not: "not", ast.USub: "minus"}.get(type(node.op), "~"), node, node.operand)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        texts = any(
            isinstance(side, ast.JoinedStr) or (isinstance(side, ast.Constant) and isinstance(side.value, str))
            for side in (node.left, node.right)
        )
        if type(node.op) in ARITHMETIC and not texts:
            self.add("arithmetic", node, ast.BinOp(node.left, ARITHMETIC[type(node.op)](), node.right))
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.add("delete statement", node, ast.Pass())
        if type(node.op) in ARITHMETIC:
            self.add("arithmetic", node, ast.AugAssign(node.target, ARITHMETIC[type(node.op)](), node.value))
        self.visit(node.value)

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call):
            self.add("delete statement", node, ast.Pass())
        if not isinstance(node.value, ast.Constant):  # a docstring
            self.visit(node.value)

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None):
            self.add("return None", node, "return None")
            self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        first = node.args[:2]
        if len(first) == 2 and name not in NO_SWAP and not any(isinstance(each, ast.Starred) for each in first):
            changed = deepcopy(node)
            changed.args[0], changed.args[1] = changed.args[1], changed.args[0]
            if ast.dump(changed) != ast.dump(node):
                self.add("swap arguments", node, changed)
        if name in CALLS:
            changed = deepcopy(node)
            if isinstance(changed.func, ast.Name):
                changed.func.id = CALLS[name] if CALLS[name] != "mean" else "len"
            else:
                changed.func.attr = CALLS[name]
            self.add("other call", node, changed)
        self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg not in SAFEGUARDS:
            self.visit(node.value)

    def visit_Constant(self, node: ast.Constant) -> None:
        values: Sequence[Any] = ()
        if isinstance(node.value, bool):
            values = (not node.value,)
        elif isinstance(node.value, int):
            values = (node.value + 1, node.value - 1)
        elif isinstance(node.value, float):
            values = (node.value * 2 if node.value else 1.0,)
        for value in values:
            self.add("constant", node, ast.Constant(value))


def sample_mutants(files: Sequence[Path], number: int, seed: int) -> list[Mutant]:
    """Draw this many places to change, uniformly, and one change of each; in the order of the files."""
    places: dict[tuple[str, int, int], list[Mutant]] = {}
    for file in files:
        for mutant in MutantFinder(file.relative_to(ROOT).as_posix(), file.read_bytes()).mutants:
            places.setdefault((mutant.file, mutant.start, mutant.end), []).append(mutant)
    generator = random.Random(seed)
    chosen = generator.sample(sorted(places), min(number, len(places)))
    return [generator.choice(places[place]) for place in sorted(chosen)]
