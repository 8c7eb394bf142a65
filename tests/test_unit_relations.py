"""The tree and the graph of units, on models whose relations are known."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from commands import run
from exact import enumerate_samples, random_network
from scipy.sparse import csr_array, save_npz

import docnvil
from docnvil.analysis.topics import UnitStatistics
from docnvil.analysis.unit_graph import GraphNode, UnitGraph, mutual_information, prior_weights, unit_graph
from docnvil.analysis.unit_probabilities import unit_probabilities
from docnvil.analysis.unit_samples import joint_probabilities
from docnvil.analysis.unit_tree import unit_tree
from docnvil.errors import ConfigurationError


def statistics_of(documents_on, n_documents=100, information=None) -> UnitStatistics:
    documents_on = np.asarray(documents_on, dtype=float)
    information = np.full(len(documents_on), 0.3) if information is None else np.array(information)
    frequency = np.full(documents_on.shape[1], 0.5 * n_documents)
    return UnitStatistics(documents_on, frequency, frequency, documents_on.max(1), information, n_documents)


@pytest.mark.parametrize("settings", [{"prior": "autoregressive"}, {"prior": "mixture", "themes": 3}, {"deep": True}])
def test_joint_probabilities_of_the_prior_agree_with_enumeration(settings):
    settings = dict(settings)
    units = (3, 2) if settings.pop("deep", False) else (4,)
    network = random_network(5, units, **settings)
    samples = enumerate_samples(network, 1)
    layers = zip(network.generative.distributions(samples), samples, strict=True)
    weight = sum(layer.log_prob(value) for layer, value in layers).exp()[:, 0].detach().numpy()
    values = torch.cat(samples, -1)[:, 0].numpy()
    assert joint_probabilities(network) == pytest.approx(values.T @ (weight[:, None] * values), abs=0.015)


def test_joint_probabilities_of_documents_are_those_of_q_without_empty_documents():
    network = random_network(5, (3,), scale=1.0)
    dense = np.random.default_rng(0).poisson(2.0, (3000, 5)) + np.array([1, 0, 0, 0, 0])
    on = unit_probabilities(network, csr_array(dense))
    expected = on.T @ on / len(on)
    np.fill_diagonal(expected, on.mean(0))
    counts = csr_array(np.vstack([dense, np.zeros((900, 5), dtype=int)]))
    assert joint_probabilities(network, counts) == pytest.approx(expected, abs=0.02)


def nodes(*layers: int) -> list[GraphNode]:
    made = []
    for layer, size in enumerate(layers, start=1):
        made += [GraphNode(len(made) + k, layer, k, f'unit "{k}"', 0.5, ("a", "b")) for k in range(size)]
    return made


def test_edges_are_in_the_direction_of_the_prior():
    network = random_network(5, (3,), prior="autoregressive")
    with torch.no_grad():
        network.generative.prior.bias.zero_()
        network.generative.prior.units.lateral.zero_()
        network.generative.prior.units.lateral[2, 0] = 5.0
    graph = unit_graph(network, nodes(3), joint_probabilities(network), min_lift=1.2)
    assert [(edge.source, edge.target) for edge in graph.edges] == [(0, 2)]
    # p(2 | 0) is sigmoid(5), p(2) its mean with 1/2.
    high = 1 / (1 + np.exp(-5))
    assert graph.edges[0].lift == pytest.approx(high / ((high + 0.5) / 2), abs=0.02)
    assert graph.edges[0].weight == pytest.approx(5.0)
    deep = random_network(5, (2, 1))
    weights, exists = prior_weights(deep)
    assert exists.tolist() == [[False, False, True], [False, False, True], [False, False, False]]
    joint = np.array([[0.5, 0.1, 0.45], [0.1, 0.5, 0.25], [0.45, 0.25, 0.5]])
    graph = unit_graph(deep, nodes(2, 1), joint, min_lift=1.5)
    assert {(edge.source, edge.target, edge.weight) for edge in graph.edges} == {
        (2, 0, float(weights[0, 2])),
        (0, 1, None),
    }


def test_mutual_information_is_that_of_the_table():
    joint = np.array([[0.3, 0.2], [0.2, 0.6]])
    table = np.array([[0.2, 0.1], [0.4, 0.3]])  # rows: unit 0 on, off
    product = np.outer(table.sum(1), table.sum(0))
    assert mutual_information(joint)[0, 1] == pytest.approx((table * np.log(table / product)).sum())


def test_graphs_are_json_and_dot_with_the_note():
    network = random_network(5, (2,), prior="autoregressive")
    graph = unit_graph(network, nodes(2), np.array([[0.5, 0.4], [0.4, 0.5]]), min_lift=1.5)
    values = json.loads(graph.to_json())
    assert [len(values[name]) for name in ("nodes", "edges")] == [2, 1]
    assert "does not mean that one unit causes" in values["note"]
    dot = graph.to_dot()
    assert r'0 [label="unit \"0\"\na b"];' in dot
    assert dot.count("->") == 1
    assert dot.count("{") == dot.count("}") == 1
    assert UnitGraph((), ()).to_dot().endswith("}\n")
    with pytest.raises(ConfigurationError, match="above 1"):
        unit_graph(network, nodes(2), np.eye(2) / 2, min_lift=1)


def test_units_with_similar_words_are_grouped():
    """Units 0 and 3 share words, as do 1 and 4; unit 2 is alone, and unit 5 is dead."""
    profiles = np.array([[40, 38, 1, 1, 1, 1], [1, 1, 40, 38, 1, 1], [1, 1, 1, 1, 45, 45]])
    counts = profiles[[0, 1, 2, 0, 1, 2]] + np.arange(6)[:, None] % 2
    statistics = statistics_of(counts, information=[0.3, 0.3, 0.3, 0.3, 0.3, 0.0])
    network = random_network(6, (6,))
    with torch.no_grad():
        network.generative.visible.weight.fill_(1.0)
    roots = unit_tree(network, statistics, [(0, 1)] * 6, top_n=2)
    assert sorted(sorted(leaf.unit for leaf in root.leaves()) for root in roots) == [[0, 3], [1, 4], [2]]
    groups = [root for root in roots if root.layer == 0]
    assert {frozenset(group.words) for group in groups} == {frozenset((0, 1)), frozenset((2, 3))}
    assert all(group.distance < 0.1 for group in groups)


def test_a_deep_unit_stands_above_the_units_and_words_that_it_raises():
    network = random_network(6, (4, 2))
    with torch.no_grad():
        layer, visible = network.generative.layers[0], network.generative.visible
        layer.bias.fill_(-3.0)
        layer.weight.copy_(torch.tensor([[5.0, 0.0], [5.0, 0.0], [0.0, 5.0], [0.0, 0.0]]))
        network.generative.prior.bias.fill_(-1.0)
        visible.bias.zero_()
        visible.weight.zero_()
        visible.weight[:4] = 4 * torch.eye(4)
    statistics = statistics_of(np.full((4, 6), 20.0))
    roots = unit_tree(network, statistics, [(unit,) for unit in range(4)], top_n=2)
    children = {root.unit: {child.unit for child in root.children} for root in roots if root.layer == 2}
    assert children == {0: {0, 1}, 1: {2}}
    assert [root.unit for root in roots if root.layer == 1] == [3]  # raised by none
    words = {root.unit: set(root.words) for root in roots if root.layer == 2}
    assert words[0] == {0, 1}
    assert 2 in words[1]
    # p(h = 1 | unit 0 on) / p(h = 1), up to sampling.
    on, off, share = 1 / (1 + np.exp(-2)), 1 / (1 + np.exp(3)), 1 / (1 + np.exp(1))
    ratio = on / (share * on + (1 - share) * off)
    (first,) = [root for root in roots if root.layer == 2 and root.unit == 0]
    assert [child.ratio for child in first.children] == pytest.approx([ratio] * 2, rel=0.05)
    assert first.share == pytest.approx(share, abs=0.02)


@pytest.fixture(scope="module")
def folder(block_counts, tmp_path_factory):
    """A deep model and one of a single factorial layer, with their corpus."""
    path = tmp_path_factory.mktemp("relations")
    for name, settings in (
        ("deep", {"units": (6, 2), "posterior": "factorial"}),
        ("plain", {"units": (6,), "prior": "factorial", "posterior": "factorial"}),
    ):
        settings = docnvil.Settings(epochs=40, batch_size=10, sparsity=0.0, exclusivity=0.0, **settings)
        model = docnvil.fit(block_counts, settings)
        docnvil.save(replace(model, unit_names=("zero", *[None] * 5)), path / name)
    save_npz(path / "counts.npz", csr_array(block_counts))
    return path


def walk(nodes):
    for node in nodes:
        yield node
        yield from walk(node.get("children", ()))


def test_topics_prints_trees(folder):
    for name in ("deep", "plain"):
        text = run("topics", folder / name, "--tree", "--words", 3).stdout
        values = json.loads(run("topics", folder / name, "--tree", "--json").stdout)
        live = {topic.unit for topic in docnvil.load(folder / name).topics() if not topic.dead}
        found = {node["unit"] for node in walk(values["tree"]) if node.get("layer") == 1}
        assert found == live
        assert ("layer 2, unit" in text) == (name == "deep")
        assert "0 zero" in text


def test_topics_writes_graphs(folder, tmp_path):
    options = ("--corpus", folder / "counts.npz")
    run("topics", folder / "plain", "--graph", tmp_path / "g.json", *options)
    graph = json.loads((tmp_path / "g.json").read_text())
    assert graph["edges"]
    assert graph["nodes"][0]["label"] == "zero"
    run("topics", folder / "deep", "--graph", tmp_path / "g.dot")
    assert "unit 1 of layer 2" in (tmp_path / "g.dot").read_text()
    run("topics", folder / "deep", "--graph", tmp_path / "g.dot", status=1, stderr=("exists", "--force"))
    run("topics", folder / "deep", "--graph", tmp_path / "g.dot", "--force")


@pytest.mark.parametrize(
    ("status", "options", "message"),
    [
        (1, ("--graph", "g.json"), "independent in the model's prior (factorial)"),
        (2, ("--graph", "g.svg"), "neither a .json nor a .dot file"),
        (2, ("--tree", "--graph", "g.json"), "--tree does not go with --graph"),
        (2, ("--tree", "--corpus", "x"), "--corpus is for --graph only"),
    ],
)
def test_wrong_options_are_messages(folder, tmp_path, monkeypatch, status, options, message):
    monkeypatch.chdir(tmp_path)
    run("topics", folder / "plain", *options, status=status, stderr=message)
    assert not list(tmp_path.iterdir())
