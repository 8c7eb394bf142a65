"""Precision of parameters, of matrix products, and of what is saved."""

import json

import numpy as np
import pytest
import torch
from commands import run
from interruption import InterruptAfter, Interrupted
from scipy.sparse import csr_array, save_npz

from docnvil.analysis.completion import predict_words
from docnvil.errors import ConfigurationError
from docnvil.estimator import DocNVIL
from docnvil.model.distributions import AutoregressiveBernoulli, Bernoulli, SoftmaxWords
from docnvil.model.normalizers import _ChunkedSoftmax
from docnvil.runtime import precision
from docnvil.runtime.precision import likelihood_products, onednn_products, product_library, tf32_products
from docnvil.storage.checkpoints import CheckpointWriter, read_checkpoint
from docnvil.training.callbacks import Callback
from docnvil.training.data import checked_counts
from docnvil.training.fit import fit, split_data, start_training
from docnvil.training.loop import train
from docnvil.training.settings import Settings


def floating_types(model: DocNVIL) -> set[torch.dtype]:
    """Return the types of parameters and optimizer state after one epoch of the same training."""
    settings = model.model_.settings
    data = split_data(checked_counts(np.eye(model.n_features_in_, dtype=int)), settings)
    training = start_training(data, settings)
    next(train(training, data.train, data.validation))
    return {value.dtype for name, value in training.state().items() if not name.endswith(".step")}


@pytest.fixture(scope="module")
def double_model(block_counts) -> DocNVIL:
    return DocNVIL((4, 2), recipe="best", epochs=3, precision="float64", random_state=0).fit(block_counts)


def test_all_training_state_is_in_double_precision(double_model):
    assert floating_types(double_model) == {torch.float64}


def test_a_saved_model_in_double_precision_loads_unchanged(double_model, block_counts, tmp_path):
    double_model.save(tmp_path / "model")
    loaded = DocNVIL.load(tmp_path / "model")
    assert loaded.precision == "float64"
    assert loaded.model_.network.dtype == torch.float64
    assert np.array_equal(loaded.transform(block_counts), double_model.transform(block_counts))
    assert loaded.evaluate(block_counts) == double_model.evaluate(block_counts)
    description = json.loads((tmp_path / "model" / "model.json").read_text())
    assert description["training"]["precision"] == "float64"


def test_a_resumed_training_in_double_precision_gives_the_same_bytes(double_model, block_counts, tmp_path):
    settings = Settings("best", units=(4, 2), epochs=3, precision="float64")
    path = tmp_path / "checkpoint"
    with pytest.raises(Interrupted):
        fit(block_counts, settings, callbacks=(CheckpointWriter(path), InterruptAfter(1)))
    resumed = fit(block_counts, settings, resume_from=read_checkpoint(path))
    for name, value in double_model.model_.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[name], value)


def test_both_precisions_start_equal_and_stay_close(block_counts):
    """After one update only: later, rounding may change which samples are drawn."""
    single, double = (
        DocNVIL(3, epochs=1, batch_size=200, precision=each, random_state=0).fit(block_counts)
        for each in ("float32", "float64")
    )
    assert np.allclose(single.components_, double.components_, atol=1e-4)


def test_tf32_is_an_error_on_a_cpu(block_counts, tmp_path):
    with pytest.raises(ConfigurationError, match="needs a CUDA device"):
        DocNVIL(3, precision="tf32", device="cpu").fit(block_counts)
    save_npz(tmp_path / "counts.npz", csr_array(block_counts))
    arguments = ["fit", tmp_path / "counts.npz", "--out", tmp_path / "model", "--device", "cpu"]
    run(*arguments, "--precision", "tf32", status=1, stderr="Choose float32, float64 or bf16")
    assert not (tmp_path / "model").exists()


def test_bf16_products_are_used_in_training_but_not_in_evaluation(block_counts):
    bf16, single = (
        DocNVIL((4, 2), epochs=3, precision=each, random_state=0).fit(block_counts) for each in ("bf16", "float32")
    )
    assert floating_types(bf16) == {torch.float32}
    assert not np.array_equal(bf16.components_, single.components_)
    single.model_.network.load_state_dict(bf16.model_.network.state_dict())
    assert bf16.evaluate(block_counts) == single.evaluate(block_counts)


def test_log_probabilities_of_units_are_summed_in_float32():
    """200 units that are almost surely on: a bf16 sum would lose or double each of their small losses."""
    logits, weight = torch.linspace(2, 9, 200), torch.zeros(200, 200)
    for units in (Bernoulli(logits), AutoregressiveBernoulli(logits, weight)):
        with torch.autocast("cpu", torch.bfloat16):
            rounded = type(units)(logits.bfloat16(), *([weight] if isinstance(units, AutoregressiveBernoulli) else []))
            value = rounded.log_prob(torch.ones(200))
        assert value.item() == pytest.approx(units.log_prob(torch.ones(200)).item(), rel=0.01)


def test_an_unknown_precision_is_an_error(block_counts):
    with pytest.raises(ConfigurationError, match="precision is 'half'"):
        DocNVIL(3, precision="half").fit(block_counts)


has_onednn = pytest.mark.skipif(
    not hasattr(getattr(torch.backends.mkldnn, "matmul", None), "fp32_precision"),
    reason="this torch has no setting for oneDNN",
)


@has_onednn
@pytest.mark.parametrize("uses_onednn", [True, False])
def test_products_are_exact_with_and_without_onednn(monkeypatch, uses_onednn):
    """Products have float32 precision either way, and the setting is restored, also after an exception."""
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(shape, generator=generator) for shape in ((300, 70), (70, 900)))
    if uses_onednn and not precision._onednn_is_exact.__wrapped__():
        pytest.skip("oneDNN is not used on this processor")
    monkeypatch.setattr(precision, "_onednn_is_exact", lambda: uses_onednn)
    before = torch.backends.mkldnn.matmul.fp32_precision
    with onednn_products(left.device):
        product = left @ right
        assert (torch.backends.mkldnn.matmul.fp32_precision == "bf16") == uses_onednn
    with pytest.raises(RuntimeError), onednn_products(left.device):
        right @ right
    assert torch.backends.mkldnn.matmul.fp32_precision == before
    assert torch.allclose(product.double(), left.double() @ right.double(), atol=1e-4)


@has_onednn
def test_the_check_of_onednn_does_not_depend_on_default_dtype_or_autocast(monkeypatch):
    expected = precision._onednn_is_exact.__wrapped__()
    with torch.autocast("cpu", torch.bfloat16):
        assert precision._onednn_is_exact.__wrapped__() == expected
    monkeypatch.setattr(precision, "processor", lambda: "AMD EPYC")
    dtypes = []
    matmul = torch.Tensor.__matmul__
    monkeypatch.setattr(torch.Tensor, "__matmul__", lambda *two: (dtypes.append(two[0].dtype), matmul(*two))[1])
    torch.set_default_dtype(torch.float64)
    try:
        precision._onednn_is_exact.__wrapped__()
    finally:
        torch.set_default_dtype(torch.float32)
    assert dtypes[0] == torch.float32


@has_onednn
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_onednn_is_used_only_where_it_does_not_round(monkeypatch, dtype):
    """On processors with bf16 instructions, oneDNN's products have bf16 precision."""
    matmul = torch.Tensor.__matmul__

    def product(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        if left.dtype == torch.float64:
            return matmul(left, right)
        return matmul(left.to(dtype).double(), right.to(dtype).double()).float()

    monkeypatch.setattr(precision, "processor", lambda: "AMD EPYC")
    monkeypatch.setattr(torch.Tensor, "__matmul__", product)
    assert precision._onednn_is_exact.__wrapped__() == (dtype == torch.float32)


@has_onednn
def test_mkl_is_used_on_intel_processors(monkeypatch):
    monkeypatch.setattr(precision, "processor", lambda: "Intel(R) Xeon(R)")
    assert not precision._onednn_is_exact.__wrapped__()


@has_onednn
def test_the_last_thread_restores_the_setting(monkeypatch):
    """The first thread changes it, and the last one restores it; an inherited setting stays inherited."""
    settings = torch.backends.mkldnn
    monkeypatch.setattr(precision, "_onednn_is_exact", lambda: True)
    before = settings.matmul.fp32_precision
    first, second = (onednn_products(torch.device("cpu")) for _ in range(2))
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert settings.matmul.fp32_precision == "bf16"
    second.__exit__(None, None, None)
    assert settings.matmul.fp32_precision == before
    try:
        settings.fp32_precision = "tf32"
        assert settings.matmul.fp32_precision == "tf32"  # still inherited
    finally:
        settings.fp32_precision = "none"


@has_onednn
def test_training_and_evaluation_select_onednn_and_restore_the_setting(monkeypatch, block_counts):
    """Including the backward pass; the setting is restored after the call, also after an exception."""
    monkeypatch.setattr(precision, "_onednn_is_exact", lambda: True)
    settings, inside = torch.backends.mkldnn.matmul, []
    backward = _ChunkedSoftmax.backward
    record_backward = staticmethod(lambda *each: (inside.append(settings.fp32_precision), backward(*each))[1])
    monkeypatch.setattr(_ChunkedSoftmax, "backward", record_backward)
    log_prob = SoftmaxWords.log_prob
    monkeypatch.setattr(
        SoftmaxWords, "log_prob", lambda *each: (inside.append(settings.fp32_precision), log_prob(*each))[1]
    )
    before = settings.fp32_precision

    class Stop(Callback):
        def on_epoch(self, training, record) -> None:
            raise KeyboardInterrupt

    options = Settings(units=(3,), observation="softmax", epochs=1)
    with pytest.raises(KeyboardInterrupt):
        fit(block_counts, options, callbacks=[Stop()])
    assert settings.fp32_precision == before
    model = fit(block_counts, options)
    assert settings.fp32_precision == before
    assert len(inside) > 3
    model.evaluate(block_counts)
    predict_words(model.network, csr_array(block_counts), n_samples=2)
    assert set(inside) == {"bf16"}
    assert settings.fp32_precision == before


def test_the_run_record_names_the_product_library(monkeypatch, block_counts, tmp_path):
    DocNVIL(3, epochs=1, device="cpu").fit(block_counts).save(tmp_path / "model")
    run = json.loads((tmp_path / "model" / "run.json").read_text())
    assert run["matrix_products"] == product_library(torch.device("cpu"))
    for uses_onednn in (True, False):
        monkeypatch.setattr(precision, "_onednn_is_exact", lambda: uses_onednn)  # noqa: B023
        assert (product_library(torch.device("cpu")) == "onednn") == uses_onednn
    assert product_library(torch.device("cpu")) in ("mkl", "blas")
    assert product_library(torch.device("cuda")) == "cublas"


def test_the_tf32_setting_is_restored():
    before = torch.backends.cuda.matmul.allow_tf32
    for each in ("float32", "tf32"):
        with tf32_products(each):
            assert torch.backends.cuda.matmul.allow_tf32 == (before or each == "tf32")
        assert torch.backends.cuda.matmul.allow_tf32 == before


def test_the_tf32_setting_of_newer_versions_of_torch_is_restored():
    setting = torch.backends.cuda.matmul
    if not hasattr(setting, "fp32_precision"):
        pytest.skip("torch has this setting since 2.9")
    before = setting.fp32_precision
    try:
        setting.fp32_precision = "tf32"  # now torch refuses to read `allow_tf32`
        for each in ("float32", "tf32"):
            with tf32_products(each):
                assert setting.fp32_precision == "tf32"
            assert setting.fp32_precision == "tf32"
    finally:
        setting.fp32_precision = before
    assert not setting.allow_tf32


def test_only_bf16_changes_the_dtype_of_likelihood_products():
    one = torch.ones(1, 1)
    for each, expected in (("float32", torch.float32), ("tf32", torch.float32), ("bf16", torch.bfloat16)):
        with likelihood_products(each, torch.device("cpu")):
            assert (one @ one).dtype == expected
