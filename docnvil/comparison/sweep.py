"""How many units: trainings with several numbers of units and seeds, scored on the same held-out documents.

Each training runs in a process of its own and writes one JSON file, so that an interrupted sweep goes on where it
stopped.

Axes: N held-out documents, R resamples, M numbers of units.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docnvil.analysis.completion import CompletionScores
from docnvil.analysis.gain import UnitsGain, Verdict, units_gain
from docnvil.analysis.nats import mean_perplexities
from docnvil.corpus.writing import write_corpus
from docnvil.errors import ConfigurationError, OutputExistsError, TrainingError, warn
from docnvil.runtime.disk import remove_abandoned_drafts, remove_abandoned_scratch_folders, scratch_folder
from docnvil.runtime.folders import replace_file
from docnvil.runtime.randomness import stream
from docnvil.text.document_term_matrix import DocumentTermMatrix
from docnvil.training.data import TrainingData
from docnvil.training.settings import Settings

SHARE = 0.95
RESAMPLES = 2000
TUPLES = ("log_likelihood", "lengths", "no_units_log_likelihood")  # of a `Trial`


@dataclass(frozen=True)
class Trial:
    """One training and its scores on the held-out documents; None where the output layer has no such score.

    Arguments:
        units: the number of units.
        seed: the seed of the training.
        log_likelihood: the importance-weighted bound of each document, N, in nats.
        lengths: the words of each document, N.
        no_units_per_word: the perplexity per word of the same output layer without units.
        completion_per_word: the perplexity of a fifth of each document's words given the others.
        npmi: mean NPMI of the units' top ten words.
        diversity: share of distinct words among them.
        live_units: the number of units that are not dead.
        seconds: the duration of the training.
        no_units_log_likelihood: log p(x) of each document, N, under the layer without units; empty if unknown.
    """

    units: int
    seed: int
    log_likelihood: tuple[float, ...]
    lengths: tuple[float, ...]
    no_units_per_word: float | None
    completion_per_word: float | None
    npmi: float | None
    diversity: float | None
    live_units: int
    seconds: float
    no_units_log_likelihood: tuple[float, ...] = ()


@dataclass(frozen=True)
class SweepRow:
    """The scores of one number of units: means over seeds.

    Arguments:
        units: the number of units.
        seeds: the number of trainings.
        perplexity_per_word: exp of the mean nats per word of all documents and seeds.
        perplexity_per_document: exp of the mean over documents of their nats per word.
        worse_by: how much higher the perplexity per word is than that of the best number of units, as a share.
        low: the lower end of its interval; 0 for the best.
        high: the upper end.
        completion_per_word: see `Trial`.
        npmi: see `Trial`.
        diversity: see `Trial`.
        live_units: see `Trial`.
        seconds: see `Trial`.
    """

    units: int
    seeds: int
    perplexity_per_word: float
    perplexity_per_document: float
    worse_by: float
    low: float
    high: float
    completion_per_word: float | None
    npmi: float | None
    diversity: float | None
    live_units: float
    seconds: float

    @property
    def as_good_as_best(self) -> bool:
        """Whether the interval of the difference from the best number of units reaches 0."""
        return self.low <= 0


@dataclass(frozen=True)
class Sweep:
    """The rows of a sweep in the order of units, the best number by perplexity, and the suggested one.

    The suggestion is the smallest number of units that is not worse than the best one: the interval of the difference
    in perplexity per word reaches 0. The range has all such numbers. Numbers that are not better than no units are left
    out. If none is better, nothing is suggested.

    Arguments:
        rows: one per number of units.
        best: the number of units with the lowest perplexity per word.
        suggested: the smallest number as good as the best; None if no number of units is better than none.
        largest: the largest number as good as the best, the end of the range; None as `suggested`.
        no_units_per_word: the perplexity per word of the same output layer without units, None if unknown.
        no_units_verdict: whether the best number is better than none, see `docnvil.analysis.gain`; None if unknown.
        warnings: what to do if no number of units is better than none; else empty.
    """

    rows: tuple[SweepRow, ...]
    best: int
    suggested: int | None
    largest: int | None
    no_units_per_word: float | None
    no_units_verdict: Verdict | None = None
    warnings: tuple[str, ...] = ()


def summarize_trials(trials: Sequence[Trial], *, share: float = SHARE, seed: int = 0) -> Sweep:
    """Compare numbers of units by paired differences of their log-likelihoods on the same documents.

    Each of 2,000 resamples draws documents with replacement, the same for all numbers of units, and draws among the
    seeds of each. The intervals hence cover the choice of documents and, with several seeds, that of the seed.

    Arguments:
        trials: trainings with the same held-out documents; every number of units has one or more.
        share: the coverage of the intervals.
        seed: determines the resamples.

    Warns if no number of units is better than none.

    Raises:
        ConfigurationError: there is no trial, or the trials have different documents.

    Example:
        >>> lengths = (10.0,) * 50
        >>> nats = {2: -40.0, 5: -30.0, 9: -30.0}
        >>> trials = [Trial(k, 0, (v,) * 50, lengths, None, None, None, None, k, 1.0) for k, v in nats.items()]
        >>> result = summarize_trials(trials)
        >>> result.suggested, result.largest, round(result.rows[0].worse_by, 3)
        (5, 9, 1.718)
    """
    if not trials:
        raise ConfigurationError("There are no results to compare. Give one or more numbers of units.")
    lengths = np.array(trials[0].lengths)
    if any(trial.lengths != trials[0].lengths for trial in trials):
        raise ConfigurationError("The results are of different held-out documents. Start again with --force.")
    by_units = {units: [each for each in trials if each.units == units] for units in sorted({t.units for t in trials})}
    nats = [-np.array([each.log_likelihood for each in group]) for group in by_units.values()]  # M of [seeds, N]
    means = np.array([each.mean(0).sum() / lengths.sum() for each in nats])
    best = int(means.argmin())
    differences = _resampled(nats, lengths, seed)
    differences -= differences[:, [best]]
    low, high = np.quantile(differences, [(1 - share) / 2, (1 + share) / 2], axis=0)
    rows = [
        _row(units, group, means[number] - means[best], (low[number], high[number]), -nats[number].mean(0), lengths)
        for number, (units, group) in enumerate(by_units.items())
    ]
    gains = [_gain(row, -each.mean(0), trials[0]) for row, each in zip(rows, nats, strict=True)]
    return _suggest(rows, best, gains, trials[0].no_units_per_word)


def _row(
    units: int,
    group: Sequence[Trial],
    difference: float,
    interval: tuple[float, float],
    log_likelihood: NDArray[np.float64],
    lengths: NDArray[np.float64],
) -> SweepRow:
    """Return the scores of a number of units; its difference from the best, and the interval, in nats per word."""
    per_document, per_word = mean_perplexities(log_likelihood, lengths)
    worse_by, low, high = (float(np.expm1(each)) for each in (difference, *interval))
    names = ("completion_per_word", "npmi", "diversity", "live_units", "seconds")
    means = {name: _mean(group, name) for name in names}
    return SweepRow(units, len(group), per_word, per_document, worse_by, low, high, **means)


def _suggest(
    rows: Sequence[SweepRow], best: int, gains: Sequence[UnitsGain | None], no_units_per_word: float | None
) -> Sweep:
    """Return the smallest and the largest number that is as good as the best, if one is better than none."""
    helpful = [gain is None or gain.verdict == "better" for gain in gains]
    good = [row.units for row, helps in zip(rows, helpful, strict=True) if helps and row.as_good_as_best]
    result = Sweep(
        rows=tuple(rows),
        best=rows[best].units,
        suggested=min(good, default=None),
        largest=max(good, default=None),
        no_units_per_word=no_units_per_word,
        no_units_verdict=None if gains[best] is None else gains[best].verdict,
    )
    if good:
        return result
    fewer = " or fewer --units" * (best == 0 and rows[0].units > 1)  # if fewer were compared, they were worse
    advice = f"Use more documents{',' if fewer else ' or'} more --epochs{fewer}."
    text = f"{gains[best].describe(rows[best].perplexity_per_word, no_units_per_word)} {advice}"
    warn(text)
    return replace(result, warnings=(text,))


def _gain(row: SweepRow, log_likelihood: NDArray[np.float64], trial: Trial) -> UnitsGain | None:
    """Compare log p(x) of a number of units, the mean over its seeds, with that of the layer without units."""
    if trial.no_units_per_word is None:
        return None
    lengths, without = np.array(trial.lengths), np.array(trial.no_units_log_likelihood)
    if not len(without):  # a result of an earlier version, which kept the perplexity only
        return UnitsGain("better" if row.perplexity_per_word < trial.no_units_per_word else "not better", 0)
    return units_gain(CompletionScores(log_likelihood, lengths), CompletionScores(without, lengths))


def run_trials(
    train: DocumentTermMatrix,
    test: DocumentTermMatrix,
    settings: Sequence[Settings],
    folder: Path,
    *,
    n_samples: int = 100,
    jobs: int = 1,
    threads: int = 1,
    force: bool = False,
    on_finish: Callable[[Trial, bool], None] = lambda trial, is_new: None,
) -> list[Trial]:
    """Train with each of the settings and return the scores, in that order; finished trainings are not repeated.

    Arguments:
        train: training documents.
        test: held-out documents with the same vocabulary.
        settings: one for each training; they differ in the number of units and the seed.
        folder: where the JSON file of each training is written, `units-20-seed-1.json`.
        n_samples: samples per document of the importance-weighted bound.
        jobs: trainings at the same time.
        threads: threads of each.
        force: whether results of other documents or settings are replaced.
        on_finish: called with each trial and whether it is new, in the order in which they finish.

    Raises:
        OutputExistsError: a result in the folder is of other documents or settings, and `force` is false.
        TrainingError: a training failed.
    """
    documents = TrainingData(train.counts, test.counts, train.vocabulary).fingerprint
    folder.mkdir(parents=True, exist_ok=True)
    remove_abandoned_drafts(folder)
    size = {"vocabulary_size": train.vocabulary_size, "n_documents": train.n_documents}
    tasks = [_task(folder, each, {"documents": documents, "samples": n_samples}, size, threads) for each in settings]
    done = {task["file"]: _read_trial(task, force=force) for task in tasks}
    for task in tasks:
        if done[task["file"]] is not None:
            on_finish(done[task["file"]], False)
    waiting = [task for task in tasks if done[task["file"]] is None]
    if not waiting:
        remove_abandoned_scratch_folders()  # `scratch_folder` does that below
    else:
        with scratch_folder() as data, _processes() as processes, ThreadPoolExecutor(jobs) as pool:
            write_corpus(train, data / "train")
            write_corpus(test, data / "test")
            futures = {pool.submit(_run, data, task, processes): task for task in waiting}
            try:
                for future in as_completed(futures):
                    future.result()
                    trial = _read_trial(futures[future], force=False)
                    done[futures[future]["file"]] = trial
                    on_finish(trial, True)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                _stop(processes)
                raise
    return [done[task["file"]] for task in tasks]


def write_trial(task: dict[str, Any], trial: Trial) -> None:
    """Write the JSON file of a training, in one step."""
    content = {"key": task["key"], "trial": asdict(trial)}
    replace_file(Path(task["file"]), json.dumps(content).encode())


def _resampled(nats: Sequence[NDArray[np.float64]], lengths: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Return the mean nats per word of each number of units in each resample, `[R, M]`."""
    generator, n_documents = stream(seed, "sweep"), len(lengths)
    result = np.empty((RESAMPLES, len(nats)))
    for number in range(RESAMPLES):
        weights = np.bincount(generator.integers(n_documents, size=n_documents), minlength=n_documents)
        total = max(1.0, float(weights @ lengths))
        for column, group in enumerate(nats):
            seeds = generator.integers(len(group), size=len(group))
            result[number, column] = (group @ weights)[seeds].mean() / total
    return result


def _mean(trials: Sequence[Trial], name: str) -> float | None:
    values = [getattr(trial, name) for trial in trials if getattr(trial, name) is not None]
    return float(np.mean(values)) if values else None


def _task(folder: Path, settings: Settings, data: dict[str, Any], size: dict[str, int], threads: int) -> dict[str, Any]:
    """Return what a process needs to know to train, and the key that its result must have to be used again."""
    model = settings.model_config(size["vocabulary_size"])
    resolved = {**asdict(model), **asdict(settings.training_config(size["n_documents"]))}
    key = {**data, "recipe": settings.recipe_name, "settings": dict(settings.values), "resolved": resolved}
    file = folder / f"units-{model.units[0]}-seed-{settings.seed}.json"
    return {"file": str(file), "key": json.loads(json.dumps(key)), "threads": threads}


def _read_trial(task: dict[str, Any], *, force: bool) -> Trial | None:
    """Return the result of an earlier run of the same task, or None."""
    file = Path(task["file"])
    if not file.exists():
        return None
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        key, values = content["key"], content["trial"]
        trial = Trial(**{**values, **{name: tuple(values[name]) for name in TUPLES if name in values}})
    except (ValueError, TypeError, KeyError):
        key, trial = None, None
    if key == task["key"]:
        return trial
    if force:
        return None
    raise OutputExistsError(
        f"{file} has the result of other documents or settings, or is damaged. Choose another --out, or pass --force to"
        " replace it."
    )


@contextmanager
def _processes() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    try:
        yield processes
    finally:
        _stop(processes)


def _stop(processes: Sequence[subprocess.Popen[str]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.terminate()


def _run(data: Path, task: dict[str, Any], processes: list[subprocess.Popen[str]]) -> None:
    """Train in a new process.

    Raises:
        TrainingError: it failed.
    """
    environment = {
        **os.environ,
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(task["threads"])),
        # The package may be imported from a checkout without being installed.
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.getenv("PYTHONPATH")])]),
    }
    command = [sys.executable, "-m", "docnvil.comparison.sweep_process", str(data), json.dumps(task)]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, env=environment, text=True, **streams)
    processes.append(process)
    _, errors = process.communicate()
    if process.returncode:
        last_line = (errors.strip().splitlines() or ["no error message"])[-1]
        name = Path(task["file"]).stem
        raise TrainingError(
            f"The training {name} ended with status {process.returncode}: {last_line} Finished trainings are kept; the"
            " same command continues."
        )
