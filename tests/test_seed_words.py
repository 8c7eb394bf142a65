"""Seed words: guided units, their names in every output, exact resumption, and messages about wrong files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from commands import run
from scipy.sparse import csr_array
from torch import nn

import docnvil
from docnvil.errors import CheckpointError, ConfigurationError, VocabularyError
from docnvil.training.kmeans_init import cluster_documents
from docnvil.training.penalties import SEED_TARGET, Penalties, SeedPrior
from docnvil.training.seed_words import read_seed_words, seed_columns
from docnvil.training.settings import Settings, TrainingConfig

SUBJECTS = {
    "sailing": ["wind", "sail", "keel", "mast", "rope", "deck"],
    "baking": ["oven", "salt", "flour", "butter", "bake", "stir"],
    "music": ["violin", "piano", "chord", "melody", "rhythm", "choir"],
}
SEEDS = {"kitchen": ["oven", "Flour"], "at sea": ["sail", "mast"]}
SETTINGS = {"units": (4,), "epochs": 12, "batch_size": 20}


@pytest.fixture(scope="module")
def texts():
    generator = np.random.default_rng(0)
    return [" ".join(generator.choice(words, 15)) for words in SUBJECTS.values() for _ in range(60)]


@pytest.fixture(scope="module")
def model(texts):
    return docnvil.fit(texts, Settings(**SETTINGS, seed_words=SEEDS))


def test_a_byte_order_mark_is_ignored(tmp_path):
    path = tmp_path / "seeds.toml"
    path.write_bytes(b'\xef\xbb\xbfsea = ["sail"]\r\n')
    assert read_seed_words(path) == (("sea", ("sail",)),)


@pytest.fixture
def corpus(texts, tmp_path) -> Path:
    (tmp_path / "corpus.txt").write_text("\n".join(texts), encoding="utf-8")
    return tmp_path / "corpus.txt"


def test_seeded_units_come_first_with_their_names_and_subjects(model):
    assert model.unit_names == ("kitchen", "at sea", None, None)
    kitchen, sea = (set(words) for words in model.top_words(6)[:2])
    assert kitchen == set(SUBJECTS["baking"])
    assert sea == set(SUBJECTS["sailing"])


def test_seeded_units_classify_without_labels(model, texts):
    on = model.transform(texts)[:, :2]
    assert (on[60:120].argmax(1) == 0).mean() > 0.95
    assert (on[:60].argmax(1) == 1).mean() > 0.95


def test_the_model_folder_keeps_seed_words_and_names(model, tmp_path):
    docnvil.save(model, tmp_path / "model")
    loaded = docnvil.load(tmp_path / "model")
    assert loaded.unit_names == model.unit_names
    assert loaded.training.seed_words == (("kitchen", ("oven", "Flour")), ("at sea", ("sail", "mast")))
    again = loaded.settings.training_config(n_documents=180)
    assert again.seed_words == loaded.training.seed_words


def test_the_same_seed_gives_the_same_model_and_order_matters(model, texts):
    again = docnvil.fit(texts, Settings(**SETTINGS, seed_words=SEEDS))
    for name, value in model.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[name]), name
    backwards = docnvil.fit(texts, Settings(**SETTINGS, seed_words=dict(reversed(SEEDS.items()))))
    assert backwards.unit_names[:2] == ("at sea", "kitchen")
    assert set(backwards.top_words(6)[0]) == set(SUBJECTS["sailing"])


def test_the_estimator_takes_seed_words(texts):
    estimator = docnvil.DocNVIL(4, epochs=3, batch_size=20, seed_words=SEEDS).fit(texts)
    assert estimator.model_.unit_names[:2] == ("kitchen", "at sea")


def test_resuming_gives_the_same_bytes_and_refuses_other_seed_words(texts, tmp_path):
    class Keeper(docnvil.Callback):
        def on_epoch(self, training, record):
            if record.epoch == 4:
                docnvil.write_checkpoint(training.checkpoint(), tmp_path / "model.unfinished")

    settings = Settings(**SETTINGS, seed_words=SEEDS)
    whole = docnvil.fit(texts, settings, callbacks=[Keeper()])
    checkpoint = docnvil.read_checkpoint(tmp_path / "model.unfinished")
    resumed = docnvil.fit(texts, settings, resume_from=checkpoint)
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name
    assert resumed.unit_names == whole.unit_names
    for other in (dict(reversed(SEEDS.items())), {}, {**SEEDS, "music": ["piano"]}):
        with pytest.raises(CheckpointError, match="used seed_words"):
            docnvil.fit(texts, Settings(**SETTINGS, seed_words=other), resume_from=checkpoint)


def test_more_seeded_units_than_the_corpus_supports_are_all_started(texts):
    names = {word: [word] for words in SUBJECTS.values() for word in words}  # 18 units; 162 documents start 16
    model = docnvil.fit(texts, Settings(units=(18,), epochs=1, batch_size=20, seed_words=names))
    weight = model.network.generative.visible.weight
    assert (weight.abs().sum(0) > 0).all()


def test_clusters_without_seeds_do_not_change(block_counts):
    counts = csr_array(block_counts)
    first, second = (cluster_documents(counts, 3, np.random.default_rng(0), seeds) for seeds in ((), ()))
    assert np.array_equal(first.profiles, second.profiles)
    seeded = cluster_documents(counts, 3, np.random.default_rng(0), ((12, 13), (1,)))
    assert seeded.members[[0]].indices.min() % 3 == 2  # documents of the third block
    assert set(seeded.members[[0]].indices % 3) == {2}
    assert set(seeded.members[[1]].indices % 3) == {0}


def test_the_prior_is_the_gradient_of_its_density():
    weight = nn.Parameter(torch.tensor([[0.5, 1.0, -1.0], [3.0, 0.2, 0.0], [1.0, 1.0, 1.0]], dtype=torch.float64))
    frequencies = np.array([100.0, 50.0, 10.0])
    prior = SeedPrior.of_columns(((0,), (1,)), frequencies, weight)

    def density(values):
        own = torch.stack([values[0, 0], values[1, 1]])
        others = torch.stack([values[0, [1, 2]], values[1, [0, 2]]])
        squares = (SEED_TARGET - own).clamp(min=0) ** 2 + (others.clamp(min=0) ** 2).sum(1)
        return (prior.strength / 2 * squares).sum()

    (expected,) = torch.autograd.grad(density(weight), weight)
    weight.grad = torch.ones_like(weight)
    prior.add_gradient(weight, share=0.25)
    assert torch.allclose(weight.grad, 1 + 0.25 * expected)
    assert (expected[2] == 0).all()
    config = TrainingConfig(l1=0.0)
    penalties = Penalties.of_corpus(config, frequencies, 20, like=weight, seeds=((0,), (1,)))
    weight.grad = torch.zeros_like(weight)
    penalties.add_gradient(weight, n_batch=5, penalty_scale=1.0)
    assert torch.allclose(weight.grad, 0.25 * expected)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"a": ["x"], "b": ["y", "x"]}, "'x' is in 'a' and in 'b'"),
        ({"a": ["x", "x"]}, "'x' is in 'a' twice"),
        ({"a": []}, "'a' has no seed words"),
        ({"a": "word"}, "Give a dictionary of names and lists of words"),
        ({"a": [1]}, "Give a dictionary of names"),
        (["a"], "Give a dictionary of names"),
        ({"unit 2": ["x"]}, "'unit 2'"),
        ({"": ["x"]}, "is empty"),
        ({"a": ["x"], "A": ["y"]}, "both named"),
        ({str(n) + "n": [str(n)] for n in range(51)}, "seed words for 51 units, and the first layer has 50"),
    ],
)
def test_wrong_values_are_refused(values, message):
    with pytest.raises(ConfigurationError, match=message):
        Settings(seed_words=values)


def test_a_random_start_has_no_clusters_for_seed_words():
    with pytest.raises(ConfigurationError, match="start is random"):
        Settings("paper", seed_words=SEEDS)


def test_unknown_words_and_words_that_become_one(texts):
    with pytest.raises(VocabularyError, match=r"2 seed words are not .*'ovn' \(did you mean 'oven'\?\), 'xyz'"):
        docnvil.fit(texts, Settings(**SETTINGS, seed_words={"a": ["ovn", "xyz", "salt"]}))
    with pytest.raises(ConfigurationError, match="'oven' is in 'a' and in 'b'"):
        docnvil.fit(texts, Settings(**SETTINGS, seed_words={"a": ["Oven"], "b": ["oven"]}))
    with pytest.raises(VocabularyError, match="have no words"):
        docnvil.fit(np.eye(30, dtype=int) + 1, Settings(**SETTINGS, seed_words={"a": ["oven"]}))


def test_phrases_and_words_as_counted_are_found():
    vocabulary = docnvil.Vocabulary(["New York", "cat"])
    rules = docnvil.TokenRules()
    assert seed_columns((("a", ("New York", "CAT")),), vocabulary, rules) == ((0, 1),)
    with pytest.raises(VocabularyError, match="1 seed word is not in the vocabulary: 'dog'"):
        seed_columns((("a", ("dog",)),), vocabulary, None)


# --- the command


def test_command_trains_and_names_appear_in_its_outputs(corpus, tmp_path):
    seeds = tmp_path / "seeds.toml"
    seeds.write_text('kitchen = ["oven", "flour"]\n"at sea" = ["sail", "mast"]\n', encoding="utf-8")
    options = "--units", 4, "--epochs", 5, "--batch-size", 20, "--out", tmp_path / "model"
    run("fit", corpus, "--seed-words", seeds, *options)
    assert "at sea" in run("topics", tmp_path / "model").output
    assert '"seed_words"' in (tmp_path / "model" / "model.json").read_text(encoding="utf-8")
    dry = run("fit", corpus, "--seed-words", seeds, *options[:-2], "--dry-run")
    assert "kitchen,at sea" in dry.output
    assert read_seed_words(seeds) == (("kitchen", ("oven", "flour")), ("at sea", ("sail", "mast")))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('a = ["oven"', "is not valid TOML"),
        ('a = ["oven"]\na = ["salt"]', "is not valid TOML"),
        (b"a = ['\xff']", "is not valid TOML"),
        ('a = "oven"', "'a' is not a list of words"),
        ("a = [1, 2]", "'a' is not a list of words"),
        ('[a]\nb = ["oven"]', "'a' is not a list of words"),
        ("", "has no seed words"),
        ("a = []", "'a' has no seed words"),
        ('a = ["oven"]\nb = ["oven"]', "'oven' is in 'a' and in 'b'"),
        ('a = ["hovercraft"]', "'hovercraft'"),
        ('"unit 1" = ["oven"]', "'unit 1'"),
    ],
)
def test_messages_name_the_file(corpus, tmp_path, content, message):
    seeds = tmp_path / "seeds.toml"
    seeds.write_bytes(content if isinstance(content, bytes) else content.encode())
    arguments = ("fit", corpus, "--seed-words", seeds, "--units", 4, "--out", tmp_path / "model")
    run(*arguments, status=1, stderr=(str(seeds), message))
    assert not (tmp_path / "model").exists()


def test_a_missing_file_is_wrong_usage(corpus, tmp_path):
    arguments = ("fit", corpus, "--seed-words", tmp_path / "none.toml", "--out", tmp_path / "model")
    run(*arguments, status=2, stderr="none.toml")
