"""Binary vectors: their files, and models of them compared with enumeration."""

import json
import zlib
from itertools import product

import numpy as np
import pytest
import torch
from commands import run
from exact import (
    assert_gradients_equal,
    elbo_gradients,
    exact_elbo,
    exact_log_likelihood,
    random_network,
    sparse,
)
from scipy.sparse import csr_array, save_npz
from test_nvil import expected_nvil_gradients, make_nvil

from docnvil import DocNVIL
from docnvil.analysis.completion import predict_words
from docnvil.analysis.null_models import evaluate_null_model
from docnvil.analysis.perplexity import document_bounds
from docnvil.errors import ConfigurationError, CorpusError
from docnvil.model.distributions import AutoregressiveBernoulli, Bernoulli, Bits
from docnvil.model.visible import BernoulliLayer
from docnvil.report.images import filters, png, sheet
from docnvil.runtime.randomness import KeyedGenerator
from docnvil.text.bits import read_bits
from docnvil.text.documents import detect_format

N_BITS = 4
OBSERVATIONS = ("bernoulli", "autoregressive-bernoulli")
every_vector = torch.tensor(list(product([0.0, 1.0], repeat=N_BITS)), dtype=torch.float64)
each_observation = pytest.mark.parametrize("observation", OBSERVATIONS)
each_shape = pytest.mark.parametrize("units", [(3,), (2, 2)])


def random_bits(observation: str, n_samples: int = 3, n_vectors: int = 16) -> Bits:
    generator = torch.Generator().manual_seed(1)
    shapes = [(n_samples, n_vectors, 2), (N_BITS, 2), (N_BITS,), (N_BITS, N_BITS)]
    samples, weight, bias, lateral = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)
    return Bits(samples, weight, bias, lateral if observation == "autoregressive-bernoulli" else None)


@each_observation
def test_log_prob_of_bits_is_that_of_units_with_the_same_logits(observation):
    bits = random_bits(observation)
    dense = Bernoulli(bits.logits) if bits.lateral is None else AutoregressiveBernoulli(bits.logits, bits.lateral)
    assert torch.allclose(bits.log_prob(sparse(every_vector)), dense.log_prob(every_vector), atol=1e-12)


@each_observation
@each_shape
def test_joint_probability_sums_to_one_over_vectors_and_units(units, observation):
    network = random_network(N_BITS, units, observation=observation)
    assert exact_log_likelihood(network, sparse(every_vector)).exp().sum().item() == pytest.approx(1, abs=1e-12)


@each_observation
@each_shape
@pytest.mark.parametrize("hidden", [(), (3,), (5, 3)])
def test_nvil_is_unbiased_with_tanh_layers_and_centered_inputs(units, observation, hidden):
    settings = {"recognition_input": "centered", "recognition_hidden": hidden}
    network = random_network(N_BITS + 1, units, observation=observation, **settings)
    network.recognition.first.linear.mean.uniform_(0, 1)
    vector = sparse(torch.tensor([[1.0, 0.0, 1.0, 0.0, 1.0]], dtype=torch.float64))
    found = expected_nvil_gradients(network, make_nvil(units, normalize=False), vector)
    assert_gradients_equal(found, elbo_gradients(network, vector))


@each_observation
def test_samples_of_bits_follow_their_probabilities(observation):
    network = random_network(N_BITS, (2,), observation=observation)
    keys, lengths = torch.arange(40_000), torch.zeros(40_000, dtype=torch.int64)
    generator = KeyedGenerator(0, keys)
    samples = network.generative.sample(40_000, generator)
    vectors = network.generative.visible_distribution(samples).sample(lengths, generator)
    numbers = vectors.matmul(2.0 ** torch.arange(N_BITS - 1, -1, -1, dtype=torch.float64)[:, None])[:, 0].long()
    found = torch.bincount(numbers, minlength=2**N_BITS) / 40_000
    expected = exact_log_likelihood(network, sparse(every_vector)).exp().detach()
    assert torch.allclose(found.double(), expected, atol=0.01)
    means = network.generative.sample_means(40_000, KeyedGenerator(1, keys)).mean(0)
    assert torch.allclose(means, (expected[:, None] * every_vector).sum(0), atol=0.015)


@each_observation
def test_a_vector_of_zeros_is_evaluated_as_any_other(observation):
    network = random_network(N_BITS, (3,), observation=observation)
    vectors = csr_array(every_vector.numpy())
    bounds = document_bounds(network, vectors, n_samples=20_000)
    assert np.allclose(bounds.log_likelihood, exact_elbo(network, sparse(every_vector)).detach(), atol=0.1)
    assert bounds.log_likelihood[0] < -0.5
    assert (bounds.lengths == N_BITS).all()


def test_centered_inputs_are_counts_less_their_mean():
    network = random_network(3, (2,), recognition_input="centered")
    first = network.recognition.first.linear
    first.mean.copy_(torch.tensor([0.5, 0.25, 1.0]))
    dense = torch.tensor([[1.0, 0.0, 1.0]], dtype=torch.float64)
    assert torch.allclose(first(sparse(dense)), (dense - first.mean) @ first.weight + first.bias)


def test_initial_bias_and_input_mean_are_those_of_the_training_vectors():
    rng = np.random.default_rng(0)
    vectors = (rng.random((200, 6)) < np.linspace(0.1, 0.9, 6)).astype(int)
    model = DocNVIL(3, recipe="binary", epochs=1, learning_rate=1e-9, validation=0).fit(vectors)
    ones = vectors.sum(axis=0)
    expected = np.log((ones + 0.5) / (200 - ones + 0.5))
    assert np.allclose(model.model_.network.generative.visible.bias.detach(), expected, atol=1e-5)
    assert np.allclose(model.model_.network.recognition.first.linear.mean, vectors.mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("gradient", ["nvil", "wake-sleep"])
@each_observation
def test_two_clusters_of_vectors_are_learned(observation, gradient):
    """Eight bits, all on or all off: the exact figure is log 2, that of a fair coin."""
    rng = np.random.default_rng(0)
    vectors = np.repeat(rng.integers(0, 2, (400, 1)), 8, axis=1)
    model = DocNVIL(1, recipe="binary", observation=observation, epochs=60, learning_rate=0.1, batch_size=20)
    model.set_params(gradient=gradient).fit(vectors)
    found = model.evaluate(vectors)
    assert -found.log_likelihood / found.documents < np.log(2) + 0.5
    independent = BernoulliLayer.null_model(vectors.sum(axis=0).astype(float), len(vectors))
    null = evaluate_null_model(BernoulliLayer, independent, csr_array(vectors))
    assert -null.log_likelihood / null.documents == pytest.approx(8 * np.log(2), abs=0.05)


def test_models_of_bits_refuse_counts_and_completion():
    with pytest.raises(CorpusError, match="zeros and ones, but there is a count of 2"):
        DocNVIL(2, recipe="binary").fit(np.array([[0, 1], [2, 0]]))
    with pytest.raises(ConfigurationError, match="predicts words"):
        predict_words(random_network(3, (2,), observation="bernoulli"), csr_array(np.eye(3)))


class TestFiles:
    @pytest.fixture
    def vectors(self) -> np.ndarray:
        return np.random.default_rng(0).integers(0, 2, (20, 13))

    def test_packed_and_plain_arrays_give_the_same_vectors(self, tmp_path, vectors):
        np.savez(tmp_path / "packed.npz", only=np.packbits(vectors, axis=1))
        (tmp_path / "packed.vocab.txt").write_text("".join(f"pixel{number}\n" for number in range(13)))
        np.savez(tmp_path / "plain.npz", only=vectors.astype(bool))
        np.save(tmp_path / "plain.npy", vectors.astype(float))
        for name, width in (("packed.npz", 13), ("plain.npz", None), ("plain.npy", None)):
            assert detect_format(tmp_path / name) == "bits"
            assert np.array_equal(read_bits(tmp_path / name, width=width).counts.toarray(), vectors)

    def test_labels_in_the_archive_are_read(self, tmp_path, vectors):
        np.savez(tmp_path / "a.npz", train=vectors, test=vectors[:2], train_labels=np.arange(20))
        assert read_bits(tmp_path / "a.npz", "train").labels == tuple(map(str, range(20)))
        assert read_bits(tmp_path / "a.npz", "test").labels is None

    @pytest.mark.parametrize(
        ("labels", "expected"),
        [
            (np.array([b"sea", "é".encode()]), ("sea", "é")),
            (np.array([1.0, np.nan]), ("1", "")),
            (np.array(["a", ""]), ("a", "")),
            (np.array([True, False]), ("true", "false")),
        ],
        ids=["bytes", "numbers", "strings", "booleans"],
    )
    def test_labels_of_any_type_are_strings(self, tmp_path, vectors, labels, expected):
        np.savez(tmp_path / "a.npz", rows=vectors[:2], labels=labels)
        assert read_bits(tmp_path / "a.npz", "rows").labels == expected

    def test_archive_with_a_sparse_matrix_has_the_format_npz(self, tmp_path, vectors):
        save_npz(tmp_path / "counts.npz", csr_array(vectors))
        assert detect_format(tmp_path / "counts.npz") == "npz"

    @pytest.mark.parametrize(
        ("arrays", "options", "complaint"),
        [
            ({"a": np.eye(2), "b": np.eye(2)}, [], "2 2-D arrays (a, b). Choose one with --array"),
            ({"a": np.eye(2), "b": np.eye(2)}, ["--array", "c"], "no array 'c'. Its arrays are a, b"),
            ({"a": np.array([[0, 3]])}, [], "other numbers than zeros and ones"),
            ({"a": np.zeros(4)}, [], "has 0 2-D arrays"),
            ({"a": np.zeros(4)}, ["--array", "a"], "the rows of a 2-D array"),
        ],
    )
    def test_other_arrays_are_refused(self, tmp_path, arrays, options, complaint):
        np.savez(tmp_path / "bits.npz", **arrays)
        out = tmp_path / "model"
        run("fit", tmp_path / "bits.npz", *options, "--out", out, status=1, stderr=complaint)
        assert not out.exists()

    def test_damaged_file_is_refused(self, tmp_path):
        (tmp_path / "bits.npy").write_bytes(b"nothing of the kind")
        with pytest.raises(CorpusError, match=r"bits\.npy cannot be read .* Write it again with numpy\.save"):
            read_bits(tmp_path / "bits.npy")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images of 4 by 4 pixels, each one bright row or one bright column, and a model of them."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    images = np.zeros((300, 4, 4), dtype=np.uint8)
    for image in images:
        place = rng.integers(0, 4)
        image[(place, slice(None)) if rng.random() < 0.5 else (slice(None), place)] = 1
    flat = images.reshape(300, 16)
    np.savez(folder / "images.npz", train=np.packbits(flat[:250], axis=1), test=flat[250:])
    settings = (
        "--units",
        "8,3",
        "--recognition-hidden",
        12,
        "--learning-rate",
        0.03,
        "--epochs",
        40,
        "--batch-size",
        25,
    )
    made = run("fit", folder / "images.npz", "--array", "train", *settings, "--out", folder / "m")
    assert "nats per vector" in made.stdout
    return folder


class TestCommands:
    def test_the_likelihood_is_in_nats_a_vector(self, folder):
        arguments = ["perplexity", folder / "m", folder / "images.npz", "--array", "test"]
        found = json.loads(run(*arguments, "--json").stdout)
        assert found["negative_log_likelihood"] < found["negative_log_likelihood_of_independent_bits"]
        told = run(*arguments).stdout
        assert f"{found['negative_log_likelihood']:.2f} nats per vector" in told
        assert "50 vectors of 16 bits" in told

    def test_a_model_comes_back_as_it_was(self, folder):
        model = DocNVIL.load(folder / "m")
        assert model.model_.network.config.recognition_hidden == (12,)
        assert model.recipe == "binary"
        assert model.model_.network.recognition.first.linear.mean.sum() > 0

    def test_samples_and_filters_are_pictures(self, folder):
        out = folder / "pictures"
        arguments = ["draw", folder / "m", "--out", out, "--samples", "9"]
        run(*arguments)
        assert {place.name for place in out.iterdir()} == {"samples.png", "filters.png"}
        before = (out / "samples.png").read_bytes()
        run(*arguments, status=1, stderr="--force")
        run(*arguments, "--force")
        assert (out / "samples.png").read_bytes() == before  # one seed, one picture

    @pytest.mark.parametrize(
        ("options", "code", "complaint"),
        [(["--shape", "3x5"], 1, "3 by 5 pixels are not the 16"), (["--shape", "wide"], 2, "28x28")],
    )
    def test_impossible_shapes_are_refused(self, folder, options, code, complaint):
        run("draw", folder / "m", "--out", folder / "none", *options, status=code, stderr=complaint)
        assert not (folder / "none").exists()


def test_a_png_holds_the_pixels():
    gray = np.arange(12, dtype=np.uint8).reshape(3, 4)
    data = png(gray)
    start = data.index(b"IDAT")
    length = int.from_bytes(data[start - 4 : start], "big")
    lines = np.frombuffer(zlib.decompress(data[start + 4 : start + 4 + length]), np.uint8).reshape(3, 5)
    assert not lines[:, 0].any()
    assert np.array_equal(lines[:, 1:], gray)


def test_a_sheet_shows_every_image_in_its_place():
    page = sheet(np.array([[0.0, 1.0], [0.5, 2.0]]), (1, 2), columns=2)
    assert page.shape == (6, 14)
    assert page[2, 2:6].tolist() == [0, 0, 255, 255]
    assert page[3, 8:12].tolist() == [128, 128, 255, 255]
    assert filters(np.zeros((1, 3)), np.full(3, 0.2)).tolist() == [[0.5, 0.5, 0.5]]


def test_tanh_layers_represent_nonlinear_functions():
    """The exclusive or of two bits is not linear in the bits."""
    network = random_network(2, (1,), observation="bernoulli", recognition_hidden=(4,))
    vectors = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=torch.float64)
    target = torch.tensor([[0.0], [1.0], [1.0], [0.0]], dtype=torch.float64)
    optimizer = torch.optim.Adam(network.recognition.parameters(), lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        (-network.recognition.first(sparse(vectors)).log_prob(target).sum()).backward()
        optimizer.step()
    assert torch.allclose(network.recognition.first(sparse(vectors)).mean, target, atol=0.05)
