"""Trees of units: in a deep model, each unit above those that it raises; in one layer, groups of units by their words.

Axes: N samples, K units, V words.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage, optimal_leaf_ordering
from scipy.spatial.distance import pdist

from docnvil.analysis.topics import UnitStatistics, association
from docnvil.analysis.unit_samples import PRIOR_SAMPLES, prior_samples
from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.generative import Samples

RAISED_RATIO = 1.5  # a unit raises one below it that is on at least this many times as often with it
MAX_CHILDREN = 8
APART = 0.95  # the cosine distance of word scores from which units have nothing in common
STEP = 0.1  # groups whose distances differ by less are shown as one
WORD_SAMPLES = 2000  # of the units, over which probabilities of words are averaged
VALUES_PER_CHUNK = 4_000_000
MIN_SAMPLES = 20  # with a unit on, for its relations to be listed


@dataclass(frozen=True)
class TreeNode:
    """A unit, or a group of units.

    Arguments:
        layer: 1 for the layer next to the words; 0 for a group of units of layer 1.
        unit: its number in the layer; -1 for a group.
        words: column numbers of its words, best first: the top words of a unit of layer 1, the words that a deeper unit
            makes more probable, or those that the units of a group share.
        share: the share of documents with the unit on; for deeper units, its probability in the prior; 0 for a group.
        ratio: how many times as often the unit is on where its parent is on as in general; None without a parent unit.
        distance: the cosine distance of the units of a group; None for a unit.
        children: the units below.
    """

    layer: int
    unit: int
    words: tuple[int, ...]
    share: float = 0.0
    ratio: float | None = None
    distance: float | None = None
    children: tuple["TreeNode", ...] = ()

    def leaves(self) -> Iterator["TreeNode"]:
        """Yield the nodes without children, from the first to the last."""
        if not self.children:
            yield self
        for child in self.children:
            yield from child.leaves()


def unit_tree(
    model: BeliefNetwork, statistics: UnitStatistics, top_words: Sequence[Sequence[int]], top_n: int = 10
) -> tuple[TreeNode, ...]:
    """Return the roots of the tree of units: the deepest units of a deep model, or groups of similar units.

    A unit of a deep model appears below every unit that raises it; those that none raises come last. Dead units of the
    first layer are left out.

    Arguments:
        model: the belief network.
        statistics: those of its units in the training documents.
        top_words: the words of each unit of the first layer, as columns.
        top_n: words per node.
    """
    live = np.flatnonzero(~statistics.dead).tolist()
    shares = statistics.activity / max(1, statistics.n_documents)
    leaves = {unit: TreeNode(1, unit, tuple(top_words[unit][:top_n]), float(shares[unit])) for unit in live}
    if len(model.config.units) > 1:
        return _layered(model, leaves, top_n)
    weight = model.generative.visible.weight.detach().double().cpu().numpy()
    return _agglomerated(association(statistics, weight), leaves, top_n)


def _layered(model: BeliefNetwork, leaves: dict[int, TreeNode], top_n: int) -> tuple[TreeNode, ...]:
    """Return the deepest units with the units that they raise, from samples of the prior."""
    samples = prior_samples(model, PRIOR_SAMPLES)
    below = leaves
    for layer in range(2, len(model.config.units) + 1):
        units, lower = (samples[number][0].double().cpu().numpy() for number in (layer - 1, layer - 2))
        words = _raised_words(model, samples, units, top_n)
        together = units.T @ lower / np.maximum(units.sum(0), 1)[:, None]  # p(lower unit | unit)
        ratio = together / np.maximum(lower.mean(0), 1e-9)
        nodes, orphans = {}, set(below)
        for unit in range(units.shape[1]):
            raised = [each for each in below if ratio[unit, each] >= RAISED_RATIO]
            if units[:, unit].sum() < MIN_SAMPLES:
                raised = []
            raised.sort(key=lambda each: -together[unit, each] * np.log(ratio[unit, each]))
            children = [_with_ratio(below[each], float(ratio[unit, each])) for each in raised[:MAX_CHILDREN]]
            orphans -= set(raised[:MAX_CHILDREN])
            share = float(units[:, unit].mean())
            nodes[unit] = TreeNode(layer, unit, words[unit], share, children=tuple(children))
        rest = tuple(below[unit] for unit in sorted(orphans))
        below = nodes
    roots = sorted(below.values(), key=lambda node: (not node.children, -node.share, node.unit))
    return (*roots, *rest)


def _with_ratio(node: TreeNode, ratio: float) -> TreeNode:
    return TreeNode(node.layer, node.unit, node.words, node.share, ratio, node.distance, node.children)


@torch.no_grad()
def _raised_words(
    model: BeliefNetwork, samples: Samples, units: NDArray[np.float64], top_n: int
) -> list[tuple[int, ...]]:
    """Return for each unit the words with the largest p1 log(p1 / p0), their probability with the unit on and off."""
    n_words, visible = model.config.vocabulary_size, model.generative.visible
    first, on = samples[0][:, :WORD_SAMPLES], units[:WORD_SAMPLES]
    size = max(1, VALUES_PER_CHUNK // n_words)
    sums = np.zeros((2, units.shape[1], n_words))  # with the unit off, and on
    for start in range(0, WORD_SAMPLES, size):
        logits = visible(first[:, start : start + size]).logits[0].double()
        chances = torch.softmax(logits, -1) if not visible.samples_are_images else torch.sigmoid(logits)
        part, chances = on[start : start + size], chances.cpu().numpy()
        sums += np.stack([(1 - part).T @ chances, part.T @ chances])
    n_on = on.sum(0)[:, None]
    p0, p1 = sums[0] / np.maximum(WORD_SAMPLES - n_on, 1), sums[1] / np.maximum(n_on, 1)
    scores = np.where(p1 > p0, p1 * np.log(np.maximum(p1, 1e-30) / np.maximum(p0, 1e-30)), 0.0)
    ranked = np.argsort(-scores, axis=1, kind="stable")[:, :top_n]
    return [tuple(int(word) for word in words if scores[unit, word] > 0) for unit, words in enumerate(ranked)]


def _agglomerated(scores: NDArray[np.float64], leaves: dict[int, TreeNode], top_n: int) -> tuple[TreeNode, ...]:
    """Return groups of units with similar word scores, by average linkage of cosine distances.

    Groups that differ by less than a step in distance become one, and units with nothing in common stay apart.
    """
    units = [unit for unit in leaves if scores[unit].any()]
    others = tuple(leaves[unit] for unit in leaves if unit not in units)
    if len(units) < 2:
        return (*(leaves[unit] for unit in units), *others)
    directions = scores[units] / np.linalg.norm(scores[units], axis=1, keepdims=True)
    distances = np.clip(pdist(directions, "cosine"), 0, None)
    tree = optimal_leaf_ordering(linkage(distances, "average"), distances)
    nodes: list[TreeNode] = [leaves[unit] for unit in units]
    members: list[list[int]] = [[place] for place in range(len(units))]
    for left, right, distance, _ in tree:
        pair = int(left), int(right)
        places = [place for each in pair for place in members[each]]
        members.append(places)
        children: list[TreeNode] = []
        for each in (nodes[number] for number in pair):
            is_group = each.distance is not None
            close = is_group and (each.distance >= APART or (distance < APART and distance - each.distance < STEP))
            children.extend(each.children if close else (each,))
        shared = directions[places].mean(0)
        words = tuple(np.argsort(-shared, kind="stable")[:top_n].tolist()) if distance < APART else ()
        nodes.append(TreeNode(0, -1, words, distance=float(distance), children=tuple(children)))
    root = nodes[-1]
    return (*(root.children if root.distance >= APART else (root,)), *others)
