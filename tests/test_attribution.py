"""Attribution and surprise, compared with the network itself, and the command `docnvil explain`."""

import copy
import json

import numpy as np
import pytest
import torch
from commands import run
from scipy.sparse import csr_array
from text_data import SUBJECTS, rows_of, write_jsonl

import docnvil
from docnvil.analysis.attribution import attribute
from docnvil.analysis.surprise import word_surprise
from docnvil.batches import content_keys, sparse_counts
from docnvil.model.belief_network import build_model
from docnvil.model.settings import ModelConfig
from docnvil.model.sparse import SparseCounts
from docnvil.runtime.randomness import LatticeGenerator

COUNTS = csr_array(np.random.default_rng(0).poisson(0.7, (12, 9)) * (np.arange(12) != 5)[:, None])


def network_of(**settings):
    config = ModelConfig(vocabulary_size=9, units=(4,), **settings)
    network = build_model(config, torch.Generator().manual_seed(1), torch.ones(9) * 20, n_documents=12)
    for number, parameter in enumerate(network.parameters()):
        if parameter.requires_grad and parameter.dim():
            noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
            parameter.data.add_(noise)
    return network


LINEAR = [
    {"recognition_input": transform, "posterior": posterior}
    for transform in ("counts", "log1p", "centered")
    for posterior in ("factorial", "autoregressive")
]


@pytest.mark.parametrize("settings", [*LINEAR, {"recognition_hidden": (3,), "posterior": "autoregressive"}])
def test_terms_add_up_to_the_logits_of_the_network(settings):
    network = network_of(**settings)
    first = copy.deepcopy(network.recognition.first).double()
    units = first(sparse_counts(COUNTS, torch.device("cpu"), torch.float64))
    attributions = list(attribute(network, COUNTS))
    codes = torch.tensor(np.array([each.probabilities > 0.5 for each in attributions]), dtype=torch.float64)
    assert 0 < codes.mean() < 1
    logits = units.conditional(codes).logits.detach().numpy()
    for row, each in enumerate(attributions):
        total = each.bias + each.word_terms.sum(1) + each.earlier_terms.sum(1) + each.interaction
        assert total == pytest.approx(logits[row], abs=1e-5)
        assert each.logits == pytest.approx(logits[row], abs=1e-5)
        assert each.words.tolist() == COUNTS[[row]].indices.tolist()
        assert each.is_exact == ("recognition_hidden" not in settings)
        if each.is_exact:
            assert not each.interaction.any()


@pytest.mark.parametrize("settings", [*LINEAR, {"recognition_hidden": (3,)}])
def test_leaving_a_word_out_lowers_the_logit_by_its_contribution(settings):
    network = network_of(**settings)
    document = COUNTS[[0]]
    (full,) = attribute(network, csr_array(document))
    position = 1
    without = document.toarray()
    without[0, full.words[position]] = 0
    (less,) = attribute(network, csr_array(without))
    inputs = [each.logits - each.earlier_terms.sum(1) for each in (full, less)]
    assert inputs[0] - inputs[1] == pytest.approx(full.word_terms[:, position])


def test_earlier_units_are_earlier_and_on():
    network = network_of(posterior="autoregressive")
    for each in attribute(network, COUNTS):
        terms = each.earlier_terms
        assert not np.triu(terms).any()
        assert not terms[:, each.probabilities <= 0.5].any()


def test_a_document_without_words_has_the_prior_and_the_bias():
    network = network_of()
    empty = list(attribute(network, COUNTS))[5]
    assert empty.word_terms.shape == (4, 0)
    assert empty.logits == pytest.approx(empty.bias)
    assert empty.probabilities == pytest.approx(network.generative.prior().mean.detach().numpy(), abs=1e-6)


def test_top_causes_raise_the_logit_most():
    (each,) = attribute(network_of(), csr_array(COUNTS[[0]]))
    causes = each.top_causes(2, 3)
    values = each.word_terms[2, causes]
    assert (values > 0).all()
    assert values.tolist() == sorted(each.word_terms[2][each.word_terms[2] > 0], reverse=True)[:3]


@pytest.mark.parametrize("observation", ["softmax", "dirichlet-multinomial"])
def test_surprise_is_the_predictive_probability_after_the_rest(observation):
    network = network_of(observation=observation, posterior="autoregressive")
    for row, values in enumerate(word_surprise(network, COUNTS, n_samples=8, seed=3)):
        document = COUNTS[[row]]
        assert len(values) == document.nnz
        for word, value in zip(document.indices, values, strict=True):
            rest = document.toarray()
            rest[0, word] -= 1
            keys = torch.from_numpy(content_keys(csr_array(rest)))
            counts = SparseCounts.from_dense(torch.tensor(rest, dtype=torch.float32))
            samples = network.recognition.sample(counts, 8, LatticeGenerator(3, keys))
            probability = network.generative.visible_distribution(samples).predict(counts)[:, 0, word].mean()
            assert value == pytest.approx(-probability.detach().log().item(), abs=1e-4)


def test_a_document_of_one_word_uses_the_prior():
    network = network_of(observation="softmax")
    samples = network.generative.sample(20_000, torch.Generator().manual_seed(0))
    expected = -network.generative.visible_distribution(samples).mean[0, :, 3].mean().log().item()
    one = csr_array(np.eye(9, dtype=int)[[3]])
    (values,) = word_surprise(network, one, n_samples=4000)
    assert values[0] == pytest.approx(expected, abs=0.05)


def test_repeating_a_word_makes_it_less_surprising():
    network = network_of(observation="dirichlet-multinomial")
    network.generative.visible.log_concentration.data.fill_(1.0)
    once, often = (csr_array([[count, 1, 1, 0, 0, 0, 0, 0, 0]]) for count in (1, 5))
    assert next(word_surprise(network, often))[0] < next(word_surprise(network, once))[0] - 0.5


def test_models_of_bits_have_no_surprise():
    with pytest.raises(docnvil.ConfigurationError, match="model of words"):
        list(word_surprise(network_of(observation="bernoulli"), COUNTS))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("explain")
    generator = np.random.default_rng(0)
    texts = [" ".join(generator.choice(SUBJECTS[number % 2], 12)) for number in range(60)]
    rows = [{"id": f"d{number}", "title": f"Title {number}", "text": text} for number, text in enumerate(texts)]
    rows.append({"id": "strange", "title": "", "text": "zebra zebra"})
    write_jsonl(path / "corpus.jsonl", rows)
    options = ("--units", 2, "--epochs", 60, "--batch-size", 10, "--out", path / "model")
    run("fit", path / "corpus.jsonl", *options)
    return path


def test_command_explains_documents_by_id(folder):
    result = run("explain", folder / "model", folder / "corpus.jsonl", "--id", "d4", "--id", "strange", "--json")
    food, strange = json.loads(result.stdout)["documents"]
    assert (food["id"], food["title"]) == ("d4", "Title 4")
    assert food["units"]
    for unit in food["units"]:
        terms = [each["contribution"] for each in (*unit["words"], *unit["earlier_units"])]
        assert sum(terms) + unit["bias"] == pytest.approx(unit["logit"], abs=1e-5)
        assert {each["word"] for each in unit["words"]} <= set(SUBJECTS[0])
    assert (strange["known_tokens"], strange["unknown_tokens"]) == (0, 2)


def test_texts_without_known_words(folder):
    unknown, empty = (run("explain", folder / "model", "--text", text) for text in ("zebra", ""))
    assert "none of its words is in the model's vocabulary" in unknown.stdout
    assert "1 token (100%) is not in the model's vocabulary and was ignored." in unknown.stderr
    assert unknown.stdout.splitlines()[0] == "text 1: zebra"
    assert empty.stdout == "text 1:\n  it has no words\n"


def test_texts_are_headed_by_their_beginning(folder):
    long = "mast sail " * 50
    arguments = "explain", folder / "model", "--text", "mast\n\tsail", "--text", long
    headings = [line for line in run(*arguments).stdout.splitlines() if not line.startswith(" ")]
    assert headings[0] == "text 1: mast sail"
    assert headings[1].startswith("text 2: mast sail mast")
    assert headings[1].endswith("…")
    assert len(headings[1]) <= 130
    documents = json.loads(run(*arguments, "--json").stdout)["documents"]
    assert [f"text {each['id']}: {each['title']}" for each in documents] == headings


def test_command_explains_a_text_with_surprise(folder):
    result = run("explain", folder / "model", "--text", "mast sail wind keel anchor tide sail garlic", "--surprise")
    assert "most surprising words, in nats: garlic" in result.stdout


def test_command_writes_all_terms(folder, tmp_path):
    out = tmp_path / "terms.csv"
    arguments = ("explain", folder / "model", folder / "corpus.jsonl", "--out", out)
    run(*arguments, "--surprise")
    rows = rows_of(out)
    assert len({row["id"] for row in rows}) > 50
    sums = {}
    for row in rows:
        key = row["id"], row["unit"], row["logit"]
        sums[key] = sums.get(key, 0) + float(row["contribution"])
        assert bool(row["surprise"]) == (row["kind"] == "word")
    for (_, _, logit), total in sums.items():
        assert total == pytest.approx(float(logit), abs=1e-5)
    run(*arguments, status=1, stderr=("already exists", "--force"))


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--id", "nobody"), 1, "No document has the id"),
        (("--text", "both"), 2, "either a CORPUS or --text"),
    ],
)
def test_command_refuses(folder, arguments, status, message):
    run("explain", folder / "model", folder / "corpus.jsonl", *arguments, status=status, stderr=message)


def test_a_text_for_a_model_of_counts_is_refused(tmp_path):
    counts = np.kron(np.eye(2, dtype=int), np.full((20, 3), 2))
    docnvil.save(docnvil.fit(counts, docnvil.Settings(units=(2,), epochs=3)), tmp_path / "model")
    run("explain", tmp_path / "model", "--text", "owl", status=1, stderr="trained on counts")
