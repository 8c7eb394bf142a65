"""The corpus of a report: labels and dates, sums over documents, the map, highlights, figures, and the command."""

import json
import re
import sys
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from commands import run
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array, save_npz

import docnvil
from docnvil.analysis.gain import UnitsGain
from docnvil.errors import ConfigurationError, CorpusError, MissingDependencyError
from docnvil.report.columns import NO_GROUP, Groups, choose_dates, choose_labels, parse_dates
from docnvil.report.corpus import describe_corpus
from docnvil.report.corpus_pass import CorpusStatistics, read_statistics
from docnvil.report.document_map import MAX_LANDMARKS, map_method, place_documents
from docnvil.report.documents import ReportSource
from docnvil.report.evaluation import Evaluation, evaluate
from docnvil.report.highlights import Highlighter
from docnvil.report.page import render
from docnvil.report.payload import decode, encode, script_json
from docnvil.report.units import lowered_words, related_units
from docnvil.runtime.packages import is_installed
from docnvil.text.document_term_matrix import DocumentTermMatrix
from docnvil.text.tokens import Tokenizer, TokenRules
from docnvil.text.vocabulary import Vocabulary
from docnvil.training.fitted_model import FittedModel

LABELS = ("north", "south", "west")


def matrix_of(counts: np.ndarray, **metadata: list[str]) -> DocumentTermMatrix:
    ids = tuple(f"d{row}" for row in range(len(counts)))
    return DocumentTermMatrix(counts, Vocabulary.numbered(counts.shape[1]), ids, metadata)


@pytest.fixture(scope="module")
def model(block_counts) -> FittedModel:
    settings = docnvil.Settings(units=(3,), epochs=40, batch_size=20, prior="factorial", posterior="factorial")
    return docnvil.fit(block_counts, settings)


@pytest.fixture(scope="module")
def matrix(block_counts) -> DocumentTermMatrix:
    rows = range(len(block_counts))
    dates = [f"20{row % 10:02}-06-01" for row in rows]
    return matrix_of(block_counts, label=[LABELS[row % 3] for row in rows], date=dates)


def weeks(first: str, last: str) -> list[str]:
    """Return the first and the last day of a time, and a day of each week between."""
    return [first, *pd.date_range(first, last, freq="7D").strftime("%Y-%m-%d"), last]


class TestColumns:
    def test_labels_are_found_by_name_or_by_number_of_values(self):
        rows = range(60)
        columns = {
            "number": [str(row) for row in rows],
            "kind": [str(row % 4) for row in rows],
            "Category": [str(row % 2) for row in rows],
            "constant": ["x" for _ in rows],
        }
        assert choose_labels(columns).column == "Category"
        del columns["Category"]
        assert choose_labels(columns).column == "kind"
        del columns["kind"]
        assert choose_labels(columns) is None
        assert choose_labels({}) is None

    def test_rare_labels_are_one_group_and_missing_ones_none(self):
        values = [f"label {row % 30}" for row in range(300)] + ["", "label 0"]
        groups = choose_labels({"label": values})
        assert groups.size == 30
        assert len(groups.names) == 20
        assert groups.names[0] == "label 0"
        assert groups.names[-1] == "(other)"
        assert groups.codes[300] == NO_GROUP
        assert groups.n_missing == 1
        assert groups.counts.sum() == 301
        assert groups.counts[-1] == 110

    @pytest.mark.parametrize(
        ("values", "size", "n_names", "first"),
        [
            (["1993-04-01", "1993-04-03"], "day", 3, "1993-04-01"),
            (weeks("1993-01-01", "1993-12-31"), "week", 53, "1992-12-28"),
            (weeks("1993-01-01", "1996-12-31"), "month", 48, "1993-01"),
            (weeks("1993-01-01", "2002-12-31"), "quarter", 40, "1993 Q1"),
            (["1993-01-01", "1996-06-01"], "year", 4, "1993"),
            (["1950", "2001"], "year", 52, "1950"),
            (["Thu, 29 Apr 1993 11:57:19 GMT", "Fri, 30 Apr 1993 23:59:00 +0200"], "day", 2, "1993-04-29"),
            (["2020-01-01T10:00:00Z", "2020-01-02T10:00:00+09:00"], "day", 2, "2020-01-01"),
        ],
    )
    def test_periods_are_as_short_as_fits(self, values, size, n_names, first):
        groups = choose_dates({"date": [*values, ""]})
        assert (groups.size, len(groups.names), groups.names[0]) == (size, n_names, first)
        assert groups.codes[[0, -2, -1]].tolist() == [0, n_names - 1, NO_GROUP]
        assert np.isnan(groups.values[-1])

    def test_numbers_and_words_are_not_dates(self):
        assert parse_dates(["12", "3.5", "soon", "", "99999"]).isna().all()
        assert choose_dates({"date": ["12", "13", "14"]}) is None
        assert choose_dates({"update": ["2001-01-01", "2001-01-02"]}) is None
        assert choose_dates({"posted_date": ["2001-01-01", "2001-01-02"]}) is not None

    @pytest.mark.parametrize(
        ("function", "column", "message"),
        [
            (
                choose_labels,
                "colour",
                'no column \'colour\'. Its columns are "label", "word", "none"; choose one with --by',
            ),
            (choose_dates, "colour", "choose one with --over"),
            (choose_labels, "none", "'none' has no value"),
            (choose_dates, "word", 'no dates in 2 of 2 values, for example "owl", "cat"'),
            (choose_dates, "none", "no dates in 0 of 0 values. Choose"),
        ],
    )
    def test_errors_name_the_column_and_the_option(self, function, column, message):
        with pytest.raises(ConfigurationError) as error:
            function({"label": ["a", "b"], "word": ["owl", "cat"], "none": ["", ""]}, column)
        assert message in error.value.command_line_message
        with pytest.raises(ConfigurationError, match="no metadata columns"):
            function({}, column)

    @given(st.lists(st.sampled_from(["", "a", "b", "c"]), min_size=1).filter(any))
    def test_every_document_with_a_label_is_counted_once(self, values):
        groups = choose_labels({"label": values}, "label")
        assert groups.counts.sum() == sum(map(bool, values))
        assert [groups.names[code] if code >= 0 else "" for code in groups.codes] == values


class TestStatistics:
    def test_sums_are_those_of_the_probabilities(self, model, matrix, monkeypatch):
        monkeypatch.setattr("docnvil.text.sparse.CHUNK_ENTRIES", 100)  # several chunks
        labels = choose_labels(matrix.metadata)
        statistics = read_statistics(model, matrix.counts, [labels], max_documents=50)
        on = model.transform(matrix.counts).astype(float)
        np.testing.assert_allclose(statistics.on, on.sum(0), rtol=1e-5)
        np.testing.assert_allclose(statistics.together, on.T @ on, rtol=1e-5)
        (by_label,), (sizes,) = statistics.by_group, statistics.group_sizes
        assert sizes.tolist() == [40, 40, 40]
        for group in range(3):
            np.testing.assert_allclose(by_label[group], on[labels.codes == group].sum(0), rtol=1e-5, atol=1e-6)
        assert len(statistics.sample) == 50
        np.testing.assert_allclose(statistics.sample_probabilities, on[statistics.sample], atol=1e-6)
        for unit, rows in enumerate(statistics.representatives):
            assert len(rows) == 8
            assert (on[list(rows), unit] > 0.9).all()

    def test_documents_without_words_are_left_out(self, model, block_counts):
        counts = np.vstack([block_counts[:20], np.zeros((3, 15), int)])
        statistics = read_statistics(model, matrix_of(counts).counts, max_documents=1000)
        assert statistics.n_documents == len(statistics.sample) == 20
        assert statistics.sample.max() < 20

    def test_related_units_are_those_with_a_large_or_small_lift(self):
        together = np.array([[200.0, 120, 2, 0], [120, 300, 60, 0], [2, 60, 200, 0], [0, 0, 0, 0.5]])
        nothing: tuple = ()
        empty = np.zeros(0, int)
        statistics = CorpusStatistics(
            1000,
            np.diag(together),
            together,
            nothing,
            nothing,
            nothing,
            empty,
            np.zeros((0, 4), np.float32),
            empty,
            None,
        )
        often, rarely = related_units(statistics, 0, np.zeros(4, bool))
        assert [(each.unit, round(each.lift, 2)) for each in often] == [(1, 2.0)]
        assert [(each.unit, round(each.lift, 2)) for each in rarely] == [(2, 0.05)]
        assert related_units(statistics, 0, np.array([False, True, True, False])) == ((), ())

    def test_lowered_words_are_those_of_other_subjects(self, model):
        for unit, words in enumerate(lowered_words(model)):
            (subject,) = {int(model.vocabulary.index(word)) // 5 for word in model.top_words(3)[unit]}
            assert words
            assert all(model.vocabulary.index(word) // 5 != subject for word in words)


class TestMap:
    def test_similar_documents_are_near_each_other(self):
        features = np.eye(3).repeat(40, axis=0)
        positions = place_documents(features, method="t-SNE").reshape(3, 40, 2)
        spread = positions.std(axis=1).max()
        middles = positions.mean(1)
        apart = min(np.linalg.norm(middles[a] - middles[b]) for a, b in ((0, 1), (0, 2), (1, 2)))
        assert apart > 3 * spread

    @pytest.mark.parametrize("n_documents", [1, 2, 7, 8, 30])
    @pytest.mark.parametrize("n_features", [1, 2, 5])
    def test_any_number_of_documents_and_units(self, n_documents, n_features):
        features = np.random.default_rng(0).random((n_documents, n_features))
        positions = place_documents(features, method="t-SNE")
        assert positions.shape == (n_documents, 2)
        assert ((positions >= 0) & (positions <= 1)).all()
        np.testing.assert_array_equal(positions, place_documents(features, method="t-SNE"))

    def test_documents_besides_the_landmarks_are_near_their_like(self, monkeypatch):
        monkeypatch.setattr("docnvil.report.document_map.MAX_LANDMARKS", 60)
        assert MAX_LANDMARKS > 60
        subject = np.arange(400) % 2
        positions = place_documents(np.eye(2)[subject], method="t-SNE")
        middles = np.array([positions[subject == each].mean(0) for each in (0, 1)])
        nearer = np.linalg.norm(positions[:, None] - middles, axis=-1).argmin(1)
        assert (nearer == subject).mean() > 0.95

    def test_umap_is_used_if_it_is_installed(self, monkeypatch):
        class FakeUMAP:
            def __init__(self, **options: object) -> None:
                assert options["random_state"] == 3
                assert options["n_neighbors"] == 15

            def fit_transform(self, features: np.ndarray) -> np.ndarray:
                return features[:, :2] * 100

        features = np.random.default_rng(0).random((40, 5))
        monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=FakeUMAP))
        positions = place_documents(features, method="UMAP", seed=3)
        assert np.corrcoef(positions[:, 0], features[:, 0])[0, 1] > 0.99
        monkeypatch.setitem(sys.modules, "umap", None)
        with pytest.raises(MissingDependencyError) as error:
            place_documents(features, method="UMAP")
        assert "choose --layout t-SNE" in error.value.command_line_message

    @pytest.mark.skipif(is_installed("umap"), reason="umap-learn is installed, and comes before a folder of that name.")
    def test_a_folder_called_umap_is_not_the_package(self, tmp_path, monkeypatch):
        (tmp_path / "umap").mkdir()
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "umap", raising=False)
        assert map_method() == "t-SNE"
        with pytest.raises(MissingDependencyError):
            place_documents(np.eye(20), method="UMAP")


class TestHighlights:
    vocabulary = Vocabulary(["sail", "wind", "bake", "naïve", "日本"])

    def spans(self, text: str, weights: dict[int, float], **options) -> list[tuple[str, int]]:
        highlighter = Highlighter(Tokenizer(TokenRules(stemmer="porter", min_length=2)), self.vocabulary)
        return [(span.text, span.strength) for span in highlighter.passage(text, weights, **options)]

    def test_words_are_found_as_the_rules_of_the_model_make_them(self):
        spans = self.spans("Sailing, the WIND (winds) — baking.", {0: 3.0, 1: 1.2, 2: -1.0})
        assert spans == [("Sailing", 3), (", the ", 0), ("WIND", 2), (" (", 0), ("winds", 2), (") — baking.", 0)]

    def test_the_densest_passage_is_shown(self):
        text = "wind " + "nothing here " * 60 + "sail sail wind sail " + "nothing there " * 60
        spans = self.spans(text, {0: 1.0, 1: 1.0}, length=80)
        passage = "".join(span for span, _ in spans)
        assert "sail sail wind sail" in passage
        assert passage.startswith("… ")
        assert passage.endswith(" …")
        assert len(passage) <= 84
        assert sum(strength > 0 for _, strength in spans) == 4

    @given(st.text(max_size=400), st.integers(20, 200))
    def test_the_passage_is_a_part_of_the_text(self, text, length):
        spans = self.spans(text, {0: 1.0, 4: 1.0}, length=length)
        passage = "".join(span for span, _ in spans).removeprefix("… ").removesuffix(" …")
        flat = " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", text).split())
        assert passage in flat
        assert bool(passage) == bool(flat)


class TestEvaluation:
    def test_figures_are_those_of_docnvil_perplexity(self, model, matrix):
        result = evaluate(model, matrix.counts, is_held_out=False)
        assert result.value == pytest.approx(model.evaluate(matrix).perplexity_per_document)
        assert result.low < result.value < result.high
        assert result.value < result.no_units <= result.unigram * 1.2
        assert "fewer than for the same model without units" in result.sentence

    @pytest.mark.parametrize(
        ("figures", "verdict", "words"),
        [
            ((300.0, 290.0, 310.0, 290.0, 400.0), "nothing learned", "is as good or better"),
            ((300.0, 290.0, 310.0, 290.0, 400.0), "not better", "or better. 9 documents are too little evidence that"),
            ((300.0, 290.0, 310.0, 305.0, 400.0), "better", "could reverse"),
            ((300.0, 290.0, 310.0, None, 400.0), "better", "25% fewer than for word frequencies alone"),
        ],
    )
    def test_the_sentence_says_what_the_figures_mean(self, figures, verdict, words):
        assert words in Evaluation(9, 9, *figures, 300.0, True, True, UnitsGain(verdict, 9)).sentence

    def test_documents_without_words_have_no_figures(self, model):
        assert evaluate(model, csr_array((4, 15), dtype=np.int64), is_held_out=False) is None


class TestPayload:
    @given(st.dictionaries(st.text(), st.lists(st.text() | st.integers() | st.none())))
    def test_values_come_back_and_are_safe_in_html(self, values):
        values = {key.encode("utf-8", "replace").decode(): each for key, each in values.items()}
        text = encode(values)
        assert re.fullmatch(r"[A-Za-z0-9+/=]*", text)
        expected = json.loads(json.dumps(values, ensure_ascii=False).encode("utf-8", "replace"))
        assert decode(text) == expected
        assert not re.search("[<>&\u2028]", script_json(values))
        assert json.loads(script_json(values)) == values


class TestPage:
    def test_shows_the_units_with_documents_labels_and_time(self, model, matrix):
        corpus = describe_corpus(model, ReportSource.of_counts(matrix), method="t-SNE")
        page = render(model, corpus)
        assert page == render(model, describe_corpus(model, ReportSource.of_counts(matrix), method="t-SNE"))
        assert page.count("<h3>By label</h3>") == page.count("<h3>By year</h3>") == 3
        assert page.count('class="timeline"') == 3
        assert page.count("<blockquote>") == 9
        assert "<title>Topic model of 120 documents</title>" in page
        assert "shown by their most frequent words" in page
        for unit, details in enumerate(corpus.units):
            shares = {group.name: group.share for group in details.groups}
            on = model.transform(matrix.counts)[:, unit]
            for place, label in enumerate(LABELS):
                assert shares[label] == pytest.approx(float(on[place::3].mean()), abs=1e-5)

    def test_documents_of_the_page_are_those_of_the_sample(self, model, matrix):
        corpus = describe_corpus(model, ReportSource.of_counts(matrix), max_documents=30, method="t-SNE")
        data = decode(corpus.documents.payload)
        rows = corpus.statistics.sample
        assert data["titles"] == [matrix.ids[row] for row in rows]
        assert data["labels"] == [corpus.labels.codes[row] for row in rows]
        assert len(data["x"]) == len(data["units"]) == 30
        on = model.transform(matrix.counts[rows])
        assert [each[::2] for each in data["units"]] == [
            np.argsort(-row, kind="stable")[: int((row > 0.5).sum())].tolist() for row in on
        ]
        assert "random sample of 30 of 120 documents" in " ".join(render(model, corpus).split())

    @pytest.mark.parametrize("settings", [
        {"prior": "mixture", "themes": 3}, {"units": (3, 2)}, {"units": (1,)}, {"recognition_hidden": (8,)},
        {"recipe": "binary"},
    ])  # fmt: skip
    def test_every_kind_of_model(self, block_counts, settings):
        counts = (block_counts > 0).astype(np.int64) if settings.get("recipe") == "binary" else block_counts
        fitted = docnvil.fit(counts, docnvil.Settings(**{"units": (3,), "epochs": 5, "batch_size": 20, **settings}))
        corpus = describe_corpus(fitted, ReportSource.of_counts(matrix_of(counts)), method="t-SNE")
        page = render(fitted, corpus)
        noun = fitted.network.generative.visible.document_noun
        assert f"Topic model of 120 {noun}s</h1>" in page
        assert (decode(corpus.documents.payload)["themes"] is not None) == ("themes" in settings)

    @pytest.mark.parametrize("n_documents", [1, 3])
    def test_few_documents_and_no_labels(self, model, block_counts, n_documents):
        matrix = matrix_of(block_counts[:n_documents])
        corpus = describe_corpus(model, ReportSource.of_counts(matrix))
        assert corpus.labels is corpus.dates is None
        assert f"{n_documents} document" in render(model, corpus)

    def test_a_corpus_without_known_words_is_refused(self, model):
        matrix = matrix_of(np.zeros((4, 15), int))
        with pytest.raises(CorpusError, match="No document has a word"):
            describe_corpus(model, ReportSource.of_counts(matrix))

    def test_excerpts_are_shortened_to_keep_the_page_small(self, model, matrix, monkeypatch):
        whole = describe_corpus(model, ReportSource.of_counts(matrix), method="t-SNE").documents
        monkeypatch.setattr("docnvil.report.documents.MAX_BYTES", len(whole.payload) - 1)
        less = describe_corpus(model, ReportSource.of_counts(matrix), method="t-SNE").documents
        assert less.excerpt_length < whole.excerpt_length == 300


@pytest.fixture(scope="module")
def folder(model, matrix, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    docnvil.save(model, folder / "model")
    save_npz(folder / "counts.npz", matrix.counts)
    return folder


class TestCommand:
    def test_counts_give_a_page_and_json(self, folder, tmp_path):
        out = tmp_path / "page.html"
        result = run("report", folder / "model", folder / "counts.npz", "--out", out, "--json", "--documents", 50)
        summary = json.loads(result.stdout)
        assert summary["documents"] == 120
        assert summary["documents_shown"] == 50
        assert summary["bytes"] == out.stat().st_size
        assert summary["perplexity"]["low"] < summary["perplexity"]["value"] < summary["perplexity"]["high"]
        assert "Map of documents ..." in result.stderr

    @pytest.mark.parametrize(
        ("arguments", "status", "message"),
        [
            (["--by", "label"], 2, "--by needs a CORPUS"),
            (["--documents", 7], 2, "--documents needs a CORPUS"),
            (["counts.npz", "--by", "label"], 1, "no metadata columns, so there is no column 'label'"),
            (["counts.npz", "--over", "date"], 1, "Leave out --over"),
            (["missing.npz"], 1, "There is nothing at"),
            (["counts.npz", "--documents", 0], 2, "0 is not in the range"),
        ],
    )
    def test_errors_say_what_to_do(self, folder, tmp_path, monkeypatch, arguments, status, message):
        monkeypatch.chdir(folder)
        result = run("report", folder / "model", *arguments, "--out", tmp_path / "page.html", status=status)
        assert message in unescape(result.stderr)
        assert not (tmp_path / "page.html").exists()


def test_dates_of_pandas_are_days_since_1970():
    groups = choose_dates({"date": ["1970-01-02", "1970-01-03"]})
    assert isinstance(groups, Groups)
    assert groups.values.tolist() == [1.0, 2.0]
    assert pd.Timestamp(groups.names[0]) == pd.Timestamp("1970-01-02")
