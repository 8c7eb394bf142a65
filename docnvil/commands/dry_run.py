"""What `docnvil fit --dry-run` prints: the data and the settings that a training would use."""

from typing import TYPE_CHECKING, Any

from docnvil.commands.printing import echo, echo_json
from docnvil.commands.setting_options import format_value
from docnvil.schema import settings_of

if TYPE_CHECKING:
    from docnvil.text.document_term_matrix import DocumentTermMatrix
    from docnvil.training.data import TrainingData
    from docnvil.training.settings import Settings


def print_dry_run(matrix: "DocumentTermMatrix", settings: "Settings", *, as_json: bool) -> None:
    """Print the figures of the corpus, its split, and every setting with where its value comes from."""
    from docnvil.training.data import checked_counts
    from docnvil.training.fit import split_data

    data = split_data(checked_counts(matrix), settings)
    figures = {
        "documents": matrix.n_documents,
        "empty_documents": int(matrix.empty.sum()),
        "training_documents": data.train.shape[0],
        "validation_documents": data.validation.shape[0],
        "tokens": matrix.n_tokens,
        "words": matrix.vocabulary_size,
    }
    values = _values(settings, data)
    if as_json:
        sources = {name: settings.source_of(name) for name in values}
        echo_json({"data": figures, "recipe": settings.recipe_name, "settings": values, "sources": sources})
        return
    lines = ["Corpus, as counted:"]
    lines += [f"  {name.replace('_', ' '):<22}{number:>12,}" for name, number in figures.items()]
    lines += ["", f"Settings (recipe {settings.recipe_name}):"]
    sources = [_source(name, value, settings) for name, value in values.items()]
    lines += [f"  {name:<22}{format_value(values[name]):<24}{text}" for name, text in zip(values, sources, strict=True)]
    echo("\n".join([*lines, "", "Nothing was trained or written (--dry-run)."]))


def _source(name: str, value: Any, settings: "Settings") -> str:
    """Return where a value comes from, and whether it also depends on the corpus."""
    depends = name in ("epochs", "validation") and settings.values.get(name) != value
    return settings.source_of(name) + ", by the size of the corpus" * depends


def _values(settings: "Settings", data: "TrainingData") -> dict[str, Any]:
    """Return the value of every setting; the size of the vocabulary is none, but a result of counting."""
    n_documents, vocabulary_size = data.train.shape
    model, training = settings.model_config(vocabulary_size), settings.training_config(n_documents)
    values = {name: getattr(each, name) for each in (model, training) for name in settings_of(type(each))}
    del values["vocabulary_size"]
    return {**values, "validation": data.validation.shape[0], "device": settings.device}
