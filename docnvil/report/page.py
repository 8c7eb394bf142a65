"""A trained model as one HTML page that needs no network: figures, curves, units in words, settings, explanations.

The page is text made from a `Checkpoint`. It carries its style, its script and its drawings inside, and a content
security policy that forbids it to ask for anything else.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from docnvil.analysis.topics import DEAD_INFORMATION, Topic, topics
from docnvil.report.assets import SCRIPT, STYLE
from docnvil.report.drawing import (
    WORDS_IN_OVERVIEW,
    bound_lines,
    curve,
    element,
    markup,
    overview,
    perplexity_lines,
    share_text,
    strength,
)
from docnvil.storage.model_folder import Checkpoint
from docnvil.storage.tables import words_of
from docnvil.training.loop import best_of

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"

MEANINGS = {
    "Bound, in nats": """What a model says of a document is log p(x), the logarithm of the probability it gives to the
        document's words. With binary units it can only be bounded from below: the variational bound, or ELBO, is how
        well units drawn for the document predict its words, less what describing those units costs. A nat is the unit
        of natural logarithms; a bit is ln 2 = 0.693 nats.""",
    "Perplexity per document": """exp of the mean over documents of −log p(x) / L, where L is the document's length in
        words: short and long documents count alike. It is the figure of the papers on neural topic models. The bound
        stands in for log p(x), so the model is at least this good.""",
    "Perplexity per word": """exp of −log p(x) summed over all documents and divided by all their words: long documents
        count more. It is what toolkits usually mean, and differs from the one above. Either can be compared only over
        the same vocabulary and the same documents; the command docnvil perplexity prints both.""",
    "Share of documents": """The mean probability, by the recognition network, that the unit is on in a document.""",
    "Information": f"""The mutual information of the unit and the document: how much a document tells about whether the
        unit is on. It is at most ln 2 = 0.693 nats; a unit with less than {DEAD_INFORMATION} is called dead.""",
    "Words": """Ranked by p₁ log(p₁ / p₀) max(0, W): p₁ and p₀ are the shares of documents with the word where the unit
        is on and where it is off, and W is the weight from the unit to the word.""",
}


def render(checkpoint: Checkpoint, *, title: str | None = None, top_n: int = 12) -> str:
    """Return a page about a model; the same model gives the same page.

    Arguments:
        checkpoint: the model and all that is kept with it.
        title: over the page; without one it says what the model was trained on. top_n: words a unit.
    """
    title = title or title_of(checkpoint)
    listed = [(topic, words_of(topic, checkpoint.vocabulary)) for topic in _topics(checkpoint, top_n)]
    body = [
        element("header", element("h1", markup(title)), _paragraph(subtitle_of(checkpoint), "under")),
        _figures(checkpoint, [topic for topic, _ in listed]),
        _training_section(checkpoint),
        _units_section(checkpoint, listed),
        element("section", _dead_units(listed), _settings(checkpoint), _rules(checkpoint), _meanings()),
        element("footer", markup(f"Made by docnvil {checkpoint.run.get('docnvil', '')}".rstrip() + " from its model.")),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<link rel="icon" href="data:,">\n<title>{markup(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n'
        + "\n".join(body)
        + f"\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def render_overview(checkpoint: Checkpoint, *, title: str | None = None) -> str:
    """Return a model in one SVG picture, see `docnvil.report.drawing.overview`."""
    listed = [(topic, words_of(topic, checkpoint.vocabulary)) for topic in _topics(checkpoint, WORDS_IN_OVERVIEW)]
    return overview(checkpoint.history, listed, title or title_of(checkpoint), subtitle_of(checkpoint))


def title_of(checkpoint: Checkpoint) -> str:
    """Say what a model is, for want of a name."""
    return f"Topic model of {checkpoint.corpus['documents']:,} documents"


def subtitle_of(checkpoint: Checkpoint) -> str:
    """Say in a line how a model was made, and how good it is."""
    units, best = checkpoint.model.config.units, best_of(checkpoint.history)
    layers = f"{units[0]:,} binary units" if len(units) == 1 else f"layers of {_layers(units)} binary units"
    return (
        f"Sigmoid belief network with {layers}, trained by NVIL in {_duration(checkpoint.run['seconds'])};"
        f" validation perplexity {_figure(best.validation_perplexity)} per document"
    )


def _topics(checkpoint: Checkpoint, top_n: int) -> list[Topic]:
    return topics(checkpoint.model, checkpoint.statistics, top_n)


def _figures(checkpoint: Checkpoint, listed: Sequence[Topic]) -> str:
    corpus, config, best = checkpoint.corpus, checkpoint.model.config, best_of(checkpoint.history)
    dead = sum(topic.dead for topic in listed)
    empty = corpus["empty_documents"]
    of_layer = "" if len(config.units) == 1 else ", first layer"
    values = [
        ("documents", f"{corpus['documents']:,}", f"{empty:,} of them empty" if empty else "none of them empty"),
        ("vocabulary", f"{corpus['words']:,}", f"words; {corpus['tokens']:,} tokens"),
        ("units", _layers(config.units), f"{len(listed) - dead:,} live, {dead:,} dead{of_layer}"),
        ("best epoch", f"{best.epoch:,}", f"of {len(checkpoint.history):,}, by the validation bound"),
        (
            "validation perplexity",
            _figure(best.validation_perplexity),
            f"per document; variational bound (ELBO), {_count(checkpoint.training.validation_samples, 'sample')}",
        ),
        ("training time", _duration(checkpoint.run["seconds"]), f"on {checkpoint.run['device']}"),
    ]
    entries = (
        element("div", element("dt", name), element("dd", markup(value)), element("dd", markup(more)))
        for name, value, more in values
    )
    return element("dl", *entries, class_="figures")


def _training_section(checkpoint: Checkpoint) -> str:
    best = best_of(checkpoint.history).epoch
    size = {"width": 440, "height": 270}
    bound = curve(bound_lines(checkpoint.history), best, "bound, nats per document", **size)
    perplexity = curve(perplexity_lines(checkpoint.history), best, "validation perplexity, per document", **size)
    figures = [
        element(
            "figure",
            bound,
            element(
                "figcaption",
                "The variational bound on log p(x); higher is better. Training and validation documents differ in"
                " length, so compare the shapes of the curves, not their heights.",
            ),
        ),
        element("figure", perplexity, element("figcaption", _judged_by(checkpoint))),
    ]
    return element("section", element("h2", "Training"), element("div", *figures, class_="curves"))


def _judged_by(checkpoint: Checkpoint) -> str:
    held_out = checkpoint.corpus["validation"]
    if not held_out:
        return "Lower is better. No documents were held out, so this is of the training documents themselves."
    share = share_text(held_out) if isinstance(held_out, float) else f"{held_out:,}"
    return f"Lower is better. {share} of the documents were held out to choose the best epoch, and this is of those."


def _units_section(checkpoint: Checkpoint, listed: Sequence[tuple[Topic, list[str]]]) -> str:
    live = sorted((each for each in listed if not each[0].dead), key=lambda each: (-each[0].information, each[0].unit))
    first = " of the first layer" if len(checkpoint.model.config.units) > 1 else ""
    heading = element("h2", f"What the units stand for{markup(first)}")
    if not live:
        return element("section", heading, _paragraph("No unit is live: none tells anything about a document.", "note"))
    find = (
        '<label class="find" hidden>find a word <input type="search" autocomplete="off" spellcheck="false">'
        "<output></output></label>"
    )
    heads = (
        ("unit", "ascending", "unit", ""),
        ("share", "descending", "share of documents", ""),
        ("information", "descending", "information, nats", ' aria-sort="descending"'),
        ("words", "ascending", "words", ""),
    )
    head = "".join(
        f'<th scope="col" class="{name}" data-first="{order}"{sorted_by}>{text}</th>'
        for name, order, text, sorted_by in heads
    )
    largest = max(topic.share for topic, _ in live), max(topic.information for topic, _ in live)
    rows = "\n".join(_unit_row(topic, words, *largest) for topic, words in live)
    return element(
        "section",
        element("div", heading, find, class_="heading"),
        _paragraph(
            "A unit is on or off in each document, and several may be on at once. Words are those that come more often"
            " where the unit is on, the strongest first and boldest. Bars are relative to the longest of their column.",
            "note",
        ),
        _cautions([topic for topic, _ in live]),
        f'<table id="units"><thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>',
    )


def _cautions(live: Sequence[Topic]) -> str:
    """Say which units repeat another and which list general words, if any do."""
    told = [
        f"Unit {topic.unit} says what unit {topic.duplicate_of} says."
        for topic in sorted(live, key=lambda topic: topic.unit)
        if topic.duplicate_of is not None
    ]
    general = sorted(topic.unit for topic in live if topic.general)
    if general:
        which = f"unit {general[0]}" if len(general) == 1 else f"units {', '.join(map(str, general))}"
        told.append(f"The words of {which} are general: they come without it too.")
    return _paragraph(" ".join(told), "note") if told else ""


def _unit_row(topic: Topic, words: Sequence[str], largest_share: float, largest_information: float) -> str:
    return element(
        "tr",
        element("td", str(topic.unit), class_="unit", data_value=str(topic.unit)),
        element(
            "td",
            _bar(topic.share, largest_share),
            markup(share_text(topic.share)),
            class_="share",
            data_value=f"{topic.share:.9f}",
        ),
        element(
            "td",
            _bar(topic.information, largest_information),
            f"{topic.information:.3f}",
            class_="information",
            data_value=f"{topic.information:.9f}",
        ),
        element("td", _words(topic, words), class_="words", data_value=words[0] if words else ""),
        id=f"unit{topic.unit}",
    )


def _bar(value: float, largest: float) -> str:
    length = 100 * value / largest if largest else 0.0
    return f'<span class="bar" aria-hidden="true"><i style="width:{length:.1f}%"></i></span>'


def _words(topic: Topic, words: Sequence[str]) -> str:
    """Write words by their strength; one without a score comes no more often where the unit is on, and is left out."""
    scored = [(word, score) for word, score in zip(words, topic.scores, strict=True) if score > 0]
    return " ".join(
        element("bdi", markup(word), class_=f"w{strength(score, topic.scores[0])}") for word, score in scored
    )


def _dead_units(listed: Sequence[tuple[Topic, list[str]]]) -> str:
    dead = [topic for topic, _ in listed if topic.dead]
    if not dead:
        return ""
    rows = [
        (str(topic.unit), share_text(topic.share), f"{topic.information:.4f}")
        for topic in sorted(dead, key=lambda topic: topic.unit)
    ]
    many = len(dead) > 1
    return _folded(
        f"{_count(len(dead), 'dead unit')}",
        _paragraph(
            f"{'These units do' if many else 'This unit does'} much the same whatever the document says:"
            f" {'each tells' if many else 'it tells'} less than {DEAD_INFORMATION} nats about a document, too little to"
            " read anything into its words. Dead units do no harm; many of them mean that the corpus had no use for so"
            " many units, or that training was too short."
        ),
        _table(rows, heads=("unit", "share of documents", "information, nats")),
        class_="dead",
    )


def _settings(checkpoint: Checkpoint) -> str:
    groups = {
        "model": asdict(checkpoint.model.config),
        "training": {"recipe": checkpoint.recipe, **asdict(checkpoint.training)},
        "corpus": checkpoint.corpus,
        "run": {name: value for name, value in checkpoint.run.items() if name != "epoch_seconds"},
    }
    rows = "".join(
        f'<tr><th colspan="2" scope="colgroup">{name}</th></tr>' + _rows(values.items())
        for name, values in groups.items()
    )
    return _folded(
        "How it was trained",
        _paragraph("The settings as model.json has them, and the machine as run.json has it. Bounds are in nats."),
        f'<table class="settings"><tbody>{rows}</tbody></table>',
    )


def _rules(checkpoint: Checkpoint) -> str:
    rules = checkpoint.rules
    if rules is None:
        told = "The model was trained on ready counts, so how their text became words is not known here."
        if checkpoint.vocabulary.is_numbered:
            told += " Nor are the words: the counts came without a vocabulary, and their columns are numbered."
        return _folded("How text became words", _paragraph(told))
    values: Mapping[str, Any] = rules.to_json() | {
        "stop_words": f"{_count(len(rules.stop_words), 'word')} ({rules.stop_words_name})"
    }
    return _folded(
        "How text became words",
        _paragraph(
            "Text is brought to Unicode's composed form and split into tokens; short tokens and stop words are dropped"
            " before stemming. New documents are read by the same rules."
        ),
        f'<table class="settings"><tbody>'
        f"{_rows((name, value) for name, value in values.items() if name != 'stop_words_name')}</tbody></table>",
    )


def _meanings() -> str:
    entries = (
        element("dt", markup(name)) + element("dd", markup(" ".join(text.split()))) for name, text in MEANINGS.items()
    )
    return _folded("What these numbers mean", element("dl", *entries, class_="meaning"))


def _folded(summary: str, *content: str, class_: str = "") -> str:
    return element("details", element("summary", markup(summary)), *content, **({"class_": class_} if class_ else {}))


def _paragraph(text: str, class_: str = "") -> str:
    return element("p", markup(text), **({"class_": class_} if class_ else {}))


def _table(rows: Iterable[Sequence[str]], heads: Sequence[str]) -> str:
    head = "".join(f'<th scope="col">{markup(text)}</th>' for text in heads)
    body = "\n".join(element("tr", *(element("td", markup(text)) for text in row)) for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _rows(values: Iterable[tuple[str, object]]) -> str:
    return "".join(
        f'<tr><th scope="row">{markup(name)}</th><td>{markup(_setting(value))}</td></tr>\n' for name, value in values
    )


def _setting(value: object) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(_setting, value))
    return f"{value:.6g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _layers(units: Sequence[int]) -> str:
    return "-".join(map(str, units))


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def _figure(value: float) -> str:
    """Write a perplexity: one decimal below a thousand, whole above, infinity by its sign."""
    if math.isinf(value):
        return "∞"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}"


def _duration(seconds: float) -> str:
    """Write seconds as a person would say them."""
    if seconds < 0.1:
        return "<0.1 s"
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
