"""Double precision from the first count to the file on disk; short products only where there is hardware for them."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from scipy.sparse import csr_array, save_npz

from docnvil.commands import main
from docnvil.errors import ConfigurationError
from docnvil.estimator import DocNVIL
from docnvil.model.distributions import AutoregressiveBernoulli, Bernoulli
from docnvil.runtime import precision
from docnvil.runtime.precision import likelihood_products, matrix_products, quick_products


@pytest.fixture(scope="module")
def precise(block_counts) -> DocNVIL:
    return DocNVIL((4, 2), recipe="best", epochs=3, precision="float64", random_state=0).fit(block_counts)


def test_double_precision_goes_from_end_to_end(precise):
    state = precise.training_.state()
    floating = {name: value.dtype for name, value in state.items() if not name.endswith(".step")}
    assert set(floating.values()) == {torch.float64}


def test_a_model_in_double_precision_comes_back_the_same(precise, block_counts, tmp_path):
    precise.save(tmp_path / "model")
    loaded = DocNVIL.load(tmp_path / "model")
    assert loaded.precision == "float64"
    assert loaded.model_.dtype == torch.float64
    assert np.array_equal(loaded.transform(block_counts), precise.transform(block_counts))
    assert loaded.perplexity(block_counts) == precise.perplexity(block_counts)
    description = json.loads((tmp_path / "model" / "model.json").read_text())
    assert description["training"]["precision"] == "float64"


def test_an_interrupted_training_in_double_precision_goes_on_to_the_same_bytes(precise, block_counts, tmp_path):
    settings = {"recipe": "best", "epochs": 3, "precision": "float64", "random_state": 0}
    interrupted = DocNVIL((4, 2), **settings)
    for _ in interrupted.fit_epochs(block_counts):
        interrupted.save_unfinished(tmp_path / "unfinished")
        break
    resumed = DocNVIL((4, 2), **settings)
    for _ in resumed.fit_epochs(block_counts, resume_from=tmp_path / "unfinished"):
        pass
    for name, value in precise.model_.state_dict().items():
        assert torch.equal(resumed.model_.state_dict()[name], value)


def test_both_precisions_start_at_the_same_place_and_stay_near(block_counts):
    """One update of a few documents: afterwards draws may fall on the other side of a probability."""
    single, double = (
        DocNVIL(3, epochs=1, batch_size=200, precision=each, random_state=0).fit(block_counts)
        for each in ("float32", "float64")
    )
    assert np.allclose(single.components_, double.components_, atol=1e-4)


def test_a_precision_of_gpus_is_refused_on_a_processor(block_counts, tmp_path):
    with pytest.raises(ConfigurationError, match="for CUDA devices"):
        DocNVIL(3, precision="tf32", device="cpu").fit(block_counts)
    save_npz(tmp_path / "counts.npz", csr_array(block_counts))
    arguments = ["fit", str(tmp_path / "counts.npz"), "--out", str(tmp_path / "model"), "--device", "cpu"]
    result = CliRunner().invoke(main, [*arguments, "--precision", "tf32"])
    assert result.exit_code == 1
    assert "Choose float32, float64 or bf16" in result.stderr
    assert not (tmp_path / "model").exists()


def test_short_products_are_for_training_and_not_for_judging(block_counts):
    short, single = (
        DocNVIL((4, 2), epochs=3, precision=each, random_state=0).fit(block_counts) for each in ("bf16", "float32")
    )
    state = short.training_.state()
    floating = {value.dtype for name, value in state.items() if not name.endswith(".step")}
    assert floating == {torch.float32}
    assert not np.array_equal(short.components_, single.components_)
    single.model_.load_state_dict(short.model_.state_dict())
    assert short.perplexity(block_counts) == single.perplexity(block_counts)


def test_layers_above_the_words_are_summed_in_full():
    """Two hundred units that are surely on: in bf16, each of their many small losses would be lost or doubled."""
    logits, weight = torch.linspace(2, 9, 200), torch.zeros(200, 200)
    for units in (Bernoulli(logits), AutoregressiveBernoulli(logits, weight)):
        with torch.autocast("cpu", torch.bfloat16):
            short = type(units)(logits.bfloat16(), *([weight] if isinstance(units, AutoregressiveBernoulli) else []))
            found = short.log_prob(torch.ones(200))
        assert found.item() == pytest.approx(units.log_prob(torch.ones(200)).item(), rel=0.01)


def test_an_unknown_precision_is_refused_by_name(block_counts):
    with pytest.raises(ConfigurationError, match="precision is 'half'"):
        DocNVIL(3, precision="half").fit(block_counts)


has_onednn = pytest.mark.skipif(
    not hasattr(getattr(torch.backends.mkldnn, "matmul", None), "fp32_precision"),
    reason="this torch has no setting for oneDNN",
)


@has_onednn
@pytest.mark.parametrize("better", [True, False])
def test_whoever_multiplies_is_as_exact(monkeypatch, better):
    """With oneDNN or without, products are those of float32, and the setting is put back."""
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(shape, generator=generator) for shape in ((300, 70), (70, 900)))
    if better and not precision._onednn_is_better.__wrapped__():
        pytest.skip("oneDNN is not asked on this processor")
    monkeypatch.setattr(precision, "_onednn_is_better", lambda: better)
    before = torch.backends.mkldnn.matmul.fp32_precision
    with quick_products(left.device):
        found = left @ right
        assert (torch.backends.mkldnn.matmul.fp32_precision == "bf16") == better
    with pytest.raises(RuntimeError), quick_products(left.device):
        right @ right
    assert torch.backends.mkldnn.matmul.fp32_precision == before
    assert torch.allclose(found.double(), left.double() @ right.double(), atol=1e-4)


@has_onednn
def test_the_answer_is_the_machines_and_not_the_callers(monkeypatch):
    """Whether oneDNN rounds is asked in float32, whatever the caller is calculating in."""
    expected = precision._onednn_is_better.__wrapped__()
    with torch.autocast("cpu", torch.bfloat16):
        assert precision._onednn_is_better.__wrapped__() == expected
    monkeypatch.setattr(precision, "processor", lambda: "AMD EPYC")
    asked = []
    matmul = torch.Tensor.__matmul__
    monkeypatch.setattr(torch.Tensor, "__matmul__", lambda *two: (asked.append(two[0].dtype), matmul(*two))[1])
    torch.set_default_dtype(torch.float64)
    try:
        precision._onednn_is_better.__wrapped__()
    finally:
        torch.set_default_dtype(torch.float32)
    assert asked[0] == torch.float32


@has_onednn
def test_whoever_rounds_is_not_asked(monkeypatch):
    """As on processors that have units for bf16: what oneDNN returns there is off by more than float32 is."""
    matmul = torch.Tensor.__matmul__

    def rounding(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        if left.dtype == torch.float32:
            left, right = left.bfloat16().float(), right.bfloat16().float()
        return matmul(left, right)

    monkeypatch.setattr(precision, "processor", lambda: "AMD EPYC")
    monkeypatch.setattr(torch.Tensor, "__matmul__", rounding)
    assert not precision._onednn_is_better.__wrapped__()


@has_onednn
def test_intels_own_library_stays_on_intels_own_processors(monkeypatch):
    monkeypatch.setattr(precision, "processor", lambda: "Intel(R) Xeon(R)")
    assert not precision._onednn_is_better.__wrapped__()


@has_onednn
def test_threads_put_the_setting_back_together(monkeypatch):
    """The first to come changes it, and the last to go puts back what was there, inherited or set."""
    settings = torch.backends.mkldnn
    monkeypatch.setattr(precision, "_onednn_is_better", lambda: True)
    before = settings.matmul.fp32_precision
    first, second = (quick_products(torch.device("cpu")) for _ in range(2))
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert settings.matmul.fp32_precision == "bf16"
    second.__exit__(None, None, None)
    assert settings.matmul.fp32_precision == before
    try:
        settings.fp32_precision = "tf32"
        assert settings.matmul.fp32_precision == "tf32"  # as long as nobody has set it for itself
    finally:
        settings.fp32_precision = "none"


def test_the_way_of_multiplying_is_put_back():
    before = torch.backends.cuda.matmul.allow_tf32
    for each in ("float32", "tf32"):
        with matrix_products(each):
            assert torch.backends.cuda.matmul.allow_tf32 == (before or each == "tf32")
        assert torch.backends.cuda.matmul.allow_tf32 == before


def test_only_bf16_makes_products_of_the_likelihood_short():
    one = torch.ones(1, 1)
    for each, expected in (("float32", torch.float32), ("tf32", torch.float32), ("bf16", torch.bfloat16)):
        with likelihood_products(each, torch.device("cpu")):
            assert (one @ one).dtype == expected
