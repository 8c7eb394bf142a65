"""docnvil topics: what each unit stands for, in words, and how well those words hang together."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docnvil.commands.console import echo_json
from docnvil.commands.options import CORPUS, load_for_model, source_options

if TYPE_CHECKING:
    from docnvil.estimator import DocNVIL
    from docnvil.topics import Topic


@click.command()
@click.argument("model", type=CORPUS)
@click.option("--words", type=click.IntRange(min=1), default=10, show_default=True, help="Words a unit.")
@click.option(
    "--coherence",
    "references",
    multiple=True,
    type=CORPUS,
    help="Also judge the words by this corpus, in which they occur together or not; may be given several times.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@source_options
def topics(model: Path, words: int, references: tuple[Path, ...], as_json: bool, **options: Any) -> None:
    """List the units of MODEL, a line each: number, share of documents that switch it on, words.

    \b
    docnvil topics model/
    docnvil topics model/ --coherence train/ --coherence test/

    Words are ranked by how much more often they come in documents with the unit on than off. A unit that tells nothing
    about a document is said to be dead. With --coherence each line has the words' NPMI over those documents, and a last
    line their mean over live units, with the share of distinct words among all listed.
    """
    from docnvil.estimator import DocNVIL
    from docnvil.tables import words_of

    estimator = DocNVIL.load(model, "cpu")
    listed = estimator.topics(words)
    live = [topic for topic in listed if not topic.dead]
    coherence = _coherence(estimator, live, references, options) if references else {}
    summary = _summary(live, coherence)
    if as_json:
        units = [
            {
                "unit": topic.unit,
                "share": topic.share,
                "information": topic.information,
                "dead": topic.dead,
                "words": words_of(topic, estimator.vocabulary_),
                "scores": topic.scores,
                **({"npmi": coherence.get(topic.unit)} if references else {}),
            }
            for topic in listed
        ]
        echo_json({"units": units, **summary})
        return
    for topic in listed:
        npmi = f"{coherence[topic.unit]:6.3f}  " if topic.unit in coherence else "        " if references else ""
        text = "(dead)" if topic.dead else " ".join(words_of(topic, estimator.vocabulary_))
        click.echo(f"{topic.unit:4d}  {topic.share:6.1%}  {npmi}{text}")
    if coherence:
        click.echo(
            f"\nmean NPMI {summary['npmi']:.3f}, diversity {summary['diversity']:.3f},"
            f" over {summary['live_units']} live units of {len(listed)}"
        )


def _coherence(
    estimator: "DocNVIL", live: Sequence["Topic"], references: Sequence[Path], options: Mapping[str, Any]
) -> dict[int, float]:
    """NPMI of each live unit's words over the documents of all references together."""
    import numpy as np
    from scipy.sparse import csr_array, vstack

    from docnvil.evaluation.coherence import npmi

    counts = [load_for_model(path, options, estimator).counts for path in references]
    values = npmi([topic.words for topic in live], csr_array(vstack(counts, format="csr")))
    return {topic.unit: float(value) for topic, value in zip(live, values, strict=True) if not np.isnan(value)}


def _summary(live: Sequence["Topic"], coherence: Mapping[int, float]) -> dict[str, float | None]:
    """Mean NPMI and diversity over live units; None where there is nothing to average."""
    from docnvil.evaluation.coherence import diversity

    return {
        "live_units": len(live),
        "diversity": diversity([topic.words for topic in live]) if any(topic.words for topic in live) else None,
        "npmi": sum(coherence.values()) / len(coherence) if coherence else None,
    }
