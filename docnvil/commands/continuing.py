"""`docnvil fit --from MODEL`: the options, the documents and the training."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docnvil.commands.inputs import describe_corpus, load_for_model, note_unknown_tokens
from docnvil.commands.printing import note
from docnvil.schema import settings_of
from docnvil.text.settings import TokenOptions, VocabularyLimits

if TYPE_CHECKING:
    from docnvil.text.document_term_matrix import DocumentTermMatrix
    from docnvil.training.fitted_model import FittedModel
    from docnvil.training.settings import Settings


def load_earlier(options: Mapping[str, Any]) -> "FittedModel | None":
    """Return the model of --from, after a check that no option contradicts it; None without the option."""
    if options["earlier"] is None:
        if options["replay"] is not None:
            raise click.UsageError("--replay is for --from only. Leave it out, or name the model to continue.")
        return None
    from docnvil.storage.model_folder import load_model

    source_of_value = click.get_current_context().get_parameter_source
    for each in (*settings_of(TokenOptions).values(), *settings_of(VocabularyLimits).values()):
        if each.name != "tokenizer" and source_of_value(each.name) == click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"--{each.option} belongs to the model of --from, whose words are kept. Leave it out."
            )
    return load_model(options["earlier"], "cpu")


def settings_to_continue(
    earlier: "FittedModel", options: Mapping[str, Any], matrix: "DocumentTermMatrix | None" = None
) -> "Settings":
    """Return the settings of the model of --from, with those that were chosen; the documents determine the epochs."""
    from docnvil.training.continuing import continuing_settings, plan

    if matrix is None:
        return continuing_settings(earlier, **_chosen(options))
    return plan(earlier, earlier.checked(matrix), _replay(options), _chosen(options))[1]


def load_to_continue(source: Path, options: Mapping[str, Any], earlier: "FittedModel") -> "DocumentTermMatrix":
    """Read new documents with the words of a model, and print their size and their unknown words on stderr."""
    source_of_value = click.get_current_context().get_parameter_source
    is_chosen = source_of_value("tokenizer") == click.core.ParameterSource.COMMANDLINE
    options = {**options, "tokenizer": options["tokenizer"] if is_chosen else None}
    matrix = load_for_model(source, options, earlier)
    note(describe_corpus(matrix))
    note_unknown_tokens(matrix)
    return matrix


def continue_from(
    earlier: "FittedModel", matrix: "DocumentTermMatrix", options: Mapping[str, Any], **passed_on: Any
) -> "FittedModel":
    """Return the model after its further training."""
    from docnvil.training.continuing import continue_fit

    return continue_fit(earlier, matrix, replay=_replay(options), **passed_on, **_chosen(options))


def _replay(options: Mapping[str, Any]) -> float:
    from docnvil.training.continuing import REPLAY

    return REPLAY if options["replay"] is None else options["replay"]


def _chosen(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that were given on the command line."""
    from docnvil.training.settings import all_settings

    names = [name for name, each in all_settings().items() if each.group]
    return {name: options[name] for name in names if options[name] is not None}
