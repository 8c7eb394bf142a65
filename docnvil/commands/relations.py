"""The tree and the graph of units, as `docnvil topics` prints and writes them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docnvil.commands.inputs import load_for_model
from docnvil.commands.outputs import claim_output
from docnvil.commands.printing import echo, echo_json, note
from docnvil.errors import counted
from docnvil.storage.suffixes import GRAPHS

if TYPE_CHECKING:
    from docnvil.analysis.unit_tree import TreeNode
    from docnvil.training.fitted_model import FittedModel


def check_graph(out: Path, model: Path, corpus: Path | None, *, force: bool) -> None:
    """Check that a graph can be written to a file, before any work."""
    from docnvil.runtime.folders import refuse_existing_file

    if out.suffix.lower() not in GRAPHS:
        raise click.UsageError(f"{out} is neither a .json nor a .dot file. Choose one of these formats for --graph.")
    claim_output(out)
    refuse_existing_file(out, force=force, option="--graph")


def write_graph(fitted: "FittedModel", out: Path, corpus: Path | None, top_n: int, options: Mapping[str, Any]) -> None:
    """Write the graph of units as JSON, or for Graphviz, by the suffix of the file."""
    from docnvil.runtime.folders import replace_file

    matrix = None if corpus is None else load_for_model(corpus, options, fitted)
    graph = fitted.unit_graph(matrix, top_n=top_n)
    text = graph.to_json() if out.suffix.lower() == ".json" else graph.to_dot()
    replace_file(out, text.encode())
    note(f"Wrote {out}: {counted(len(graph.nodes), 'unit')}, {counted(len(graph.edges), 'edge')}. {graph.note}")


def print_tree(fitted: "FittedModel", top_n: int, *, as_json: bool) -> None:
    """Print the tree of units: of a deep model by layers, of one layer by similar words."""
    roots = fitted.unit_tree(top_n)
    if as_json:
        echo_json({"units": list(fitted.network.config.units), "tree": [_tree_json(fitted, node) for node in roots]})
        return
    if not roots:
        echo("No unit is live, so there is no tree.")
    for root in roots:
        echo(_line(fitted, root))
        for line in _branches(fitted, root.children):
            echo(line)


def _branches(fitted: "FittedModel", nodes: Sequence["TreeNode"], indent: str = "") -> Iterator[str]:
    for node in nodes:
        is_last = node is nodes[-1]
        yield f"{indent}{'└── ' if is_last else '├── '}{_line(fitted, node)}"
        yield from _branches(fitted, node.children, indent + ("    " if is_last else "│   "))


def _line(fitted: "FittedModel", node: "TreeNode") -> str:
    words = " ".join(fitted.vocabulary[word] for word in node.words)
    if node.layer == 0:
        return f"{counted(sum(1 for _ in node.leaves()), 'unit')}: {words}"
    label = _label(fitted, node)
    ratio = "" if node.ratio is None else f"{node.ratio:.1f} times as often: "
    return f"{ratio}{label}, {node.share:.1%}: {words}"


def _label(fitted: "FittedModel", node: "TreeNode") -> str:
    if node.layer > 1:
        return f"layer {node.layer}, unit {node.unit}"
    name = fitted.unit_names[node.unit]
    return f"{node.unit} {name}" if name else fitted.unit_label(node.unit)


def _tree_json(fitted: "FittedModel", node: "TreeNode") -> dict[str, Any]:
    values: dict[str, Any] = {"words": [fitted.vocabulary[word] for word in node.words]}
    if node.layer:
        values = {"layer": node.layer, "unit": node.unit, "share": node.share, **values}
        if node.layer == 1:
            values["name"] = fitted.unit_names[node.unit]
    if node.ratio is not None:
        values["ratio"] = node.ratio
    if node.distance is not None:
        values["distance"] = node.distance
    if node.children:
        values["children"] = [_tree_json(fitted, child) for child in node.children]
    return values
