"""Compare a GPU with the CPU, and measure it: one command, without a network, in under 8 minutes.

python benchmarks/speed/gpu.py                          writes benchmarks/results/gpu.json
python benchmarks/speed/gpu.py --device cpu --quick     tiny sizes, to test this script; writes to --out only

Quality is measured on 20 Newsgroups if DOCNVIL_DATA has it. All other corpora are drawn with a seed. A section that
fails or exceeds the time is reported as such, and the others go on. So are kernels that do not run, and docnvil's
warnings. The first epoch compiles kernels and records graphs, so the time of an epoch is that of the second.

Axes: N documents, V words, K units.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np
import torch
from scipy.sparse import csr_array, save_npz

sys.path.insert(0, str(Path(__file__).parents[1]))

import ng20
from common import ROOT, save_results

import docnvil
from docnvil import batches
from docnvil.analysis.sampling import sample_documents
from docnvil.analysis.unit_probabilities import unit_probabilities
from docnvil.errors import DocnvilWarning
from docnvil.model.belief_network import build_model
from docnvil.model.settings import ModelConfig
from docnvil.runtime import device_operations
from docnvil.training import device_updates, fit, loop
from docnvil.training.finite import FiniteWatch
from docnvil.training.state import Training
from docnvil.training.update import NO_PROFILE

COMMAND = "make bench-gpu"
SECONDS = 450  # in which sections may start
ONE_SAMPLE = {"n_samples": 1, "baseline": "learned"}
PARTS = 4  # processes that share the device tests
Figures = dict[str, Any]


class Sizes:
    """Sizes of the corpora: those of 20 Newsgroups and of RCV1, or tiny ones."""

    def __init__(self, quick: bool) -> None:
        self.quick = quick
        self.documents, self.vocabulary, self.units = (300, 60, 6) if quick else (11_000, 2_000, 50)
        self.epochs = 2 if quick else 20
        self.rounds = 3 if quick else 200
        self.many, self.wide, self.many_units = (2_000, 100, 8) if quick else (794_414, 10_000, 200)
        self.large_batch = 200 if quick else 5_000


@cache
def synthetic_corpus(sizes: Sizes) -> csr_array:
    """Return documents drawn from a random model with sparse topics, `[N, V]`."""
    config = ModelConfig(
        sizes.vocabulary, (sizes.units,), observation="dirichlet-multinomial", start_logit=-3.0, weight_scale=0.0
    )
    generator = torch.Generator().manual_seed(0)
    network = build_model(config, generator)
    visible = network.generative.visible
    with torch.no_grad():
        visible.bias.copy_(-torch.arange(1, sizes.vocabulary + 1).double().log())
        topics = torch.rand(visible.weight.shape, generator=generator) < 0.03
        visible.weight.copy_(3 * topics)
    lengths = np.random.default_rng(0).geometric(1 / 90, sizes.documents) + 10
    chunks = [chunk.toarray() for chunk in sample_documents(network, lengths, seed=1)]
    return csr_array(np.concatenate(chunks))


def zipf_corpus(n_documents: int, vocabulary_size: int) -> csr_array:
    """Return documents of about 76 distinct words with Zipf's frequencies, `[N, V]`, without drawing dense rows."""
    generator = np.random.default_rng(0)
    sizes = generator.poisson(90, n_documents) + 1
    words = (vocabulary_size ** generator.random(int(sizes.sum()), dtype=np.float32)).astype(np.int32) - 1
    rows = np.repeat(np.arange(n_documents), sizes)
    counts = csr_array((np.ones(len(words), np.int32), (rows, words.clip(0, vocabulary_size - 1))),
                       shape=(n_documents, vocabulary_size))  # fmt: skip
    counts.sum_duplicates()
    return counts


def synchronize(device: torch.device) -> None:
    if device.type != "cpu":
        torch.get_device_module(device).synchronize(device)


def milliseconds(device: torch.device, task: Callable[[], object], rounds: int) -> float:
    """Return the time of a task that is started many times before the host waits."""
    for _ in range(3):
        task()
    synchronize(device)
    started = time.perf_counter()
    for _ in range(rounds):
        task()
    synchronize(device)
    return 1e3 * (time.perf_counter() - started) / rounds


def start(counts: csr_array, device: torch.device, **values: Any) -> tuple[Training, fit.TrainingData]:
    settings = docnvil.Settings(device=str(device), validation=0, start="random", **values)
    data = fit.split_data(fit.checked_counts(counts), settings)
    return fit.start_training(data, settings), data


def _environment() -> dict[str, str]:
    """Return the environment of a process that imports this checkout."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def device_tests(device: torch.device, sizes: Sizes) -> Figures:
    """Run the cases of tests/test_device.py and, on a GPU, compare each Triton kernel with its formula."""
    cases = [sys.executable, str(ROOT / "tests" / "device_cases.py"), "--device", device.type]
    commands = {f"part {part}": [*cases, "--part", f"{part}/{PARTS}"] for part in range(1, PARTS + 1)}
    if sizes.quick:
        commands = {"one case": [*cases, "train: default"]}
    if device.type == "cuda" and hardware(device)["triton"]:
        commands["kernels"] = [sys.executable, str(ROOT / "tests" / "triton_cases.py"), "--device", device.type]
    processes = {name: subprocess.Popen(command, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
                 for name, command in commands.items()}  # fmt: skip
    records: list[dict[str, Any]] = []
    unfinished: Figures = {}
    stop = time.perf_counter() + 240
    for name, process in processes.items():
        try:
            output, _ = process.communicate(timeout=max(1.0, stop - time.perf_counter()))
            if process.returncode:
                unfinished[f"device tests, {name}"] = f"the process ended with status {process.returncode}"
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            unfinished[f"device tests, {name}"] = "stopped after 240 s"
        records += [json.loads(line) for line in output.decode().splitlines() if line.endswith("}")]
    failed = {record["case"]: record["error"].splitlines()[-1] for record in records if record["error"]}
    replaced = sorted({kernel for record in records for kernel in record.get("failed kernels", ())})
    names = {"kernels that formulas replaced": ", ".join(replaced)} if replaced else {}
    return {"device tests": len(records), "of which failed": len(failed), **failed, **names, **unfinished}


def quality(device: torch.device, sizes: Sizes) -> Figures:
    """Train the default recipe on both, in each precision of the GPU, with several seeds."""
    (train, test), figures = quality_corpus(sizes), {}
    runs = [("cpu", "float32"), *((device.type, each) for each in (_precisions(device) if not sizes.quick else ()))]
    for name, precision in runs:
        perplexities, seconds = [], []
        for seed in range(3):
            epochs = {"epochs": sizes.epochs} if sizes.quick else {}
            settings = docnvil.Settings(units=(sizes.units,), seed=seed, device=name, precision=precision, **epochs)
            started = time.perf_counter()
            model = docnvil.fit(train, settings)
            seconds.append(time.perf_counter() - started)
            perplexities.append(float(model.evaluate(test).perplexity_per_document))
        figures[f"{name}, {precision}: `fit` of {train.shape[0]:,} documents, s (median of 3)"] = median(seconds)
        figures[f"{name}, {precision}: test perplexity per document, seeds 0 to 2"] = perplexities
    return figures


def _precisions(device: torch.device) -> tuple[str, ...]:
    return ("float32", "tf32", "bf16") if device.type == "cuda" else ("float32", "bf16")


def quality_corpus(sizes: Sizes) -> tuple[csr_array, csr_array]:
    """Return training and test documents, `[N, V]` each: 20 Newsgroups, or drawn ones."""
    if not sizes.quick and "DOCNVIL_DATA" in os.environ:
        return ng20.load()
    corpus = synthetic_corpus(sizes)
    return csr_array(corpus[: -sizes.documents // 10]), csr_array(corpus[-sizes.documents // 10 :])


def step(device: torch.device, sizes: Sizes) -> Figures:
    """Time an update, in each precision, and the matrix products and exponentials that it cannot do without."""
    small, wide = synthetic_corpus(sizes), zipf_corpus(4 * sizes.large_batch, sizes.wide)
    default = {"units": (sizes.units,)}
    figures = _steps(device, sizes, small, batch_size=100, **default)
    figures |= _steps(device, sizes, small, batch_size=min(sizes.large_batch, small.shape[0]), **default)
    return figures | _steps(device, sizes, wide, batch_size=sizes.large_batch, units=(sizes.many_units,), **ONE_SAMPLE)


def _steps(device: torch.device, sizes: Sizes, corpus: csr_array, *, batch_size: int, **values: Any) -> Figures:
    """Return the milliseconds of an update and of its floor."""
    n_samples, n_units = values.get("n_samples", 5), values["units"][0]
    title = f"{batch_size:,} documents × {n_samples}, {n_units} units, {corpus.shape[1]:,} words"
    rows = torch.rand(n_samples * batch_size, n_units, device=device)
    weight = torch.rand(corpus.shape[1], n_units, device=device)
    logits = rows @ weight.T
    floor = milliseconds(device, lambda: (rows @ weight.T, logits.T @ rows, logits.exp_()), sizes.rounds)
    figures = {f"{title}: products and exponentials, ms": floor}
    for precision in _precisions(device):
        training, data = start(corpus, device, batch_size=batch_size, precision=precision, epochs=1, **values)
        task, _ = repeated_task(training, csr_array(data.train[: corpus.shape[0]]))
        for _ in range(sizes.rounds):
            task()  # until all shapes have a graph
        figures[f"{title}: update, {precision}, ms"] = milliseconds(device, task, sizes.rounds)
        if device.type == "cuda" and precision == "float32":
            figures[f"{title}: kernels of an update"] = _kernels(task, device)
    return figures


def _kernels(task: Callable[[], object], device: torch.device) -> float:
    """Return how many kernels torch's profiler sees, with copies and with those that libraries start."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for _ in range(10):
            task()
        synchronize(device)
    return round(sum(event.count for event in profile.key_averages() if event.self_device_time_total) / 10, 1)


def graphs(device: torch.device, sizes: Sizes) -> Figures:
    """Train with and without CUDA graphs: the time of an update, and whether the parameters are the same."""
    corpus, figures = synthetic_corpus(sizes), {}
    for n_documents in (100, min(sizes.large_batch, corpus.shape[0])):
        for name, limit in (("without", 0), ("with", device_updates.MAX_GRAPHS)):
            with _replaced(device_updates, "MAX_GRAPHS", limit):
                training, data = start(corpus, device, units=(sizes.units,), batch_size=n_documents, epochs=1)
                task, updates = repeated_task(training, csr_array(data.train[: corpus.shape[0]]))
                for _ in range(sizes.rounds):
                    task()  # until all shapes have a graph
                figures[f"batches of {n_documents}: update {name} graphs, ms"] = milliseconds(
                    device, task, sizes.rounds
                )
                figures[f"batches of {n_documents}: graphs recorded, {name} graphs"] = updates.n_graphs
    trained = []
    for limit in (0, device_updates.MAX_GRAPHS):
        with _replaced(device_updates, "MAX_GRAPHS", limit):
            settings = docnvil.Settings(units=(8,), epochs=3, batch_size=20, precision="float64", device=device.type)
            network = docnvil.fit(csr_array(corpus[:300]), settings).network
            trained.append({name: value.cpu().numpy() for name, value in network.state_dict().items()})
    plain, graphed = trained
    differences = [np.abs(plain[name] - graphed[name]).max() / np.abs(plain[name]).max() for name in plain]
    figures["largest relative difference of a tensor of parameters, float64"] = float(max(differences))
    return figures


def repeated_task(training: Training, counts: csr_array) -> tuple[Callable[[], object], device_updates.DeviceUpdates]:
    """Return a function that makes one update of a training, each time on the next batch, and what makes them."""
    lengths, rows = np.asarray(counts.sum(axis=1), np.float64).ravel(), np.arange(counts.shape[0])
    cpu = training.model.device.type == "cpu"
    options = {"device": training.model.device, "dtype": training.model.dtype, "lengths": None if cpu else lengths}
    every = batches.iterate_batches(counts, training.config.batch_size, keys=rows, **options)
    some = [batch for batch in every if len(batch.counts) == training.config.batch_size]  # all but the last one
    updates, watch = device_updates.DeviceUpdates(training, counts, NO_PROFILE), FiniteWatch(training, counts)
    updates.start_epoch(len(some))
    numbers = count()

    def task() -> None:
        number = next(numbers) % len(some)
        updates.run(number, some[number], len(some[number].counts), watch)

    return task, updates


@contextmanager
def _replaced(module: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


def epoch(device: torch.device, sizes: Sizes) -> Figures:
    """Train two epochs of a corpus of RCV1's size with one sample, counts resident and streamed; embed documents."""
    corpus, figures = zipf_corpus(sizes.many, sizes.wide), {}
    for name, free_bytes in (("resident", batches.free_bytes), ("streamed", lambda device: 0)):
        training = None  # so that the peak of one does not include what the other keeps on the device
        with _replaced(batches, "free_bytes", free_bytes):
            training, measured = _epochs(corpus, name, device, sizes)
        figures |= measured
    some = csr_array(corpus[: max(1000, sizes.many // 10)])
    unit_probabilities(training.model, csr_array(some[:1000]))
    started = time.perf_counter()
    unit_probabilities(training.model, some)
    figures["embedded documents per second"] = some.shape[0] / (time.perf_counter() - started)
    return figures


def _epochs(corpus: csr_array, name: str, device: torch.device, sizes: Sizes) -> tuple[Training, Figures]:
    """Return a training, and the seconds of its first two epochs and its peak memory."""
    figures: Figures = {}
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    training, data = start(
        corpus, device, units=(sizes.many_units,), epochs=2, batch_size=sizes.large_batch, validation_samples=1,
        **ONE_SAMPLE,
    )  # fmt: skip
    epochs = loop.train(training, data.train, csr_array(data.train[:100]))
    for number in ("first epoch", "epoch"):
        synchronize(device)
        started = time.perf_counter()
        next(epochs)
        synchronize(device)
        figures[f"{number} of {corpus.shape[0]:,} documents, counts {name}, s"] = time.perf_counter() - started
    if device.type == "cuda":
        figures[f"peak memory, counts {name}, GB"] = torch.cuda.max_memory_allocated(device) / 1e9
    return training, figures


def nccl(device: torch.device, sizes: Sizes) -> Figures:
    """Train with torchrun and one process."""
    with tempfile.TemporaryDirectory() as folder:
        save_npz(Path(folder, "corpus.npz"), csr_array(synthetic_corpus(sizes)[:500]))
        command = [
            sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=1", "-m", "docnvil", "fit",
            f"{folder}/corpus.npz", "--out", f"{folder}/model", "--epochs", "2", "--units", "4",
            "--device", device.type,
        ]  # fmt: skip
        result = subprocess.run(command, env=_environment(), capture_output=True, text=True, timeout=120)
    if result.returncode:
        raise RuntimeError(result.stderr.strip().splitlines()[-1])
    return {"torchrun with one process": "trained"}


def hardware(device: torch.device) -> dict[str, Any]:
    """Return the name of the device, and the versions of what computes on it."""
    versions = {"cuda": torch.version.cuda, "triton": None}
    if any(each.metadata["Name"] == "triton" for each in metadata.distributions()):
        versions["triton"] = metadata.version("triton")
    if device.type != "cuda":
        return {"device": "CPU", **versions}
    properties = torch.cuda.get_device_properties(device)
    return {
        "device": properties.name, "architecture": f"sm_{properties.major}{properties.minor}",
        "memory, GB": round(properties.total_memory / 1e9, 1), **versions,
    }  # fmt: skip


SECTIONS = {
    "device tests": device_tests, "step": step, "graphs": graphs, "epoch": epoch, "quality": quality, "nccl": nccl,
}  # fmt: skip


@click.command()
@click.option("--device", default="cuda", show_default=True, help="Device to compare with the CPU.")
@click.option("--quick", is_flag=True, help="Tiny sizes, to test this script.")
@click.option("--only", help="Sections to run, separated by commas.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the JSON there instead of the committed results.")
def main(device: str, quick: bool, only: str | None, out: Path | None) -> None:
    """Measure a GPU; write benchmarks/results/gpu.json."""
    if out is None and (quick or only or device != "cuda"):
        raise click.UsageError("The committed results are those of a GPU at full size. Give --out for others.")
    chosen_sections = only.split(",") if only else list(SECTIONS)
    if unknown := sorted(set(chosen_sections) - SECTIONS.keys()):
        raise click.UsageError(f"There is no section {', '.join(unknown)}. Sections: {', '.join(SECTIONS)}.")
    if device == "cuda" and not torch.cuda.is_available():
        raise click.ClickException("This machine has no CUDA device. Try --device cpu --quick --out gpu.json.")
    chosen, started, sections, sizes = torch.device(device), time.perf_counter(), {}, Sizes(quick)
    for name in chosen_sections:
        section = SECTIONS[name]
        figures, error, warned = {}, None, []
        if time.perf_counter() - started > SECONDS:
            error = "not started, because the time was over"
        else:
            try:
                with warnings.catch_warnings(record=True) as warned:
                    warnings.simplefilter("always", DocnvilWarning)
                    figures = section(chosen, sizes)
            except Exception as failure:
                traceback.print_exc()
                error = f"{type(failure).__name__}: {str(failure).splitlines()[0] if str(failure) else ''}"
        messages = sorted({str(each.message) for each in warned if issubclass(each.category, DocnvilWarning)})
        sections[name] = {"figures": figures, "error": error, "warnings": messages}
        click.echo(f"{name}: {error or figures}")
        for message in messages:
            click.echo(f"  {message}")
    results = {
        **hardware(chosen), "quick": quick, "kernels that failed": sorted(device_operations.failed_kernels),
        "seconds": time.perf_counter() - started, "sections": sections,
    }  # fmt: skip
    if out is None:
        save_results("gpu", COMMAND, results)
    else:
        out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
