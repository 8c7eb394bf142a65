"""The tree and the graph of the units of a fitted model, with their names and words."""

from typing import Any

from docnvil.analysis.unit_graph import EDGES_PER_UNIT, MIN_LIFT, GraphNode, UnitGraph, unit_graph
from docnvil.analysis.unit_samples import joint_probabilities
from docnvil.analysis.unit_tree import TreeNode, unit_tree
from docnvil.errors import ConfigurationError
from docnvil.training.fitted_model import FittedModel


def graph_of(
    model: FittedModel,
    counts: Any = None,
    *,
    min_lift: float = MIN_LIFT,
    edges_per_unit: int = EDGES_PER_UNIT,
    top_n: int = 10,
    seed: int = 0,
) -> UnitGraph:
    """Return the graph of a model's units, see `FittedModel.unit_graph`."""
    config = model.network.config
    if counts is None and len(config.units) == 1 and config.prior in ("factorial", "uniform"):
        raise ConfigurationError(
            f"The units are independent in the model's prior ({config.prior}), so it says nothing of their relations."
            " Give the documents in which to count them with --corpus."
        )
    matrix = None if counts is None else model.checked(counts).matrix
    joint = joint_probabilities(model.network, matrix, seed=seed)
    topics, nodes, number = model.topics(top_n), [], 0
    for layer, size in enumerate(config.units, start=1):
        for unit in range(size):
            words = tuple(model.vocabulary[word] for word in topics[unit].words) if layer == 1 else ()
            if layer > 1 or not topics[unit].dead:
                label = model.unit_label(unit) if layer == 1 else f"unit {unit} of layer {layer}"
                nodes.append(GraphNode(number, layer, unit, label, float(joint[number, number]), words))
            number += 1
    return unit_graph(model.network, nodes, joint, min_lift=min_lift, edges_per_unit=edges_per_unit)


def tree_of(model: FittedModel, top_n: int = 10) -> tuple[TreeNode, ...]:
    """Return the tree of a model's units, see `FittedModel.unit_tree`."""
    words = [topic.words for topic in model.topics(top_n)]
    return unit_tree(model.network, model.statistics, words, top_n)
