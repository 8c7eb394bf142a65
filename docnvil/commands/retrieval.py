"""docnvil retrieval: evaluate retrieval and classification by labels."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docnvil.commands.inputs import load_for_model
from docnvil.commands.options import CORPUS, DEVICE, JSON, MODEL, PATH, model_source_options, with_options
from docnvil.commands.printing import echo, echo_json
from docnvil.errors import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from docnvil.text.document_term_matrix import DocumentTermMatrix

PRINTED_CUTOFFS = (1, 10, 100)


@click.command()
@MODEL
@click.argument("train", type=CORPUS)
@click.argument("test", type=CORPUS)
@click.option("--train-labels", type=PATH, help=".npy file with one label per row of TRAIN.")
@click.option("--test-labels", type=PATH, help=".npy file with one label per row of TEST.")
@with_options(DEVICE, JSON, model_source_options)
def retrieval(model: Path, train: Path, test: Path, **options: Any) -> None:
    """Find documents of TRAIN similar to each document of TEST by MODEL's units, and compare their labels.

    \b
    docnvil retrieval model/ train.jsonl test.jsonl --label-column group
    docnvil retrieval model/ train.npz test.npz --train-labels train.npy --test-labels test.npy --json

    Precision is the share of the most similar documents that have the query's label, by the Hamming distance of binary
    codes and by the cosine of unit probabilities; ties count as the mean over their orders. The classification is a
    logistic regression on the probabilities. The clusters of the documents of TEST are their most probable units,
    and with a mixture prior also their themes; purity is the share of documents with the most frequent label of their
    cluster, and NMI normalized mutual information.
    """
    from docnvil.analysis.clustering import compare_clusters, strongest_unit
    from docnvil.analysis.retrieval import classify, cosine, hamming, retrieve
    from docnvil.storage.model_folder import load_model

    fitted = load_model(model, options["device"])
    given = [(train, options["train_labels"]), (test, options["test_labels"])]
    matrices = [load_for_model(source, options, fitted, needs_label=file is None) for source, file in given]
    columns = _label_columns(options["label_column"], fitted.reading)
    labels, test_labels = (_labels(matrix, file, columns) for matrix, (_, file) in zip(matrices, given, strict=True))
    probabilities, test_probabilities = (fitted.transform(matrix) for matrix in matrices)
    known, test_known = (_has_label(*each) for each in ((labels, train), (test_labels, test)))
    data = probabilities[known], labels[known], test_probabilities[test_known], test_labels[test_known]
    probabilities, _, test_probabilities, test_labels = data
    n_documents = len(probabilities)
    powers_of_two = {2**power for power in range(n_documents.bit_length())}
    printed = [cutoff for cutoff in PRINTED_CUTOFFS if cutoff <= n_documents]
    cutoffs = sorted({*powers_of_two, *printed, n_documents})
    results = {each.__name__: retrieve(*data, similarity=each, retrieved=cutoffs) for each in (hamming, cosine)}
    classification = classify(*data)
    clusterings = {"units": compare_clusters(strongest_unit(test_probabilities), test_labels)}
    if fitted.has_themes:
        clusterings["themes"] = compare_clusters(fitted.themes(matrices[1])[test_known], test_labels)
    if options["as_json"]:
        empty = sum(int(matrix.empty.sum()) for matrix in matrices)
        unlabeled = int((~known).sum() + (~test_known).sum())
        by_similarity = {name: asdict(result) for name, result in results.items()}
        by_labels = {
            "classification": asdict(classification),
            "clustering": {name: asdict(each) for name, each in clusterings.items()},
        }
        echo_json({"retrieval": by_similarity, **by_labels, "empty_documents": empty, "unlabeled_documents": unlabeled})
        return
    echo("precision at           " + "".join(f"{cutoff:8d}" for cutoff in printed))
    for name, result in results.items():
        values = (result.precision[cutoffs.index(cutoff)] for cutoff in printed)
        echo(f"  {name:<21}" + "".join(f"{value:8.3f}" for value in values))
    skipped = f" ({result.skipped:,} without documents of their label left out)" if result.skipped else ""
    echo(
        f"classification         accuracy {classification.accuracy:.3f}, macro F1 {classification.macro_f1:.3f}"
        f"   (most frequent label: {classification.most_frequent:.3f})\n"
        + "".join(
            f"clusters by {name:<11}purity {each.purity:.3f}, NMI {each.nmi:.3f}"
            f"   ({counted(each.clusters, 'cluster')}, {counted(each.labels, 'label')})\n"
            for name, each in clusterings.items()
        )
        + f"from {result.queries:,} queries{skipped} against {counted(n_documents, 'document')}"
    )


def _label_columns(chosen: str | None, recorded: "Mapping[str, Any]") -> list[str]:
    """Return the columns that can have the labels, best first; folders of texts have a `label`.

    Arguments:
        chosen: the value of --label-column.
        recorded: the reading options of the model.
    """
    return [recorded.get("label_column", "label"), "label"] if chosen is None else [chosen]


def _labels(matrix: "DocumentTermMatrix", file: Path | None, columns: "Sequence[str]") -> "NDArray[np.generic]":
    """Return the labels of documents, from a file, or from the first of some columns that their metadata has."""
    import numpy as np

    from docnvil.errors import ConfigurationError, CorpusError
    from docnvil.text.normalization import find_name
    from docnvil.text.reading_report import list_items

    if file is None:
        # Folders of texts and prepared corpora may have labels without --label-column.
        named = [name for column in columns if (name := find_name(column, matrix.metadata)) is not None]
        column = named[0] if named else columns[0] if len(columns) == 1 else None
        if not column:
            raise ConfigurationError(
                "The documents have no labels. Name their column with --label-column, or give --train-labels and"
                " --test-labels."
            )
        if column not in matrix.metadata:
            names = list_items(map(repr, matrix.metadata), 20) or "none"
            raise CorpusError(f"The documents have no column {column!r}. Choose --label-column from: {names}.")
        return np.array(matrix.metadata[column])
    try:
        labels = np.load(file, allow_pickle=False)
    except (ValueError, EOFError):
        raise CorpusError(f"{file} is not a .npy file of labels. Write it with numpy.save.") from None
    shape = getattr(labels, "shape", None)
    if shape != (matrix.n_documents,):
        raise CorpusError(f"{file} has shape {shape}. Give {counted(matrix.n_documents, 'label')}, one per document.")
    return labels


def _has_label(labels: "NDArray[np.generic]", source: Path) -> "NDArray[np.bool_]":
    """Return whether each document has a label, `[N]`, and warn of those without one, which have `""` or NaN.

    Raises:
        CorpusError: none has.
    """
    import numpy as np

    from docnvil.errors import CorpusError, warn

    known = np.ones(len(labels), dtype=bool)
    if labels.dtype.kind in "US":
        known = np.char.str_len(labels) > 0  # type: ignore[arg-type]
    elif labels.dtype.kind == "f":
        known = ~np.isnan(labels)  # type: ignore[call-overload]
    if not known.any():
        raise CorpusError(f"No document of {source} has a label. Check the labels and their column.")
    if n_unknown := int((~known).sum()):
        are = "is" if n_unknown == 1 else "are"
        warn(f"{counted(n_unknown, 'document')} of {source} without a label {are} left out.")
    return known
