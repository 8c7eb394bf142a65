"""The report of a model: an HTML page that needs no network, and an overview as one SVG picture.

The page is the template `templates/report.html.j2` with the style sheets and the scripts beside it. All values are
escaped, and a content security policy forbids the page to load anything and to run any script but its own.
"""

from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from docnvil.analysis.themes import Theme
from docnvil.analysis.topics import DEAD_INFORMATION, DUPLICATE_COSINE, GENERAL_RATIO, GENERAL_SHARE, Topic
from docnvil.report import formatting
from docnvil.report.cards import UnitCard, unit_cards
from docnvil.report.corpus import CorpusReport
from docnvil.report.curves import training_charts
from docnvil.report.description import describe_gradient, describe_model, describe_network, layer_sizes
from docnvil.report.overview import N_WORDS, draw_overview, words_with_strength
from docnvil.report.payload import script_hash, script_json
from docnvil.report.svg import LIGHT, printable
from docnvil.storage.tables import topic_words
from docnvil.training.fitted_model import FittedModel

STYLES = ("report.css", "explorer.css")
SCRIPTS = ("units.js",)
CORPUS_SCRIPTS = ("map.js", "explorer.js")  # of a page with documents


def render(model: FittedModel, corpus: CorpusReport | None = None, *, title: str | None = None, top_n: int = 12) -> str:
    """Return the HTML page of a model with `top_n` words per unit; the same input gives the same page.

    Arguments:
        model: the model.
        corpus: the documents to show, see `docnvil.report.corpus.describe_corpus`; None for a page about the model.
        title: the heading; None for "Topic model of N documents".
        top_n: words per unit.
    """
    topics = model.topics(top_n)
    cards = unit_cards(model, topics, model.topics(2 * top_n), corpus)
    live = sorted(
        (card for card in cards if not card.topic.dead), key=lambda card: (-card.topic.information, card.topic.unit)
    )
    visible = model.network.generative.visible
    themes = sorted(_themes_with_words(model, top_n), key=lambda pair: (-pair[0].share, pair[0].theme))
    template, script = _template(), _sources(SCRIPTS if corpus is None else SCRIPTS + CORPUS_SCRIPTS)
    return template.render(
        model=model,
        corpus=corpus,
        title=title or _default_title(model, corpus),
        description=describe_model(model.network.config, model.training),
        best=model.best,
        warnings=model.run.get("warnings", ()),
        charts=[Markup(each) for each in training_charts(model.history, visible, width=440, height=280)],
        live=live,
        labels={card.topic.unit: card.label for card in cards},
        short_words={card.topic.unit: " ".join(word for word, _ in card.words[:3]) for card in cards},
        dead=[topic.unit for topic in topics if topic.dead],
        duplicates=sorted(
            (card.topic.unit, card.topic.duplicate_of) for card in live if card.topic.duplicate_of is not None
        ),
        general=sorted(card.topic.unit for card in live if card.topic.general),
        themes=[(theme, words_with_strength(theme, words)) for theme, words in themes if not theme.unused],
        unused_themes=[theme.theme for theme, _ in themes if theme.unused],
        settings={
            "model": asdict(model.network.config),
            "training": {"recipe": model.recipe, **asdict(model.training)},
            "corpus": model.corpus,
            "run": {name: value for name, value in model.run.items() if name not in ("epoch_seconds", "warnings")},
        },
        token_rules=_token_rules(model),
        page_data=None if corpus is None else Markup(script_json(_page_data(model, corpus, live, themes))),
        script=Markup(script),
        script_hashes=Markup(script_hash("\n" + script)),
    )


def _page_data(
    model: FittedModel, corpus: CorpusReport, live: Sequence[UnitCard], themes: Sequence[tuple[Theme, Sequence[str]]]
) -> dict[str, Any]:
    """Return what the scripts need besides the documents: names and words of units, labels and themes."""
    dates = corpus.dates
    return {
        "noun": model.network.generative.visible.document_noun,
        "units": {
            card.topic.unit: {"name": card.label, "short": card.short_name, "words": [word for word, _ in card.words]}
            for card in live
        },
        "themes": {theme.theme: " ".join(words[:3]) for theme, words in themes},
        "labels": None if corpus.labels is None else {"column": corpus.labels.column, "names": corpus.labels.names},
        "dates": None if dates is None else {"column": dates.column},
        "total": corpus.statistics.n_documents,
    }


def render_overview(model: FittedModel, *, title: str | None = None) -> str:
    """Return the overview of a model, with a title as in `render`, as the text of an SVG file."""
    visible, best = model.network.generative.visible, model.best
    figure = f"bound {formatting.format_number(best.validation_bound)} nats"
    without = model.no_units and model.no_units.validation_bound
    form = formatting.format_number
    if visible.reports_perplexity:
        figure = f"perplexity {formatting.format_perplexity(best.validation_perplexity)}"
        without = model.no_units and model.no_units.validation_perplexity
        form = formatting.format_perplexity
    no_units = "" if without is None else f" (without units: {form(without)})"
    subtitles = (
        describe_network(model.network.config),
        f"Trained with {describe_gradient(model.training)}; validation {figure} per {visible.document_noun}{no_units}",
    )
    charts = training_charts(model.history, visible, LIGHT, width=384, height=250)
    units = _topics_with_words(model, N_WORDS)
    return draw_overview(charts, units, title or _default_title(model), subtitles)


def _default_title(model: FittedModel, corpus: CorpusReport | None = None) -> str:
    n_documents = model.corpus["documents"] if corpus is None else corpus.matrix.n_documents
    return f"Topic model of {n_documents:,} {model.network.generative.visible.document_noun}s"


def _topics_with_words(model: FittedModel, top_n: int) -> list[tuple[Topic, Sequence[str]]]:
    return [(topic, topic_words(topic, model.vocabulary)) for topic in model.topics(top_n)]


def _themes_with_words(model: FittedModel, top_n: int) -> list[tuple[Theme, Sequence[str]]]:
    if not model.has_themes:
        return []
    return [(theme, topic_words(theme, model.vocabulary)) for theme in model.theme_topics(top_n)]


def _token_rules(model: FittedModel) -> dict[str, Any] | None:
    rules = model.token_rules
    if rules is None:
        return None
    stop_words = f"{formatting.format_count(len(rules.stop_words), 'word')} ({rules.stop_words_name})"
    values = rules.to_json() | {"stop_words": stop_words}
    return {name: value for name, value in values.items() if name != "stop_words_name"}


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("docnvil.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    formats = ("percent", "number", "perplexity", "count", "duration", "setting")
    environment.filters |= {name: getattr(formatting, f"format_{name}") for name in formats}
    environment.filters["layer_sizes"] = layer_sizes
    environment.filters["capitalize_first"] = lambda text: text[:1].upper() + text[1:]
    environment.globals["css"] = Markup(_sources(STYLES))
    environment.globals |= {"dead_information": DEAD_INFORMATION, "duplicate_cosine": DUPLICATE_COSINE}
    environment.globals |= {"general_share": GENERAL_SHARE, "general_ratio": GENERAL_RATIO}
    return environment.get_template("report.html.j2")


@cache
def _sources(names: tuple[str, ...]) -> str:
    """Return the text of files beside the template, joined."""
    folder = resources.files("docnvil.report") / "templates"
    return "".join((folder / name).read_text(encoding="utf-8") for name in names)
