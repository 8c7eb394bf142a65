"""docnvil fit: train a model on documents and write it as a folder."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docnvil.commands.continuing import continue_from, load_earlier, load_to_continue, settings_to_continue
from docnvil.commands.distributed_command import by_all_processes
from docnvil.commands.dry_run import print_dry_run
from docnvil.commands.grouped import GroupedCommand, grouped_option
from docnvil.commands.inputs import contains_bits, load_for_training
from docnvil.commands.numbers import Number
from docnvil.commands.options import JSON, OUT_FOLDER, PATH, SOURCE, THREADS, counting_options, force_option
from docnvil.commands.outputs import claim_output
from docnvil.commands.printing import echo_result, note, shell_word, shows_progress
from docnvil.commands.setting_options import current_name, setting_options, settings_of_options
from docnvil.errors import counted
from docnvil.training.seed_words import seed_columns

if TYPE_CHECKING:
    from docnvil.errors import TrainingError
    from docnvil.runtime.distributed import ProcessGroup
    from docnvil.runtime.profiling import Profile
    from docnvil.text.document_term_matrix import DocumentTermMatrix
    from docnvil.training.fitted_model import FittedModel
    from docnvil.training.settings import Settings
    from docnvil.training.state import Checkpoint

SECONDS_BETWEEN_CHECKPOINTS = 2.0


@click.command(cls=GroupedCommand, context_settings={"token_normalize_func": current_name})
@SOURCE
@click.option("--out", type=OUT_FOLDER, default=Path("model"), help="Model folder to write.")
@setting_options
@click.option(
    "--from", "earlier", type=PATH, metavar="MODEL", help="Continue the training of a model on new documents."
)
@click.option(
    "--replay",
    type=Number(min=0),
    show_default="1",
    help="Documents to sample from the earlier model, per new document.",
)
@grouped_option("--threads", group="Machine", type=THREADS, help="CPU threads.  [default: all cores]")
@grouped_option("--profile", group="Machine", is_flag=True, help="Print the time of each phase of an update.")
@click.option("--dry-run", is_flag=True, help="Read the corpus, print its size and the settings, and stop.")
@force_option("an existing model or an interrupted run")
@click.option("--resume", is_flag=True, help="Continue an interrupted run.")
@click.option("--finish", is_flag=True, help="With --resume, save the best model so far without more training.")
@JSON
@counting_options
@by_all_processes
def fit(source: Path, out: Path, dry_run: bool, as_json: bool, processes: "ProcessGroup", **options: Any) -> None:
    """Train a model on CORPUS: a folder of texts, a file of documents, counts, or a prepared corpus.

    \b
    docnvil fit corpus/ --out model/
    docnvil fit posts.jsonl.gz --text-column body --id-column key --units 100
    docnvil fit counts.npz --recipe paper --epochs 500
    docnvil fit images.npz --array train --units 200,200

    The model folder contains the weights, the vocabulary, the token rules and the training history. The state of an
    interrupted run is in OUT.unfinished, next to that folder; continue it with --resume. After a divergence,
    --resume also takes a smaller learning rate, and --resume --finish writes the model of the best epoch.

    --from MODEL continues the training of a model on new documents, with its vocabulary, settings and units. The
    learning rate starts at half of the first one and decays over a quarter of the epochs. --replay adds documents
    sampled from MODEL, so that what it has learned is kept.

    torchrun trains one model with several processes: torchrun --nproc-per-node=4 -m docnvil fit corpus/
    """
    if options["finish"] and not options["resume"]:
        raise click.UsageError("--finish ends an interrupted run. Add --resume, or leave it out.")
    from docnvil.runtime.devices import choose_device
    from docnvil.runtime.precision import check_precision
    from docnvil.runtime.profiling import NoProfile, Profile
    from docnvil.storage.checkpoints import checkpoint_path
    from docnvil.storage.model_folder import save_model

    # Mistakes in the options are reported before the corpus is read.
    earlier = load_earlier(options)
    settings = settings_of_options(options, bits=contains_bits(source, options)) if earlier is None else None
    settings = settings or settings_to_continue(earlier, options)
    device = choose_device(settings.device)
    check_precision(settings.training_config(n_documents=1).precision, device)
    if not dry_run:
        if processes.is_main:
            claim_output(out, others=[checkpoint_path(out)])
        options["resume"] = _check_output(out, options)
    matrix = _load(source, options, settings) if earlier is None else load_to_continue(source, options, earlier)
    if dry_run:
        settings = settings if earlier is None else settings_to_continue(earlier, options, matrix)
        print_dry_run(matrix, settings, as_json=as_json)
        return
    profile = Profile(device) if options["profile"] else NoProfile()
    passed_on = {"processes": processes, "profile": profile}
    model = _train(matrix, settings, earlier, checkpoint_path(out), options, **passed_on)
    if not processes.is_main:
        return
    save_model(model, out, force=options["force"])
    checkpoint_path(out).unlink(missing_ok=True)
    values = _summary(model, matrix, out)
    if isinstance(profile, Profile):
        note(_format_profile(profile))
        values |= {"steps": profile.steps, "profile": [asdict(row) for row in profile.table()]}
    echo_result(values, _format_summary(model, out, values["dead_units"]), as_json=as_json)


def _load(source: Path, options: Mapping[str, Any], settings: "Settings") -> "DocumentTermMatrix":
    """Read a corpus, and check that the seed words are in its vocabulary."""
    matrix = load_for_training(source, options)
    if options["seed_words"]:
        seed_words = settings.training_config(n_documents=1).seed_words
        seed_columns(seed_words, matrix.vocabulary, matrix.rules, where=f"{options['seed_words']}: ")
    return matrix


def _check_output(out: Path, options: Mapping[str, Any]) -> bool:
    """Check that the model can be written, and return whether to resume an interrupted run."""
    from docnvil.errors import CheckpointError, OutputExistsError
    from docnvil.runtime.distributed import is_restart
    from docnvil.runtime.folders import refuse_existing_folder
    from docnvil.storage.checkpoints import checkpoint_path

    checkpoint, resume, force = checkpoint_path(out), options["resume"], options["force"]
    if is_restart():  # torchrun started the processes again; there is a checkpoint unless they died in epoch 1
        resume = checkpoint.exists()
    if options["finish"] and not (checkpoint.exists() or out.exists()):
        raise CheckpointError(f"There is no {checkpoint}, so there is no training to finish. Leave out --finish.")
    if resume and not (checkpoint.exists() or out.exists()):
        note(f"There is no {checkpoint}, so training starts from the beginning.")
        resume = False
    if resume and out.exists() and _is_complete(out, checkpoint):
        raise OutputExistsError(f"The training of {out} is complete, so there is nothing to resume. Use the model.")
    refuse_existing_folder(out, kind="model", force=force)
    if checkpoint.exists() and not (resume or force):
        raise OutputExistsError(
            f"{checkpoint} holds an interrupted run of {out}. Pass --resume to continue it, or --force to start again."
        )
    return resume


def _is_complete(out: Path, checkpoint: Path) -> bool:
    """Return whether there is no checkpoint, or it is that of the saved model, left by a process that was killed."""
    from docnvil.errors import DocnvilError
    from docnvil.storage.checkpoints import is_checkpoint_of
    from docnvil.storage.model_folder import load_model

    if not checkpoint.exists():
        return True
    try:
        model = load_model(out, "cpu")
    except DocnvilError:  # there is something else, or it is damaged
        return False
    return is_checkpoint_of(checkpoint, model.training, model.history)


def _train(
    matrix: "DocumentTermMatrix",
    settings: "Settings",
    earlier: "FittedModel | None",
    path: Path,
    options: Mapping[str, Any],
    **passed_on: Any,
) -> "FittedModel":
    """Train, from the beginning or from an earlier model, with a progress bar and checkpoints in the file `path`."""
    import torch

    from docnvil.errors import TrainingError
    from docnvil.storage.checkpoints import CheckpointWriter, read_checkpoint
    from docnvil.training.fit import fit as train
    from docnvil.training.progress import Progress

    if options["threads"]:
        torch.set_num_threads(options["threads"])
    checkpoint = _adjusted(read_checkpoint(path), options) if options["resume"] else None
    with Progress(as_bar=shows_progress()) as progress:
        try:
            callbacks = CheckpointWriter(path, SECONDS_BETWEEN_CHECKPOINTS), progress
            passed_on |= {"callbacks": callbacks, "resume_from": checkpoint}
            if earlier is not None:
                return continue_from(earlier, matrix, options, **passed_on)
            return train(matrix, settings, **passed_on)
        except TrainingError as error:
            raise _with_advice(error, path) from error
        except KeyboardInterrupt:
            if path.exists():
                note(f"\nThe progress until the last save is in {path}; run the command with --resume to continue.")
            raise


def _adjusted(checkpoint: "Checkpoint", options: Mapping[str, Any]) -> "Checkpoint":
    """Return a checkpoint with the smaller learning rate of the command line, and with the end that --finish asks."""
    rate = options["learning_rate"]
    if rate is not None and rate < checkpoint.learning_rate:
        note(f"From epoch {len(checkpoint.history) + 1}, the learning rate is {rate}, not {checkpoint.learning_rate}.")
        checkpoint = checkpoint.with_learning_rate(rate)
    return replace(checkpoint, is_final=options["finish"])


def _with_advice(error: "TrainingError", path: Path) -> "TrainingError":
    """Return the error of a training that diverged, with what is kept and the two ways to use it."""
    from docnvil.errors import CheckpointError, TrainingError
    from docnvil.storage.checkpoints import read_checkpoint
    from docnvil.training.records import best_of

    try:
        checkpoint = read_checkpoint(path)
    except CheckpointError:  # it was in the first epoch
        return error
    return TrainingError(
        f"{error.command_line_message} {path} keeps epochs 1 to {len(checkpoint.history)}: pass --resume"
        f" --learning-rate {checkpoint.learning_rate / 4:g} to continue from there, or --resume --finish to save the"
        f" model of epoch {best_of(checkpoint.history).epoch}."
    )


def _format_profile(profile: "Profile") -> str:
    rows = [f"{row.phase:<20}{row.ms_per_step:>10.3f} ms per step{row.share:>9.1%}" for row in profile.table()]
    return "\n".join([f"Time per phase, {counted(profile.steps, 'step')}:", *rows])


def _summary(model: "FittedModel", matrix: "DocumentTermMatrix", out: Path) -> dict[str, Any]:
    return {
        "model": str(out),
        "documents": matrix.n_documents,
        "empty_documents": int(matrix.empty.sum()),
        "words": matrix.vocabulary_size,
        "tokens": matrix.n_tokens,
        "units": list(model.network.config.units),
        "dead_units": sum(topic.dead for topic in model.topics()),
        "epochs": len(model.history),
        "best_epoch": model.best.epoch,
        "validation_bound": model.best.validation_bound,
        "validation_perplexity_per_document": model.best.validation_perplexity,
        "no_units_validation_bound": model.no_units.validation_bound,
        "no_units_validation_perplexity_per_document": model.no_units.validation_perplexity,
        "seconds": model.run["seconds"],
        "device": model.run["device"],
        "seed": model.training.seed,
        **({"unknown_tokens": matrix.n_unknown, "continued": list(model.continued)} if model.continued else {}),
        "warnings": list(model.run["warnings"]),
    }


def _format_summary(model: "FittedModel", out: Path, dead: int) -> str:
    visible, folder = model.network.generative.visible, shell_word(out)
    units = "-".join(map(str, model.network.config.units)) + " units" + (f" ({dead} dead)" if dead else "")
    if visible.reports_perplexity:
        figure = f"validation perplexity {model.best.validation_perplexity:.1f} per document"
        no_units = model.no_units.validation_perplexity
    else:
        figure = f"validation bound {model.best.validation_bound:.2f} nats per {visible.document_noun}"
        no_units = model.no_units.validation_bound
    caution = (
        "This figure is for choosing among epochs and no measure for new documents, for which see docnvil perplexity.\n"
    ) * visible.reports_perplexity
    without = "" if no_units is None else f"; same layer, no units: {no_units:.1f}"
    look = f"docnvil draw {folder} --out pictures/" if visible.samples_are_images else f"docnvil topics {folder}"
    return (
        f"Trained {units} for {counted(len(model.history), 'epoch')} in {model.run['seconds']:.0f} s"
        f" on {model.run['device']}.\n"
        f"Best epoch {model.best.epoch}: {figure} (bound, seed {model.training.seed}{without}).\n{caution}"
        f"Wrote {out}: model.json, vocabulary.txt, parameters.safetensors, topics.csv, history.csv.\n\n"
        f"Next:\n  {look}\n  docnvil perplexity {folder} HELD-OUT\n"
        f"  docnvil embed {folder} CORPUS --out embeddings.csv"
    )
