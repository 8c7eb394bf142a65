"""docnvil retrieval: how well a model's codes find and tell apart documents of the same label."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docnvil.commands.console import echo_json
from docnvil.commands.options import CORPUS, load_for_model, source_options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from docnvil.text.counts import DocumentTermMatrix

SHOWN = (1, 10, 100)


@click.command()
@click.argument("model", type=CORPUS)
@click.argument("train", type=CORPUS)
@click.argument("test", type=CORPUS)
@click.option("--train-labels", type=CORPUS, help="A .npy file with a label a row of TRAIN, instead of --label-column.")
@click.option("--test-labels", type=CORPUS, help="The same for TEST.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@source_options
def retrieval(
    model: Path,
    train: Path,
    test: Path,
    train_labels: Path | None,
    test_labels: Path | None,
    device: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Look up each document of TEST among those of TRAIN by MODEL's codes, and see whether labels agree.

    \b
    docnvil retrieval model/ train.jsonl test.jsonl --label-column group
    docnvil retrieval model/ train.npz test.npz --train-labels train.npy --test-labels test.npy --json

    Precision is the share of the nearest documents that have the query's label, by Hamming distance of binary codes
    and by the cosine of probabilities; equally near ones count in every order they could come in. A logistic regression
    on the probabilities says how well the labels can be told from codes.
    """
    from docnvil.analysis.retrieval import classify, cosine, hamming, retrieve
    from docnvil.storage.model_folder import load_model

    fitted = load_model(model, device)
    matrices = [load_for_model(source, options, fitted) for source in (train, test)]
    files = (train_labels, test_labels)
    labels, query_labels = (
        _labels(matrix, file, options["label_column"]) for matrix, file in zip(matrices, files, strict=True)
    )
    codes, query_codes = (fitted.transform(matrix) for matrix in matrices)
    powers = (2**power for power in range(len(codes).bit_length()))
    numbers = sorted({*powers, len(codes), *(number for number in SHOWN if number <= len(codes))})
    by = {
        name: retrieve(codes, labels, query_codes, query_labels, similarity=similarity, retrieved=numbers)
        for name, similarity in (("hamming", hamming), ("cosine", cosine))
    }
    told = classify(codes, labels, query_codes, query_labels)
    empty = sum(int(matrix.empty.sum()) for matrix in matrices)
    if as_json:
        found = {name: asdict(each) for name, each in by.items()}
        echo_json({"retrieval": found, "classification": asdict(told), "empty_documents": empty})
        return
    shown = [number for number in SHOWN if number in numbers]
    click.echo("precision at           " + "".join(f"{number:8d}" for number in shown))
    for name, each in by.items():
        values = (each.precision[each.retrieved.index(number)] for number in shown)
        click.echo(f"  {name:<21}" + "".join(f"{value:8.3f}" for value in values))
    skipped = by["cosine"].skipped
    without = f", {skipped:,} skipped whose label no document has" if skipped else ""
    click.echo(
        f"classification         accuracy {told.accuracy:.3f}, macro F1 {told.macro_f1:.3f}"
        f"   (most frequent label: {told.most_frequent:.3f})\n"
        f"from {by['cosine'].queries:,} queries against {len(codes):,} documents{without}"
    )


def _labels(matrix: "DocumentTermMatrix", file: Path | None, column: str | None) -> "NDArray[np.generic]":
    """Read the labels of documents, from a file or from their metadata."""
    import numpy as np

    from docnvil.errors import ConfigurationError, CorpusError

    if file is None:
        # Folders of texts and prepared corpora may have labels that nobody had to name.
        column = column or ("label" if "label" in matrix.metadata else None)
        if column is None:
            raise ConfigurationError(
                "Retrieval needs the documents' labels. Name their column with --label-column, or give --train-labels"
                " and --test-labels."
            )
        if column not in matrix.metadata:
            raise CorpusError(
                f"The documents have no {column!r}. They have {', '.join(matrix.metadata) or 'no metadata'}."
            )
        return np.array(matrix.metadata[column])
    try:
        labels = np.load(file, allow_pickle=False)
    except (ValueError, EOFError):
        raise CorpusError(f"{file} is not a .npy file of labels. Write one with numpy.save.") from None
    if not isinstance(labels, np.ndarray) or labels.shape != (matrix.n_documents,):
        shape = getattr(labels, "shape", "no array")
        raise CorpusError(f"{file} holds {shape}, and {matrix.n_documents} labels are needed, one a document.")
    return labels
