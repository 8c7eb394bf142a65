"""The evaluation commands: results, intervals, files of values, and errors."""

import gzip
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from commands import run
from scipy.sparse import csr_array, load_npz, save_npz, vstack
from test_commands import QUICK
from text_data import rows_of, write_jsonl

import docnvil
from docnvil.analysis.bootstrap import bootstrap_intervals
from docnvil.analysis.clustering import compare_clusters, strongest_unit
from docnvil.analysis.coherence import diversity, npmi, single_list_share
from docnvil.analysis.completion import evaluate_completion, split_words
from docnvil.analysis.perplexity import document_bounds
from docnvil.analysis.retrieval import classify, cosine, hamming, retrieve
from docnvil.runtime.randomness import stream
from docnvil.training.fitted_model import FittedModel

WORDS = [f"w{word:02d}" for word in range(12)]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty training and twenty test documents on two subjects of six words, with labels and a vocabulary file."""
    folder = tmp_path_factory.mktemp("counts")
    save_npz(folder / "train.npz", csr_array(block_counts(60)))
    test = block_counts(20, seed=1)
    test[3] = 0
    save_npz(folder / "test.npz", csr_array(test))
    (folder / "vocabulary.txt").write_text("".join(f"{word}\n" for word in WORDS))
    np.save(folder / "train.npy", np.arange(60) % 2)
    np.save(folder / "test.npy", np.arange(20) % 2)
    return folder


def block_counts(n_documents: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    counts = np.zeros((n_documents, 12), dtype=np.int64)
    for row in range(n_documents):
        subject = 6 * (row % 2)
        counts[row, subject : subject + 6] = generator.multinomial(15, np.full(6, 1 / 6))
    return counts


@pytest.fixture(scope="module")
def model(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fitted") / "model"
    words = ("--vocabulary", corpus / "vocabulary.txt")
    run("fit", corpus / "train.npz", "--out", path, *words, *QUICK, "--epochs", 60)
    return path


def run_json(*arguments: object) -> dict:
    return json.loads(run(*arguments, "--json").stdout)


def test_perplexity_names_its_bound_and_samples(model, corpus):
    results = {
        bound: run_json("perplexity", model, corpus / "test.npz", "--bound", bound, "--temperatures", 5)
        for bound in ("elbo", "importance", "annealed", "exact")
    }
    settings = {bound: (each["bound"], each["samples"], each["temperatures"]) for bound, each in results.items()}
    assert settings == {
        "elbo": ("elbo", 10, 0),
        "importance": ("importance", 10, 0),
        "annealed": ("annealed", 10, 5),
        "exact": ("exact", 0, 0),
    }
    exact = results.pop("exact")["log_likelihood"]
    assert all(each["log_likelihood"] < exact + 1 for each in results.values())  # up to the error of ten samples
    text = run("perplexity", model, corpus / "test.npz", "--bound", "annealed", "--temperatures", 5).stdout
    assert "annealed bound, 10 samples, 5 temperatures" in text
    assert (
        "tokens (1 empty left out); exact" in run("perplexity", model, corpus / "test.npz", "--bound", "exact").stdout
    )


def test_results_of_perplexity_agree_with_each_other(model, corpus):
    result = run_json("perplexity", model, corpus / "test.npz")
    assert (result["documents"], result["empty_documents"], result["tokens"]) == (19, 1, 285)
    assert result["reconstruction"] - result["kl"] == pytest.approx(result["log_likelihood"])
    assert result["perplexity_per_word"] == pytest.approx(np.exp(-result["log_likelihood"] / 285))
    assert result["unigram_perplexity_per_word"] == pytest.approx(12, abs=0.5)
    text = run("perplexity", model, corpus / "test.npz").stdout
    assert f"log-likelihood           {result['log_likelihood']:,.1f} nats" in text
    assert "from 19 documents with 285 tokens" in text


def test_options_of_perplexity_reach_the_bound_and_the_interval(model, corpus):
    fitted, test = docnvil.load(model), csr_array(load_npz(corpus / "test.npz"))
    bounds = document_bounds(fitted.network, test, bound="annealed", n_samples=3, temperatures=4, seed=7)
    intervals = bootstrap_intervals(bounds.log_likelihood, bounds.lengths, 0.8, seed=7)
    options = ("--bound", "annealed", "--samples", 3, "--temperatures", 4, "--seed", 7, "--interval", 0.8)
    result = run_json("perplexity", model, corpus / "test.npz", *options)
    assert result.pop("interval")["perplexity_per_word"] == pytest.approx(intervals.perplexity_per_word)
    for name, value in asdict(bounds.summarize()).items():
        assert result[name] == (value if isinstance(value, str) else pytest.approx(value)), name


def test_options_of_completion_reach_the_split_and_the_samples(model, corpus):
    fitted, test = docnvil.load(model), csr_array(load_npz(corpus / "test.npz"))
    parts = split_words(test, 0.4, stream(7, "hidden words"))
    expected = evaluate_completion(fitted.network, *parts, n_samples=6, sweeps=3, seed=7).summarize()
    options = ("--share", 0.4, "--samples", 6, "--sweeps", 3, "--seed", 7)
    result = run_json("completion", model, corpus / "test.npz", *options)
    assert (result["samples"], result["sweeps"]) == (6, 3)
    for name, value in asdict(expected).items():
        assert result[name] == pytest.approx(value), name


def test_exact_perplexity_of_too_many_units_fails(corpus, tmp_path):
    run("fit", corpus / "train.npz", "--out", tmp_path / "m", "--units", "21", "--epochs", 1)
    arguments = ("perplexity", tmp_path / "m", corpus / "test.npz", "--bound", "exact")
    run(*arguments, status=1, stderr=("at most 20", "annealed"))


@pytest.mark.parametrize("command", ["perplexity", "completion"])
def test_intervals_contain_the_perplexities(model, corpus, command):
    result = run_json(command, model, corpus / "test.npz", "--interval", 0.9)
    interval = result["interval"]
    assert (interval["share"], interval["resamples"]) == (0.9, 2000)
    for name in ("perplexity_per_document", "perplexity_per_word"):
        low, high = interval[name]
        assert low < result[name] < high
    text = run(command, model, corpus / "test.npz", "--interval", 0.9).stdout
    for name in ("perplexity_per_document", "perplexity_per_word"):
        low, high = interval[name]
        assert f"{result[name]:.2f}   (0.9 interval {low:.2f} to {high:.2f})" in text
    run(command, model, corpus / "test.npz", "--interval", 95, status=2, stderr="--interval")


def test_values_of_documents_add_up_to_the_result(model, corpus, tmp_path):
    out = tmp_path / "documents.csv"
    result = run_json("perplexity", model, corpus / "test.npz", "--out", out)
    rows = rows_of(out)
    assert list(rows[0]) == ["id", "words", "log_likelihood", "reconstruction", "kl", "perplexity", "empty"]
    assert [row["id"] for row in rows] == [str(number) for number in range(1, 21)]
    assert [row["id"] for row in rows if row["empty"] == "1"] == ["4"]
    assert (rows[3]["words"], rows[3]["perplexity"], float(rows[3]["log_likelihood"])) == ("0", "", 0.0)
    for name in ("log_likelihood", "reconstruction", "kl"):
        assert sum(float(row[name]) for row in rows) == pytest.approx(result[name], rel=1e-12)
    logs = [np.log(float(row["perplexity"])) for row in rows if row["empty"] == "0"]
    assert np.exp(np.mean(logs)) == pytest.approx(result["perplexity_per_document"], rel=1e-4)


def test_completion_writes_a_row_for_each_document(model, corpus, tmp_path):
    out = tmp_path / "documents.csv"
    result = run_json("completion", model, corpus / "test.npz", "--out", out)
    rows = rows_of(out)
    assert list(rows[0]) == ["id", "words", "log_likelihood", "perplexity", "empty"]
    assert len(rows) == 20
    assert sum(int(row["words"]) for row in rows) == result["tokens"]
    assert sum(int(row["empty"]) for row in rows) == result["skipped"]
    assert sum(float(row["log_likelihood"]) for row in rows) == pytest.approx(result["log_likelihood"])


def test_completion_takes_two_parts_or_splits_documents(model, corpus, tmp_path):
    result = run_json("completion", model, corpus / "test.npz", "--share", 0.5)
    assert (result["documents"], result["skipped"]) == (19, 1)
    assert 1 < result["perplexity_per_word"] < 20
    counts = np.random.default_rng(0).integers(0, 3, size=(5, 12))
    parts = tmp_path / "observed.npz", tmp_path / "held-out.npz"
    for path in parts:
        save_npz(path, csr_array(counts))
    text = run("completion", model, parts[0], "--predict", parts[1]).stdout
    assert f"from {counts.sum()} held-out tokens of 5 documents" in text
    save_npz(parts[1], csr_array(counts[:4]))
    run("completion", model, parts[0], "--predict", parts[1], status=1, stderr="row by row")


@pytest.mark.parametrize("command", ["perplexity", "completion"])
def test_an_existing_file_is_replaced_with_force_only(model, corpus, tmp_path, command):
    (tmp_path / "d.csv").write_text("existing")
    arguments = (command, model, corpus / "test.npz", "--out", tmp_path / "d.csv")
    run(*arguments, status=1, stderr=("already exists", "--force"))
    assert (tmp_path / "d.csv").read_text() == "existing"
    run(*arguments, "--force")
    assert len(rows_of(tmp_path / "d.csv")) == 20


def test_topics_print_one_line_per_live_unit_and_one_for_the_dead(model, monkeypatch):
    statistics = FittedModel.topics
    for dead in ([], [2], [0, 1, 3], [0, 1, 2, 3]):

        def some_dead(fitted, *arguments, dead=dead):
            return [replace(topic, dead=topic.unit in dead) for topic in statistics(fitted, *arguments)]

        monkeypatch.setattr(FittedModel, "topics", some_dead)
        heading, *lines = run("topics", model, "--words", 3).stdout.splitlines()
        assert heading == "unit   share  words"
        units = run_json("topics", model, "--words", 3)["units"]
        assert [(unit["unit"], unit["dead"]) for unit in units] == [(number, number in dead) for number in range(4)]
        live = [unit for unit in units if not unit["dead"]]
        if dead:
            assert lines.pop().endswith(
                f"dead unit{'s' * (len(dead) > 1)}, the same for all documents: {str(dead)[1:-1]}"
            )
            assert not lines.pop()
        for line, unit in zip(lines, live, strict=True):
            assert 0 < len(unit["words"]) <= 3
            assert line.startswith(f"{unit['unit']:4d}  {unit['share']:6.1%}  {' '.join(unit['words'])}")


def test_many_dead_units_are_counted(model, monkeypatch):
    statistics = FittedModel.topics

    def many_dead(fitted, *arguments):
        first = statistics(fitted, *arguments)[0]
        names = {1: "owls"}
        return [first, *(replace(first, unit=n, dead=True, name=names.get(n)) for n in range(1, 1500))]

    monkeypatch.setattr(FittedModel, "topics", many_dead)
    lines = run("topics", model).stdout.splitlines()
    assert len(lines) == 4
    numbers = "owls, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 1,489 more"
    assert lines[-1] == f"1,499 dead units, the same for all documents: {numbers}"


@pytest.mark.parametrize(("measure", "heading"), [("npmi", "  NPMI"), ("npmi_exact", "exact NPMI")])
def test_the_coherence_of_topics_has_a_column(model, corpus, measure, heading):
    lines = run("topics", model, "--coherence", corpus / "train.npz", "--measure", measure).stdout.splitlines()
    assert lines[0] == f"unit   share  {heading}  words"
    first = run_json("topics", model, "--coherence", corpus / "train.npz", "--measure", measure)["units"][0]
    assert lines[1][14:].startswith(f"{first[measure]:>{len(heading)}.3f}  {first['words'][0]}")


def test_coherence_is_that_of_the_words_of_its_unit(model, corpus):
    live = [topic for topic in docnvil.load(model).topics(4) if not topic.dead]
    paths = corpus / "train.npz", corpus / "test.npz"
    expected = npmi([topic.words for topic in live], csr_array(vstack([load_npz(path) for path in paths])))
    result = run_json("topics", model, "--words", 4, "--coherence", paths[0], "--coherence", paths[1])
    for topic, value in zip(live, expected, strict=True):
        assert result["units"][topic.unit]["npmi"] == (None if np.isnan(value) else pytest.approx(value))
        assert result["units"][topic.unit]["words"] == [WORDS[word] for word in topic.words]
    assert result["npmi"] == pytest.approx(np.nanmean(expected))
    assert result["diversity"] == pytest.approx(diversity([topic.words for topic in live]))
    assert result["single_list_share"] == pytest.approx(single_list_share([topic.words for topic in live]))
    text = run("topics", model, "--words", 4, "--coherence", paths[0], "--coherence", paths[1]).stdout
    assert f"mean NPMI {result['npmi']:.3f}, diversity {result['diversity']:.3f} (distinct words;" in text
    assert f"listed for one unit only: {result['single_list_share']:.3f})" in text


def test_exact_npmi_is_a_measure(model, corpus, tmp_path):
    """Each document has one word only, so that no two words occur together."""
    save_npz(tmp_path / "alone.npz", csr_array(np.eye(12, dtype=int)))
    arguments = ("topics", model, "--coherence", tmp_path / "alone.npz")
    assert run_json(*arguments, "--measure", "npmi_exact")["npmi_exact"] == -1
    assert run_json(*arguments)["npmi"] > -0.9
    assert "mean exact NPMI -1.000" in run(*arguments, "--measure", "npmi_exact").stdout


def test_topics_of_a_model_without_live_units_have_no_means(corpus, tmp_path):
    options = ("--epochs", 1, "--units", 2, "--learning-rate", "1e-9", "--start", "random")
    run("fit", corpus / "train.npz", "--out", tmp_path / "model", *options)
    result = run_json("topics", tmp_path / "model", "--coherence", corpus / "train.npz")
    assert (result["live_units"], result["npmi"], result["diversity"], result["exclusivity"]) == (0, None, None, None)
    text = run("topics", tmp_path / "model", "--coherence", corpus / "train.npz").stdout
    assert text == "unit   share    NPMI  words\n\n2 dead units, the same for all documents: 0, 1\n"


def test_topics_have_c_v_over_texts(model, corpus, tmp_path):
    rows = block_counts(30)
    texts = "\n".join(" ".join(np.repeat(WORDS, row)) for row in rows)
    (tmp_path / "texts.txt").write_text(texts)
    result = run_json("topics", model, "--coherence", tmp_path / "texts.txt", "--measure", "c_v")
    values = [unit["c_v"] for unit in result["units"] if unit["c_v"] is not None]
    assert result["c_v"] == pytest.approx(np.mean(values))
    assert 0 < result["exclusivity"] <= 1
    assert result["duplicate_units"] == sum(unit["duplicate_of"] is not None for unit in result["units"])
    text = run("topics", model, "--coherence", tmp_path / "texts.txt", "--measure", "c_v").stdout
    assert f"mean C_V {result['c_v']:.3f}" in text
    run("topics", model, "--coherence", corpus / "train.npz", "--measure", "c_v", status=1, stderr="Give the texts")


@pytest.fixture
def labeled(corpus) -> tuple[object, ...]:
    files = ("--train-labels", corpus / "train.npy", "--test-labels", corpus / "test.npy")
    return ("retrieval", corpus / "train.npz", corpus / "test.npz", *files)


def test_retrieval_finds_documents_of_the_same_label(model, labeled):
    command, *rest = labeled
    result = run_json(command, model, *rest)
    for each in result["retrieval"].values():
        assert each["retrieved"] == [1, 2, 4, 8, 10, 16, 32, 60]
        assert each["precision"][-1] == pytest.approx(0.5)
        assert each["recall"][-1] == pytest.approx(1)
        assert (each["queries"], each["skipped"]) == (20, 0)
    assert result["retrieval"]["cosine"]["precision"][0] > 0.8
    assert result["classification"]["accuracy"] > 0.9
    assert result["empty_documents"] == 1
    text = run(command, model, *rest).stdout
    assert "precision at                  1      10" in text
    for name in ("hamming", "cosine"):
        first, tenth = (result["retrieval"][name]["precision"][index] for index in (0, 4))
        assert f"  {name:<21}{first:8.3f}{tenth:8.3f}\n" in text
    assert f"accuracy {result['classification']['accuracy']:.3f}" in text
    test_probabilities = docnvil.load(model).transform(load_npz(rest[1]))
    clustering = compare_clusters(strongest_unit(test_probabilities), np.load(rest[-1]))
    assert list(result["clustering"]) == ["units"]
    assert result["clustering"]["units"] == pytest.approx(asdict(clustering))
    assert f"clusters by units      purity {clustering.purity:.3f}, NMI {clustering.nmi:.3f}" in text


def test_retrieval_searches_the_training_documents(model, corpus, labeled):
    command, *rest = labeled
    fitted = docnvil.load(model)
    train, test = (fitted.transform(csr_array(load_npz(corpus / f"{name}.npz"))) for name in ("train", "test"))
    data = train, np.arange(60) % 2, test, np.arange(20) % 2
    result = run_json(command, model, *rest)
    for similarity in (hamming, cosine):
        expected = retrieve(*data, similarity=similarity, retrieved=[1, 2, 4, 8, 10, 16, 32, 60])
        assert result["retrieval"][similarity.__name__]["precision"] == pytest.approx(expected.precision)
    assert result["classification"] == pytest.approx(asdict(classify(*data)))


def test_labels_come_from_folders_or_metadata(model, tmp_path):
    for name, n_documents in (("train", 20), ("test", 6)):
        rows = []
        for row, counts in enumerate(block_counts(n_documents)):
            folder = tmp_path / name / "ab"[row % 2]
            folder.mkdir(parents=True, exist_ok=True)
            text = " ".join(np.repeat(WORDS, counts))
            (folder / f"{row:02d}.txt").write_text(text)
            rows.append({"text": text, "group": "ab"[row % 2]})
        write_jsonl(tmp_path / f"{name}.jsonl", rows)
        built = tmp_path / f"{name}-corpus"
        run("corpus", "build", tmp_path / f"{name}.jsonl", "--min-df", 1, "--out", built)
    folders = run_json("retrieval", model, tmp_path / "train", tmp_path / "test")
    for ending in (".jsonl", "-corpus"):
        sources = (tmp_path / f"{name}{ending}" for name in ("train", "test"))
        lines = run_json("retrieval", model, *sources, "--label-column", "group")
        assert lines["classification"] == pytest.approx(folders["classification"])
        assert lines["retrieval"]["cosine"]["precision"] == pytest.approx(folders["retrieval"]["cosine"]["precision"])
    missing = ("retrieval", model, tmp_path / "train-corpus", tmp_path / "test-corpus", "--label-column", "other")
    run(*missing, status=1, stderr=("no column 'other'", "group"))


def test_labels_that_do_not_match_the_documents_fail(model, corpus, labeled, tmp_path):
    command, train, test, *files = labeled
    run(command, model, train, test, status=1, stderr=("--label-column", "--train-labels"))
    arguments = (command, model, train, test, *files[:3], corpus / "train.npy")
    run(*arguments, status=1, stderr=("20 labels", "one per document"))
    (tmp_path / "labels.npy").write_text("sea\nfood\n")
    run(command, model, train, test, *files[:3], tmp_path / "labels.npy", status=1, stderr="numpy.save")
    np.save(tmp_path / "other.npy", np.full(20, 7))
    run(command, model, train, test, *files[:3], tmp_path / "other.npy", status=1, stderr="use the same labels")


# Errors


@pytest.mark.parametrize("command", ["perplexity", "completion"])
def test_empty_documents_or_counts_of_another_width_fail(model, tmp_path, command):
    save_npz(tmp_path / "empty.npz", csr_array((5, 12), dtype=np.int64))
    run(command, model, tmp_path / "empty.npz", "--out", tmp_path / "d.csv", status=1, stderr="empty")
    save_npz(tmp_path / "wide.npz", csr_array(np.ones((5, 13), dtype=np.int64)))
    run(command, model, tmp_path / "wide.npz", "--out", tmp_path / "d.csv", status=1, stderr=("13", "12"))
    assert not (tmp_path / "d.csv").exists()


def test_unknown_words_are_counted_and_ignored(model, tmp_path):
    (tmp_path / "known.txt").write_text("w01 w02 w03\n")
    (tmp_path / "mixed.txt").write_text("w01 w02 w03 zebra\n")
    known, mixed = (run_json("perplexity", model, tmp_path / f"{name}.txt") for name in ("known", "mixed"))
    assert (known["unknown_tokens"], mixed["unknown_tokens"]) == (0, 1)
    assert mixed["perplexity_per_word"] == known["perplexity_per_word"]
    assert run_json("completion", model, tmp_path / "mixed.txt", "--share", 0.9)["unknown_tokens"] == 1
    text = run("completion", model, tmp_path / "mixed.txt", "--share", 0.9).stdout
    assert "1 token (25%) is not in the model's vocabulary and was ignored." in text
    (tmp_path / "unknown.txt").write_text("zebra quagga okapi\n")
    for command in ("perplexity", "completion"):
        run(command, model, tmp_path / "unknown.txt", status=1, stderr=("No word of", '"okapi"', 'such as "w00"'))


def test_parts_of_different_documents_fail(model, tmp_path):
    for name, ids in (("observed", "ab"), ("hidden", "ba")):
        write_jsonl(tmp_path / f"{name}.jsonl", ({"id": each, "text": "w01 w02"} for each in ids))
    parts = ("completion", model, tmp_path / "observed.jsonl", "--predict", tmp_path / "hidden.jsonl")
    run(*parts, status=1, stderr=("Row 1 is document 'a'", "row by row"))


def test_a_split_without_held_out_words_fails(model, tmp_path):
    save_npz(tmp_path / "single.npz", csr_array(np.eye(2, 12, dtype=np.int64)))
    run("completion", model, tmp_path / "single.npz", "--share", 1e-9, status=1, stderr="nothing to predict")
    save_npz(tmp_path / "nothing.npz", csr_array((2, 12), dtype=np.int64))
    parts = ("completion", model, tmp_path / "single.npz", "--predict", tmp_path / "nothing.npz")
    run(*parts, status=1, stderr="empty")


def test_lack_of_memory_is_reported_without_a_traceback(model, corpus):
    run("completion", model, corpus / "test.npz", "--samples", 2_000_000_000, status=1, stderr="Out of memory")


def test_gzipped_text_without_known_words_fails(model, tmp_path):
    with gzip.open(tmp_path / "new.txt.gz", "wt", encoding="utf-8") as file:
        file.write("completely unknown things\n")
    arguments = ("perplexity", model, tmp_path / "new.txt.gz")
    run(*arguments, status=1, stderr='the documents have "completely", "unknown", "things"')
