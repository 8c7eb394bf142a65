"""What is compared between a device and the CPU: training, evaluation and everything else that computes with a model.

    python tests/device_cases.py [--device accel|cuda] [--part 1/4] [NAME ...]

runs all cases, or those named, or a part of them, and prints one JSON object per case. The default device is simulated,
see `simulated_accelerator.py`; tests/test_device.py starts this script and checks what it prints.
"""

import argparse
import json
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array

import docnvil
from docnvil.analysis.completion import evaluate_completion, split_words
from docnvil.analysis.perplexity import document_bounds
from docnvil.analysis.posterior import unit_posteriors
from docnvil.analysis.sampling import sample_documents
from docnvil.analysis.unit_probabilities import prior_probabilities, unit_probabilities
from docnvil.model.belief_network import build_model
from docnvil.model.settings import ModelConfig
from docnvil.runtime.device_operations import failed_kernels
from docnvil.runtime.randomness import KeyedGenerator
from docnvil.storage.checkpoints import read_checkpoint, write_checkpoint
from docnvil.storage.model_folder import load_model, save_model
from docnvil.training import continuing, editing
from docnvil.training.callbacks import Callback
from docnvil.training.fitted_model import FittedModel
from docnvil.training.gradients import GRADIENTS

EXACT = 1e-6  # relative difference in double precision: Adam divides gradients near zero by their size
SINGLE = 2e-3  # in single precision, after several updates


def block_counts(n_documents: int = 60) -> csr_array:
    """Return documents on three subjects with common and repeated words, `[N, 15]`."""
    generator = np.random.default_rng(0)
    counts = np.zeros((n_documents, 15), dtype=np.int64)
    for document in range(n_documents):
        first = 5 * (document % 3)
        counts[document, first : first + 5] = generator.multinomial(20, np.full(5, 0.2))
        counts[document] += generator.integers(0, 12, size=15) == 0
    return csr_array(counts)


def settings_on(device: str, recipe: str = "default", **values: Any) -> docnvil.Settings:
    """Return settings of a short training in double precision."""
    values = {"units": (5,), "epochs": 2, "batch_size": 25, "precision": "float64", **values}
    return docnvil.Settings(recipe, device=device, **values)


def train(device: str, counts: Any = None, callbacks: Any = (), recipe: str = "default", **values: Any) -> FittedModel:
    counts = block_counts() if counts is None else counts
    return docnvil.fit(counts, settings_on(device, recipe, **values), callbacks=callbacks)


def parameters(model: FittedModel) -> dict[str, np.ndarray]:
    return {name: value.detach().cpu().double().numpy() for name, value in model.network.state_dict().items()}


def assert_close(expected: Any, actual: Any, tolerance: float = EXACT) -> None:
    """Compare numbers, arrays, matrices, and dictionaries, sequences and records of them."""
    if isinstance(expected, dict):
        assert expected.keys() == actual.keys()
        for name, value in expected.items():
            assert_close(value, actual[name], tolerance)
    elif isinstance(expected, list | tuple):
        assert len(expected) == len(actual)
        for each, other in zip(expected, actual, strict=True):
            assert_close(each, other, tolerance)
    elif hasattr(expected, "toarray"):
        assert_close(expected.toarray(), actual.toarray(), tolerance)
    elif isinstance(expected, str | bool | type(None)):
        assert expected == actual
    elif hasattr(expected, "__dataclass_fields__"):
        assert_close(vars(expected), vars(actual), tolerance)
    else:
        np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def same_training(device: str, *, tolerance: float = EXACT, counts: Any = None, **values: Any) -> None:
    """Train on both, and compare parameters and records; the network must be on the device."""
    on_cpu, on_device = (train(name, counts, **values) for name in ("cpu", device))
    assert on_device.network.device.type == device
    assert all(value.device.type == device for value in on_device.network.state_dict().values())
    figures = [
        [(each.train_bound, each.validation_bound, each.units_on, each.signal_deviation) for each in model.history]
        for model in (on_cpu, on_device)
    ]
    assert_close(*figures, tolerance)
    assert_close(parameters(on_cpu), parameters(on_device), tolerance)
    assert_close(on_cpu.statistics, on_device.statistics, tolerance)


BITS = csr_array((block_counts().toarray() > 0).astype(np.int64))
WORDS = [f"word{number}" for number in range(15)]


def seeded(device: str) -> None:
    matrix = docnvil.count_words([" ".join(np.repeat(WORDS, row)) for row in block_counts().toarray()], min_df=1)
    same_training(device, counts=matrix, seed_words={"first": ["word0", "word1"], "second": ["word7"]})


TRAININGS: dict[str, dict[str, Any]] = {
    # layers
    "default": {},
    "sigmoid belief network": {"prior": "factorial", "posterior": "factorial"},
    "deep network": {"units": (5, 3), "prior": "factorial", "posterior": "factorial"},
    "deep autoregressive network": {"units": (5, 3)},
    "fDARN": {"posterior": "factorial"},
    "many units": {"units": (19,)},  # more than one chunk of the autoregressive chain
    "uniform prior": {"prior": "uniform", "posterior": "factorial"},
    "mixture prior": {"prior": "mixture", "themes": 4},
    "tanh layers": {"recognition_hidden": (6, 4)},
    "log input": {"recognition_input": "log1p"},
    "centered input": {"recognition_input": "centered"},
    # output layers
    "softmax": {"observation": "softmax"},
    "softmax, factorial": {"observation": "softmax", "prior": "factorial", "posterior": "factorial"},
    "Bernoulli": {"recipe": "binary", "counts": BITS},
    "DARN": {"recipe": "binary", "counts": BITS, "observation": "autoregressive-bernoulli"},
    "large counts": {"counts": csr_array(block_counts().toarray() * 5000)},
    "fractional counts": {"counts": csr_array(block_counts().toarray() * 0.5)},
    # gradient estimators
    **{
        f"gradient {name}": {
            "gradient": name,
            "n_samples": 4,
            "posterior": "autoregressive" if traits.supports_autoregressive_q else "factorial",
        }
        for name, traits in GRADIENTS.items()
    },
    "images, rws": {"recipe": "binary", "counts": BITS, "gradient": "rws"},
    "deep DisARM": {"gradient": "disarm", "units": (4, 3), "n_samples": 2, "posterior": "factorial"},
    "deep MuProp": {"gradient": "muprop", "units": (4, 3), "posterior": "factorial"},
    "learned baseline": {"baseline": "learned", "n_samples": 1},
    "learned baselines of layers": {"baseline": "learned", "units": (4, 3), "local_signals": True},
    "no baseline": {"baseline": "none", "center": False, "normalize": False},
    # penalties, optimizers, recipes
    "no sleep phase": {"sleep": 0.0},
    "no penalties": {"l1": 0.0, "sparsity": 0.0, "exclusivity": 0.0},
    "gradient descent": {"recipe": "paper", "optimizer": "sgd"},
    "early stopping": {"recipe": "paper", "patience": 1, "epochs": 6, "learning_rate": 0.5},
    "best": {"recipe": "best"},
    "hash": {"recipe": "hash"},
    "weight decay": {"weight_decay": 0.1},
    "random start": {"start": "random"},
    # precision
    "single precision": {"precision": "float32", "tolerance": SINGLE},
    "bf16": {"precision": "bf16", "tolerance": 0.05, "epochs": 1, "observation": "softmax"},
}


def resumed(device: str) -> None:
    """Interrupt after the first epoch, save the state, and continue from the file, on the device."""

    class Keep(Callback):
        def on_epoch(self, training: Any, record: Any) -> None:
            if record.epoch == 1:
                write_checkpoint(training.checkpoint(), path)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "state")
        whole = train(device, callbacks=[Keep()])
        rest = docnvil.fit(block_counts(), settings_on(device), resume_from=read_checkpoint(path))
    tolerance = EXACT if device == "cuda" else 0  # a GPU adds in another order every time
    assert_close(parameters(whole), parameters(rest), tolerance)
    bounds = [[each.train_bound for each in model.history] for model in (whole, rest)]
    assert_close(*bounds, tolerance)


def saved(device: str) -> None:
    model = train(device)
    with tempfile.TemporaryDirectory() as folder:
        save_model(model, Path(folder, "model"))
        copies = [load_model(Path(folder, "model"), name) for name in ("cpu", device)]
    assert [copy.network.device.type for copy in copies] == ["cpu", device]
    for copy in copies:
        assert_close(parameters(model), parameters(copy), 0)
    assert_close(copies[0].transform(block_counts()), copies[1].transform(block_counts()))


def streamed(device: str) -> None:
    """Counts that do not fit into the device's memory are copied batch by batch."""
    from docnvil import batches

    free_bytes, batches.free_bytes = batches.free_bytes, lambda device: 0
    try:
        same_training(device)
    finally:
        batches.free_bytes = free_bytes


def updated(device: str) -> None:
    """Continue the training on new documents."""
    more = csr_array(block_counts(90)[60:])
    models = [continuing.continue_fit(train(name), more, device=name, epochs=1) for name in ("cpu", device)]
    assert_close(*map(parameters, models))


MODELS = {
    "default": {"units": (5,), "prior": "autoregressive", "posterior": "autoregressive",
                "observation": "dirichlet-multinomial"},
    "deep softmax": {"units": (5, 3)},
    "mixture": {"units": (4,), "prior": "mixture", "themes": 3, "posterior": "autoregressive"},
    "tanh": {"units": (4,), "recognition_hidden": (6,), "observation": "dirichlet-multinomial"},
    "bits": {"units": (4,), "observation": "bernoulli"},
    "DARN": {"units": (4,), "observation": "autoregressive-bernoulli", "prior": "autoregressive"},
}  # fmt: skip


def network(name: str) -> Any:
    config = ModelConfig(15, **MODELS[name], weight_scale=0.5)
    return build_model(config, torch.Generator().manual_seed(1)).double()


def counts_for(name: str) -> csr_array:
    return BITS[:12] if name in ("bits", "DARN") else block_counts()[:12]


def same_on(device: str, name: str, function: Callable[[Any, csr_array], Any]) -> None:
    """Compare what a function of a network and counts returns."""
    results = [function(network(name).to(each), counts_for(name)) for each in ("cpu", device)]
    assert_close(*results)


def bounds(bound: str, model: Any, counts: csr_array) -> Any:
    result = document_bounds(model, counts, bound=bound, n_samples=3, temperatures=3)
    return [result.log_likelihood, result.reconstruction, result.kl]


def completed(model: Any, counts: csr_array) -> Any:
    observed, held_out = split_words(counts, 0.3, np.random.default_rng(0))
    return [evaluate_completion(model, observed, held_out, n_samples=25, sweeps=n).log_likelihood for n in (0, 1)]


def sampled(model: Any, counts: csr_array) -> Any:
    return list(sample_documents(model, np.arange(9)))


def unit_figures(model: Any, counts: csr_array) -> Any:
    posteriors = unit_posteriors(model, counts[:5], n_samples=4)
    return [unit_probabilities(model, counts), prior_probabilities(model, n_samples=100), posteriors.probabilities]


EVALUATIONS: dict[str, tuple[Callable[[Any, csr_array], Any], tuple[str, ...]]] = {
    **{f"{bound} bound": (partial(bounds, bound), tuple(MODELS)) for bound in ("elbo", "importance", "exact")},
    "annealed bound": (partial(bounds, "annealed"), ("default", "deep softmax", "bits")),
    "completion with Gibbs sweeps": (completed, ("default", "deep softmax", "mixture", "tanh")),
    "sampling": (sampled, ("default", "deep softmax", "mixture")),
    "unit probabilities": (unit_figures, tuple(MODELS)),
}


def images(device: str) -> None:
    def means(model: Any, counts: csr_array) -> Any:
        keys = torch.arange(5, device=model.device)
        return model.generative.sample_means(5, KeyedGenerator(0, keys)).cpu().numpy()

    for name in ("bits", "DARN"):
        same_on(device, name, means)


def fitted(device: str, **values: Any) -> tuple[FittedModel, FittedModel]:
    """Return one trained model on the CPU, and a copy on the device."""
    model = train("cpu", **values)
    with tempfile.TemporaryDirectory() as folder:
        save_model(model, Path(folder, "model"))
        return tuple(load_model(Path(folder, "model"), name) for name in ("cpu", device))


def described(device: str) -> None:
    """Topics, explanations, surprise, graph and tree of units."""
    counts = block_counts()[:6]
    for values in ({}, {"recognition_hidden": (4,)}, {"units": (5, 3)}):
        first, second = (
            [
                model.topics(3),
                [each.logits for each in model.explain(counts)],
                list(model.word_surprise(counts)),
                [str(node) for node in model.unit_tree(2)],
                model.evaluate(counts).perplexity_per_word,
                model.null_model().log_prob(counts),
            ]
            for model in fitted(device, **values)
        )
        assert_close(first, second)


def graphs(device: str) -> None:
    for values in ({}, {"units": (5, 3)}, {"prior": "mixture", "themes": 3}):
        first, second = (model.unit_graph(top_n=2) for model in fitted(device, **values))
        assert str(first) == str(second)


def themes(device: str) -> None:
    first, second = (
        [model.themes(block_counts()), [str(theme) for theme in model.theme_topics(2)]]
        for model in fitted(device, prior="mixture", themes=3)
    )
    assert_close(first, second)


def edited(device: str) -> None:
    for values in ({}, {"units": (5, 3)}, {"prior": "mixture", "themes": 3}, {"posterior": "factorial"}):
        models = [editing.drop_units(editing.merge_units(model, [0, 2]), [3]) for model in fitted(device, **values)]
        assert models[1].network.device.type == device
        assert_close(*map(parameters, models), 1e-6)


def outliers(device: str) -> None:
    counts = block_counts(150)
    first, second = (model.outliers(counts) for model in fitted(device, counts=counts))
    assert_close(vars(first), vars(second), 1e-6)


def profiled(device: str) -> None:
    from docnvil.runtime.profiling import Profile

    profile = Profile(torch.device(device))
    docnvil.fit(block_counts(), settings_on(device), profile=profile)
    assert {"sampling q", "log p", "backward", "optimizer"} <= {row.phase for row in profile.table()}


CASES: dict[str, Callable[[str], Any]] = {
    **{f"train: {name}": partial(same_training, **values) for name, values in TRAININGS.items()},
    "train: seed words": seeded,
    "train: streamed counts": streamed,
    "train: resumed": resumed,
    "train: update": updated,
    "save and load": saved,
    **{
        f"{name}: {model}": partial(same_on, name=model, function=function)
        for name, (function, models) in EVALUATIONS.items()
        for model in models
    },
    "images": images,
    "descriptions": described,
    "graphs": graphs,
    "themes": themes,
    "edits": edited,
    "outliers": outliers,
    "profile": profiled,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="accel")
    parser.add_argument("--part", default="1/1", help="which of how many parts of the cases to run")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", docnvil.errors.DocnvilWarning)
    counting: Any = nullcontext
    if arguments.device == "accel":
        from device_counts import CONFIGURATIONS, check_simulation, choose_accelerator, count_updates, counting

        choose_accelerator()
        CASES["simulation"] = check_simulation
        CASES.update({f"count: {name}": lambda _, v=v: count_updates(**v) for name, v in CONFIGURATIONS.items()})
    part, n_parts = map(int, arguments.part.split("/"))
    for name in list(arguments.names or CASES)[part - 1 :: n_parts]:
        started, error, result = time.perf_counter(), None, None
        with counting() as counts:
            try:
                result = CASES[name](arguments.device)
            except Exception:
                error = traceback.format_exc()
        record = {"case": name, "error": error, "seconds": round(time.perf_counter() - started, 2)}
        kernels = counts.kernels.total() if counts else None
        failed = sorted(failed_kernels)
        print(json.dumps({**record, "kernels": kernels, "failed kernels": failed, "result": result}), flush=True)


if __name__ == "__main__":
    main()
