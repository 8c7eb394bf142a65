"""The graph of units: which are on together more, or less, often than by chance, and the weights between them.

Axes: K units of all layers, from the document upward.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from numbers import Real

import numpy as np
import torch
from numpy.typing import NDArray

from docnvil.errors import ConfigurationError
from docnvil.model.belief_network import BeliefNetwork
from docnvil.schema import check_whole

MIN_LIFT = 2.0
EDGES_PER_UNIT = 3
SMOOTHING = 1e-3  # a probability added to both sides of a lift, so that pairs of rare units do not get extreme ones

NOTE = (
    "The direction of a weight is the order of the units, in which the prior generates them, or from a deeper layer to"
    " the one below. It does not mean that one unit causes another."
)


@dataclass(frozen=True)
class GraphNode:
    """A unit.

    Arguments:
        id: its number among the units of all layers, as in the columns of `transform`.
        layer: 1 for the layer next to the words.
        unit: its number in the layer.
        label: its name, else "unit 12"; "unit 3 of layer 2" in deeper layers.
        share: the probability that it is on.
        words: its top words; none for units of deeper layers.
    """

    id: int
    layer: int
    unit: int
    label: str
    share: float
    words: tuple[str, ...]


@dataclass(frozen=True)
class GraphEdge:
    """A relation between two units.

    Arguments:
        source: the id of the unit that comes first in the prior.
        target: the id of the other.
        weight: the weight from source to target in the logit of the target, or None if the model has none.
        lift: how many times as often they are on together as independent units with the same shares.
        information: the mutual information of the two units, in nats.
    """

    source: int
    target: int
    weight: float | None
    lift: float
    information: float


@dataclass(frozen=True)
class UnitGraph:
    """Units and the relations between them.

    Arguments:
        nodes: the units that are not dead.
        edges: the strongest relations of each unit, those with the most information first.
        note: what the direction of an edge means.
    """

    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]
    note: str = NOTE

    def to_json(self) -> str:
        """Return the graph as one JSON object with nodes, edges and the note."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    def to_dot(self) -> str:
        """Return the graph in the DOT language of Graphviz: directed where there are weights, thicker if stronger."""
        lines = [f"// {NOTE}", "digraph units {", "  node [shape=box, style=rounded];"]
        for node in self.nodes:
            words = f"\n{' '.join(node.words[:4])}" if node.words else ""
            lines.append(f"  {node.id} [label={_quoted(node.label + words)}];")
        for edge in self.edges:
            width = min(5.0, 0.5 + abs(float(np.log2(edge.lift))))
            style = "solid" if edge.lift >= 1 else "dashed"
            direction = "none" if edge.weight is None else "forward"
            label = f"{edge.lift:.1f}x" if edge.weight is None else f"{edge.weight:+.1f}, {edge.lift:.1f}x"
            lines.append(
                f"  {edge.source} -> {edge.target}"
                f' [label="{label}", penwidth={width:.1f}, style={style}, dir={direction}];'
            )
        return "\n".join([*lines, "}"]) + "\n"


def unit_graph(
    model: BeliefNetwork,
    nodes: Sequence[GraphNode],
    joint: NDArray[np.float64],
    *,
    min_lift: float = MIN_LIFT,
    edges_per_unit: int = EDGES_PER_UNIT,
) -> UnitGraph:
    """Return the graph of some units of a model.

    Arguments:
        model: the belief network.
        nodes: the units to show.
        joint: `[K, K]`, the probability that two units are both on, see
            `docnvil.analysis.unit_samples.joint_probabilities`.
        min_lift: an edge has at least this lift, or at most its inverse.
        edges_per_unit: an edge is among this many with the most information of one of its units.

    Raises:
        ConfigurationError: a limit that no pair, or every pair, would meet.
    """
    if not isinstance(min_lift, Real) or not min_lift > 1:
        raise ConfigurationError(f"The smallest lift is {min_lift}. Give a number above 1, such as 2.")
    edges_per_unit = check_whole("edges_per_unit", edges_per_unit, 1)
    share = np.diag(joint)
    lift = (joint + SMOOTHING) / (np.outer(share, share) + SMOOTHING)
    information = mutual_information(joint)
    weights, has_weight = prior_weights(model)
    ids = np.array([node.id for node in nodes], dtype=np.int64)
    related = (np.maximum(lift, 1 / lift) >= min_lift)[np.ix_(ids, ids)]
    strength = np.where(related & ~np.eye(len(ids), dtype=bool), information[np.ix_(ids, ids)], -1.0)
    pairs = set()
    for place, row in enumerate(strength):
        for other in np.argsort(-row, kind="stable")[:edges_per_unit].tolist():
            if row[other] >= 0:
                pairs.add(tuple(sorted((int(ids[place]), int(ids[other])))))
    edges = []
    for first, second in sorted(pairs, key=lambda pair: (-information[pair], pair)):
        downward = bool(has_weight[first, second])  # from a later unit: a deeper layer
        source, target = (second, first) if downward else (first, second)
        weight = float(weights[target, source]) if has_weight[target, source] else None
        edges.append(GraphEdge(source, target, weight, float(lift[first, second]), float(information[first, second])))
    return UnitGraph(tuple(nodes), tuple(edges))


def mutual_information(joint: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mutual information of each pair of units from the probability that both are on, `[K, K]`, in nats.

    Example:
        Two units that are always equal, and one that is independent of them:

        >>> joint = np.array([[0.5, 0.5, 0.25], [0.5, 0.5, 0.25], [0.25, 0.25, 0.5]])
        >>> mutual_information(joint).round(3)[0]
        array([0.693, 0.693, 0.   ])
    """
    share = np.diag(joint)
    on, off = share[:, None], 1 - share[:, None]
    cells = (
        (joint, on * on.T),
        (on - joint, on * off.T),
        (on.T - joint, off * on.T),
        (1 - on - on.T + joint, off * off.T),
    )
    total = np.zeros_like(joint)
    for both, product in cells:
        both = np.clip(both, 1e-12, 1)
        total += both * np.log(both / np.clip(product, 1e-12, 1))
    return np.maximum(total, 0.0)


def prior_weights(model: BeliefNetwork) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the weights of p(h) from unit j to unit k in row k and column j, `[K, K]`, and which of them exist."""
    sizes, generative = model.config.units, model.generative
    starts = np.concatenate([[0], np.cumsum(sizes)])
    weights, exists = np.zeros((starts[-1],) * 2), np.zeros((starts[-1],) * 2, dtype=bool)
    for number, layer in enumerate(generative.layers):
        rows, columns = slice(starts[number], starts[number + 1]), slice(starts[number + 1], starts[number + 2])
        weights[rows, columns], exists[rows, columns] = _array(layer.weight), True
    lateral = getattr(getattr(generative.prior, "units", None), "lateral", None)
    if lateral is not None:
        top = slice(starts[-2], starts[-1])
        weights[top, top] = np.tril(_array(lateral), -1)
        exists[top, top] = np.tril(np.ones((sizes[-1],) * 2, dtype=bool), -1)
    return weights, exists


def _array(parameter: torch.Tensor) -> NDArray[np.float64]:
    return parameter.detach().double().cpu().numpy()


def _quoted(text: str) -> str:
    """Return text as a quoted string of DOT."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
