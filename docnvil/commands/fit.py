"""docnvil fit: from documents to a trained model folder."""

import math
import shlex
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docnvil.commands.console import echo_json, note, shows_progress
from docnvil.commands.distributed_command import by_all_processes
from docnvil.commands.options import CORPUS, Share, holds_bits, load_for_training, source_options, token_options
from docnvil.training.recipes import RECIPES

if TYPE_CHECKING:
    from docnvil.estimator import DocNVIL
    from docnvil.runtime.distributed import ProcessGroup
    from docnvil.runtime.profiling import NoProfile, Profile
    from docnvil.text.counts import DocumentTermMatrix
    from docnvil.training.loop import EpochRecord


SECONDS_BETWEEN_SAVES = 2.0
SECONDS_BETWEEN_LINES = 10.0


def _units(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    if value is None:
        return None
    try:
        units = tuple(int(each) for each in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a number of units, nor several with commas between.") from None
    if min(units) < 1:
        raise click.BadParameter("a layer needs at least one unit.")
    return units


@click.command()
@click.argument("source", metavar="CORPUS", type=CORPUS)
@click.option("--out", type=CORPUS, default=Path("model"), show_default=True, help="Where the model folder goes.")
@click.option(
    "--units",
    default="50",
    show_default=True,
    callback=_units,
    help="Binary units; with commas, layers from the document upward.",
)
@click.option(
    "--prior",
    type=click.Choice(["factorial", "autoregressive"]),
    help="Autoregressive: the deepest units depend on each other (fDARN).  [default: the recipe's]",
)
@click.option(
    "--posterior",
    type=click.Choice(["factorial", "autoregressive"]),
    help="The same for the units within each layer of the recognition network.  [default: the recipe's; factorial for"
    " the gradients disarm, arms, muprop and st-gumbel, which need it]",
)
@click.option(
    "--observation",
    type=click.Choice(["softmax", "dirichlet-multinomial", "bernoulli", "autoregressive-bernoulli"]),
    help="The visible layer: words (dirichlet-multinomial knows that they are bursty) or bits (autoregressive: a DARN)."
    "  [default: the recipe's, dirichlet-multinomial in default and best]",
)
@click.option(
    "--recognition-input",
    type=click.Choice(["counts", "log1p", "centered"]),
    help="What the recognition network sees: counts, log(1 + x), or x less the training mean.  [default: the recipe's]",
)
@click.option(
    "--recognition-hidden",
    metavar="SIZES",
    callback=_units,
    help="Deterministic tanh layers of the recognition network, e.g. 200 or 200,100.  [default: none]",
)
@click.option(
    "--recipe",
    type=click.Choice(list(RECIPES)),
    help="Settings to start from: default, best (lower perplexity, denser codes), binary (for vectors of bits), or"
    " paper (the published protocol).  [default: default, or binary for files of bits]",
)
@click.option(
    "--epochs", type=click.IntRange(min=1), help="Passes over the documents, at most.  [default: the recipe's]"
)
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    help="Samples of the recognition network a document.  [default: the recipe's]",
)
@click.option("--batch-size", type=click.IntRange(min=1), help="Documents an update.  [default: the recipe's]")
@click.option("--learning-rate", type=float, help="Of the generative model.  [default: the recipe's]")
@click.option("--recognition-rate", type=float, help="The recognition network's rate over it.  [default: the recipe's]")
@click.option("--optimizer", type=click.Choice(["adam", "sgd"]), help="How steps are made.  [default: the recipe's]")
@click.option(
    "--schedule",
    type=click.Choice(["constant", "cosine"]),
    help="Whether the rate stays, or falls to zero along a half-cosine.  [default: the recipe's]",
)
@click.option(
    "--patience",
    type=click.IntRange(min=1),
    help="Stop after so many epochs without a better validation bound.  [default: the recipe's, mostly never]",
)
@click.option(
    "--gradient",
    type=click.Choice(["nvil", "rloo", "vimco", "disarm", "arms", "muprop", "st-gumbel", "rws", "wake-sleep"]),
    default="nvil",
    show_default=True,
    help="Estimator of the gradient; disarm wants an even number of samples, st-gumbel is biased.",
)
@click.option(
    "--baseline",
    type=click.Choice(["learned", "leave-one-out", "none"]),
    help="What the learning signal is compared with.  [default: the recipe's]",
)
@click.option("--center/--no-center", default=None, help="Subtract the learning signal's running mean.")
@click.option("--normalize/--no-normalize", default=None, help="Divide it by its running deviation where above 1.")
@click.option(
    "--local-signals/--no-local-signals",
    default=None,
    help="Give each layer only the part of the signal that it influences.  [default for all three: the recipe's, on]",
)
@click.option(
    "--start",
    type=click.Choice(["random", "clusters"]),
    help="Where the first layer's units start.  [default: the recipe's]",
)
@click.option(
    "--l1",
    type=click.FloatRange(min=0),
    help="Strength of the Laplace prior on the visible weights.  [default: the recipe's]",
)
@click.option(
    "--sparsity",
    type=click.FloatRange(min=0),
    help="Nats that a unit costs each document it is on for; more makes units rarer and plainer, and perplexity"
    " higher.  [default: the recipe's, 1 in default; 0 for the gradients rws and wake-sleep, which know none]",
)
@click.option(
    "--weight-decay",
    type=click.FloatRange(min=0),
    help="Share of the rate by which every weight matrix shrinks an update.  [default: the recipe's]",
)
@click.option(
    "--validation",
    type=Share(),
    help="Documents held out to choose the best epoch: a share or a number.  [default: the recipe's, 500 or 100,"
    " and at most a tenth]",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Equal seeds give equal models.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--threads", type=click.IntRange(min=1), help="Processor threads.  [default: all cores]")
@click.option(
    "--precision",
    type=click.Choice(["float32", "float64", "tf32", "bf16"]),
    help="Of all numbers, or, for bf16 and CUDA's tf32, of the large products of training alone.  [default: float32]",
)
@click.option("--profile", is_flag=True, help="Print where a step's time went once training is done.")
@click.option("--force", is_flag=True, help="Replace an existing model, or start again where a training was left.")
@click.option("--resume", is_flag=True, help="Go on where an interrupted training was left.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@source_options
@token_options
@by_all_processes
def fit(
    source: Path,
    out: Path,
    force: bool,
    resume: bool,
    as_json: bool,
    threads: int | None,
    profile: bool,
    processes: "ProcessGroup",
    **options: Any,
) -> None:
    """Train a model on CORPUS: a folder of texts, a file of documents, ready counts, or a prepared corpus.

    \b
    docnvil fit corpus/ --out model/
    docnvil fit posts.jsonl.gz --text-column body --id-column key --units 100
    docnvil fit counts.npz --recipe paper --epochs 500
    docnvil fit images.npz --array train --units 200,200

    The model folder holds the weights, the vocabulary, the rules by which text became words, and the training's
    history. A training that is interrupted leaves its last epoch beside it, and goes on with --resume.

    Several processes train one model when torchrun starts them: torchrun --nproc-per-node=4 -m docnvil fit corpus/
    """
    import torch

    from docnvil.errors import OutputExistsError
    from docnvil.estimator import MODEL_SETTINGS, TRAINING_SETTINGS, DocNVIL
    from docnvil.runtime.devices import choose_device
    from docnvil.runtime.distributed import is_restart
    from docnvil.runtime.folders import refuse_existing_folder
    from docnvil.runtime.precision import check_precision
    from docnvil.runtime.profiling import NoProfile, Profile
    from docnvil.storage.model_folder import unfinished_path

    unfinished = unfinished_path(out)
    if is_restart():  # goes on by itself, if it came as far as to keep an epoch
        resume = unfinished.exists()
    if resume and out.exists() and not unfinished.exists():
        raise OutputExistsError(f"The training of {out} is finished, and there is nothing to resume. Use it as it is.")
    refuse_existing_folder(out, kind="model", force=force)
    device = choose_device(options["device"])  # a slip here should not wait for the corpus to be read
    check_precision(options["precision"], device)
    if threads:
        torch.set_num_threads(threads)
    if unfinished.exists() and not (resume or force):
        raise OutputExistsError(
            f"An unfinished training of {out} lies at {unfinished}. Pass --resume to go on with it, or --force to start"
            " again."
        )
    matrix = load_for_training(source, options)
    units = options["units"]
    model = DocNVIL(
        units if len(units) > 1 else units[0],
        recipe=options["recipe"] or ("binary" if holds_bits(source, options) else "default"),
        n_samples=options["samples"],
        validation=options["validation"],
        **{name: options[name] for name in (*MODEL_SETTINGS, *TRAINING_SETTINGS) if name != "n_samples"},
        device=options["device"],
        random_state=options["seed"],
    )
    measured = Profile(device) if profile else NoProfile()
    if processes.is_main and not resume:
        unfinished.unlink(missing_ok=True)  # of a training given up with --force: no restart shall go on with it
    try:
        _train(model, matrix, unfinished, processes, resume=resume, profile=measured)
    except KeyboardInterrupt:
        if unfinished.exists():
            note(f"\nStopped. What was learned is kept in {unfinished}; the same command with --resume goes on.")
        raise
    if not processes.is_main:
        return
    model.save(out, force=force)
    unfinished.unlink(missing_ok=True)
    if profile:
        note(_where_time_went(measured))
    if as_json:
        echo_json({**_summary(model, matrix, out), **(_profile_json(measured) if profile else {})})
    else:
        click.echo(_told(model, matrix, out))


def _train(
    model: "DocNVIL",
    matrix: "DocumentTermMatrix",
    unfinished: Path,
    processes: "ProcessGroup",
    *,
    resume: bool,
    profile: "NoProfile",
) -> None:
    """Run the epochs behind a progress bar, or with a line now and then in a log; keep what has been learned so far."""
    from tqdm import tqdm

    watched = shows_progress() and processes.is_main
    kept = told = -math.inf
    with tqdm(unit=" docs", unit_scale=True, disable=not watched, dynamic_ncols=True) as bar:

        def advance(documents: int) -> None:
            if bar.total is None:  # how many there will be is known once training has begun
                training = model.training_
                bar.total = training.config.epochs * training.n_documents
                bar.n = bar.initial = training.epoch * training.n_documents
            bar.update(documents)

        how = {
            "resume_from": unfinished if resume else None,
            "on_batch": advance,
            "profile": profile,
            "processes": processes,
        }
        for record in model.fit_epochs(matrix, **how):
            if processes.is_main and time.monotonic() - kept > SECONDS_BETWEEN_SAVES:
                model.save_unfinished(unfinished)
                kept = time.monotonic()
            epoch = f"epoch {record.epoch}/{model.training_.config.epochs}"
            figures = _figures(model, record)
            bar.set_description(epoch, refresh=False)
            bar.set_postfix_str(figures)
            if not watched and time.monotonic() - told > SECONDS_BETWEEN_LINES:
                note(f"{epoch}: {figures}")
                told = time.monotonic()


def _figures(model: "DocNVIL", record: "EpochRecord") -> str:
    best = model.training_.best
    if model.training_.model.config.is_binary:
        return f"bound {record.validation_bound:.2f} nats (best {best.validation_bound:.2f})"
    return (
        f"bound {record.validation_bound:.1f} nats, perplexity {record.validation_perplexity:.0f}"
        f" (best {best.validation_perplexity:.0f})"
    )


def _where_time_went(profile: "Profile") -> str:
    rows = [f"{row.phase:<20}{row.ms_per_step:>10.3f} ms per step{row.share:>9.1%}" for row in profile.table()]
    return "\n".join([f"Where the time of {profile.steps} steps went:", *rows])


def _profile_json(profile: "Profile") -> dict[str, Any]:
    return {"steps": profile.steps, "profile": [asdict(row) for row in profile.table()]}


def _summary(model: "DocNVIL", matrix: "DocumentTermMatrix", out: Path) -> dict[str, Any]:
    training = model.training_
    return {
        "model": str(out),
        "documents": matrix.n_documents,
        "empty_documents": int(matrix.empty.sum()),
        "words": matrix.vocabulary_size,
        "tokens": matrix.n_tokens,
        "units": list(model.model_.config.units),
        "dead_units": sum(topic.dead for topic in model.topics()),
        "epochs": training.epoch,
        "best_epoch": training.best.epoch,
        "validation_bound": training.best.validation_bound,
        "validation_perplexity_per_document": training.best.validation_perplexity,
        "seconds": sum(training.epoch_seconds),
        "device": str(model.model_.device),
        "seed": training.config.seed,
    }


def _told(model: "DocNVIL", matrix: "DocumentTermMatrix", out: Path) -> str:
    found = _summary(model, matrix, out)
    dead = f", {found['dead_units']} of them dead" if found["dead_units"] else ""
    binary = model.model_.config.is_binary
    reached = (
        f"negative log-likelihood {-found['validation_bound']:.2f} nats a vector"
        if binary
        else f"perplexity {found['validation_perplexity_per_document']:.1f} per document"
    )
    look = (
        f"docnvil draw {shlex.quote(str(out))} --out pictures/" if binary else f"docnvil topics {shlex.quote(str(out))}"
    )
    return (
        f"Trained {'-'.join(map(str, found['units']))} units{dead} for {found['epochs']} epochs in"
        f" {found['seconds']:.0f} s on {found['device']}.\n"
        f"Best epoch {found['best_epoch']}: validation {reached} (bound, seed {found['seed']}).\n"
        f"Wrote {out}: model.json, vocabulary.txt, parameters.safetensors, topics.csv, history.csv.\n\n"
        "Next:\n"
        f"  {look}\n"
        f"  docnvil perplexity {shlex.quote(str(out))} HELD-OUT\n"
        f"  docnvil embed {shlex.quote(str(out))} CORPUS --out embeddings.csv"
    )
