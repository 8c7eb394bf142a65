"""Tables of the quality benchmarks, from results of the form that the benchmarks write."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder from which tables read their results."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import common

    monkeypatch.setattr(common, "RESULTS", tmp_path)
    yield tmp_path
    quality = (f"quality.{name}" for name in ("tables", "newsgroups_tables", "explanation_tables"))
    for name in ("common", "peers", "ng20", "evaluation_corpora", *quality):
        sys.modules.pop(name, None)


def save(folder: Path, name: str, values: dict[str, Any]) -> None:
    machine = {"cores": 2, "processor": "test", "torch": "2"}
    (folder / f"{name}.json").write_text(json.dumps({"command": "run", "machine": machine, **values}))


def test_newsgroups_has_a_table_for_each_layer_and_the_gain_of_the_units(results):
    from quality.newsgroups_tables import SOFTMAX, TABLES

    common = {
        **dict.fromkeys(("npmi", "diversity"), 0.5),
        "importance_samples": 100,
        "importance_weighted_per_document": 350,
        "fit_wall_seconds": 9,
    }
    dm = {
        **{"perplexity_per_document": 250, "completion_per_word": 200, "completion_per_document": 210},
        **{"unigram_per_document": 1000, "unigram_completion_per_word": 800, "unigram_completion_per_document": 810},
        **{"no_units_per_document": 500, "no_units_completion_per_word": 400, "no_units_completion_per_document": 410},
        **{"cluster_purity": 0.5, "cluster_nmi": 0.4, "precision_at_100_hamming": 0.3, "precision_at_100_cosine": 0.2},
    }
    mean = {"recipe default": common | dm, SOFTMAX: common | dm | {"perplexity_per_document": 600}}
    lda = {
        **{"fit_wall_seconds": 20.0, "cluster_purity": 0.1, "cluster_nmi": 0.2},
        **{"completion_per_word": 300, "completion_per_document": 310},
        **{"cached_completion_per_word": 220, "cached_completion_per_document": 230},
        "by relevance": {"npmi": 0.3, "diversity": 0.9},
    }
    runs = [{"model": name, "perplexity_per_document": each["perplexity_per_document"]} for name, each in mean.items()]
    save(
        results,
        "newsgroups",
        {"mean": mean, "runs": runs, "peers": {"tomotopy LDA": lda}, "seconds": {"tomotopy LDA": 20.4}},
    )
    main, softmax, gain, labels = (TABLES[f"newsgroups{suffix}"]() for suffix in ("", "-softmax", "-gain", "-labels"))
    assert "| **docnvil**, recipe default | **250** " in main
    assert "| same layer, no units | 500 | 400 | 410 |" in main
    assert "| tomotopy LDA |  | 300 | 310 | 0.30 | 0.90 | 20 |" in main
    assert "| tomotopy LDA + cache |  | 220 | 230 |" in main
    assert "| word frequencies only | 1000 | 800 | 810 |" in main
    assert "600" not in main
    assert "**600**" in softmax
    assert "as published | 909 |" in softmax
    assert "250" not in softmax
    assert "gains 50% and the units 50% in perplexity (1,000 to 500 to 250 per document)" in gain
    assert "| docnvil, recipe default | 0.500 | 0.400 | 0.300 | 0.200 |" in labels
    assert "| tomotopy LDA | 0.100 | 0.200 |  |  |" in labels


def test_other_corpora_has_quotients_with_intervals(results):
    from quality.tables import TABLES

    def quotient(value: float) -> dict[str, Any]:
        interval = [value - 0.01, value + 0.01]
        return {
            f"per_{unit}{suffix}": each
            for unit in ("word", "document")
            for suffix, each in (("", value), ("_interval", interval))
        }

    completion = {"completion_per_word": 200, "completion_per_document": 210, "npmi": 0.3, "diversity": 0.8}
    docnvil = [
        {
            **{"model": "docnvil", "seed": seed, "live_units": 48, "fit_wall_seconds": 10, "bound_per_document": 250},
            "bound_relative_to_no_units": quotient(0.8),
            "completion_relative_to": {"lda": quotient(0.9), "lda_with_cache": quotient(0.94 + 0.02 * seed)},
            **completion,
        }
        for seed in (0, 1)
    ]
    lda = {
        **{"model": "tomotopy-lda", "seed": 0, "topics": 50, "fit_wall_seconds": 10, **completion},
        **{"cached_completion_per_word": 190, "cached_completion_per_document": 195},
    }
    null = {"completion_per_word": 900, "completion_per_document": 910}
    corpus = {"train_documents": 10, "test_documents": 5, "words": 99, "tokens_per_document": 7.2}
    rows = {**corpus, "unigram": null, "no_units": null, "rows": [lda, *docnvil]}
    save(results, "other_corpora", {"units": 50, "corpora": {"kos": rows}})
    table = TABLES["other-corpora"]()
    assert "**Daily Kos**: 10 training documents of 7 tokens on average" in table
    assert "| tomotopy-lda + cache | 1 |  |  | 190 | 195 |" in table
    assert (
        "| docnvil | 2 | 250 | 0.800 (0.790 to 0.810) | 200 | 210 | 0.900 (0.890 to 0.910) | 0.950 (0.930 to 0.970)"
        in table
    )


def test_time_to_completion_has_both_targets(results):
    from quality.tables import TABLES

    reached = {"epochs": 2, "wall_seconds": 5.0, "completion_per_word": 800, "time_ratio": 0.1}
    tomotopy = {"seconds": 50.0, "completion_per_word": 816, "cached_completion_per_word": 749}
    run = {"seed": 0, "tomotopy": tomotopy, "docnvil": [reached], "without_cache": reached, "with_cache": None}
    save(results, "time_to_completion", {"runs": [run]})
    table = TABLES["time-to-completion"]()
    assert "| 0 | averaged | 816 | 50.0 | 800 | 2 | 5.0 | 0.10 |" in table
    assert "| 0 | averaged + cache | 749 | 50.0 | not reached | | | |" in table


def test_the_frontier_is_summarized_from_its_points(results):
    from quality.tables import TABLES

    def point(completion: float, npmi: float) -> dict[str, float]:
        return {"completion_per_word": completion, "npmi": npmi}

    layers = {"softmax": {"0": point(700, 0.5), "1": point(810, 0.5)}, "dirichlet-multinomial": {"0": point(820, 0.3)}}
    peers = {"tomotopy-lda": point(816, 0.4) | {"cached_completion_per_word": 749}, "sklearn-lda": point(900, 0.1)}
    save(results, "frontier", {"layers": layers, "peers": peers})
    lines = TABLES["frontier-summary"]().splitlines()
    best, cached = "completion is better than that of the best LDA (816 per word)", "that of LDA with a cache (749)"
    higher = "NPMI is higher than LDA's"
    expected = (
        f"- softmax: {best} at every sparsity, completion is better than {cached} at `--sparsity` 0, and {higher}"
    )
    assert lines[0] == f"{expected} at every sparsity."
    assert lines[1].startswith(f"- dirichlet-multinomial: {best} at no sparsity,")
    assert lines[1].endswith(f"{higher} at no sparsity.")


def test_retrieval_is_summarized_by_what_is_best_with_the_split_by_date(results):
    from quality.tables import TABLES

    def figures(cosine: list[float], hamming: list[float] | None, accuracy: float) -> dict[str, Any]:
        precision = {"cosine": cosine} | ({} if hamming is None else {"hamming": hamming})
        return {
            "retrieval": {name: {"precision": values} for name, values in precision.items()},
            "classification": {"accuracy": accuracy},
        }

    codes = [
        {"model": "codes", "split": "by date", **figures([0.5, 0.5 + shift, 0.4], [0.4, 0.5, 0.6], 0.6)}
        for shift in (0.0, 0.2)
    ]
    other = {"model": "codes", "split": "random", **figures([0.99] * 3, [0.99] * 3, 0.99)}
    save(
        results, "retrieval", {"rows": [*codes, other], "word_vectors": {"tf-idf": figures([0.7, 0.4, 0.3], None, 0.7)}}
    )
    precision, accuracy, *_ = TABLES["retrieval-summary"]().splitlines()
    assert precision.endswith(
        "at 1, tf-idf by cosine (0.700); at 10, codes by cosine (0.600); at 100, codes by hamming (0.600)."
    )
    assert accuracy == "Highest accuracy: tf-idf (0.700)."


def test_weights_of_search_are_compared_with_the_best_on_training_posts(results):
    from quality.explanation_tables import TABLES

    values = {"0.0": 0.5, "0.3": 0.6, "0.8": 0.7, "1000.0": 0.4}
    save(
        results,
        "search",
        {
            "settings": {"retrieved": 10, "queries": 20, "like_queries": 1000},
            "weights": {"words": 0.3, "like": 0.8},
            "training": {"documents": 9, "words": values, "like": values},
            "test": {"documents": 9, "words": values, "like": values},
        },
    )
    table = TABLES["search"]()
    assert "| two to four words | 0.500 | 0.400 | **0.600** |" in table
    assert "are 0.3 and 0.8; on the training posts, with 20 other queries of words, 0.8 and 0.8 are best." in table


def test_an_evaluated_peer_is_kept(results, monkeypatch, block_counts):
    import peers

    monkeypatch.setattr(peers, "KEPT", results / "kept")
    counts = csr_array(block_counts)
    parts = counts[:80], csr_array(counts[80:]), csr_array(counts[80:])
    first = peers.evaluate_peer("sklearn-lda", *parts, 3, 0)
    monkeypatch.setattr(peers, "fit_peer", None)  # nothing is fitted again
    again = peers.evaluate_peer("sklearn-lda", *parts, 3, 0)
    assert again.measures() == first.measures()
    assert again.words == first.words
    assert np.array_equal(again.clusters, first.clusters)
    with pytest.raises(TypeError):  # another seed
        peers.evaluate_peer("sklearn-lda", *parts, 3, 1)
