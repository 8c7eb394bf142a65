"""Training continued on new documents: what is kept, what is learned, and that it resumes to the same bytes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import run
from interruption import InterruptAfter, Interrupted
from scipy.sparse import csr_array
from text_data import write_jsonl

import docnvil
from docnvil.errors import CheckpointError, ConfigurationError, VocabularyError
from docnvil.estimator import DocNVIL
from docnvil.storage.checkpoints import CheckpointWriter, read_checkpoint
from docnvil.training.continuing import continue_fit, continuing_settings
from docnvil.training.pseudo_documents import sample_like_corpus

SUBJECTS = (["onion", "butter", "garlic", "sauce"], ["mast", "sail", "wind", "keel"], ["goal", "team", "ball", "match"])


def documents(subjects, n_documents: int, seed: int) -> np.ndarray:
    """Documents over fifteen words, five of each subject."""
    generator = np.random.default_rng(seed)
    counts = np.zeros((n_documents, 15), dtype=np.int64)
    for row in range(n_documents):
        subject = subjects[row % len(subjects)]
        counts[row, 5 * subject : 5 * subject + 5] = generator.multinomial(20, np.full(5, 0.2))
    return counts


@pytest.fixture(scope="module")
def model():
    """Trained on the subjects 0 and 1, and one document of 2."""
    counts = np.vstack([documents((0, 1), 120, 0), documents((2,), 1, 1)])
    settings = docnvil.Settings(units=(5,), epochs=60, batch_size=10, validation=0)
    return replace(docnvil.fit(counts, settings), unit_names=("first", *[None] * 4))


def test_new_documents_are_learned_and_old_ones_are_kept(model):
    new, held_out = documents((2,), 80, 2), {"old": documents((0, 1), 40, 3), "new": documents((2,), 40, 4)}
    continued = continue_fit(model, new, epochs=40, validation=0.1)
    before, after = (
        {name: each.evaluate(counts).perplexity_per_document for name, counts in held_out.items()}
        for each in (model, continued)
    )
    assert after["new"] < 0.8 * before["new"]
    assert after["old"] < 1.25 * before["old"]
    forgetful = continue_fit(model, new, epochs=40, validation=0.1, replay=0)
    assert after["old"] < forgetful.evaluate(held_out["old"]).perplexity_per_document


def test_what_is_kept_and_what_is_counted(model):
    new = documents((2,), 30, 2)
    continued = continue_fit(model, new, epochs=2)
    assert continued.unit_names == model.unit_names
    assert continued.vocabulary == model.vocabulary
    assert continued.corpus["documents"] == 151
    assert continued.corpus["tokens"] == model.corpus["tokens"] + new.sum()
    assert continued.statistics.word_frequency == pytest.approx(model.statistics.word_frequency + new.sum(0))
    assert continued.statistics.n_documents == 151
    assert [record["epochs"] for record in continued.continued] == [2]
    assert continued.continued[0]["replayed"] == 30
    again = continue_fit(continued, new, epochs=1, replay=0.5, validation=0.2)
    assert [record["replayed"] for record in again.continued] == [30, 12]  # of 30 documents, 6 are for validation
    assert again.training.learning_rate == continued.training.learning_rate == 0.5 * model.training.learning_rate


def test_continued_models_are_saved_with_their_history(model, tmp_path):
    continued = continue_fit(model, documents((2,), 30, 2), epochs=2)
    docnvil.save(continued, tmp_path / "model")
    assert docnvil.load(tmp_path / "model").continued == continued.continued
    assert len(continued.history) == 2


@pytest.mark.parametrize(
    "value", [None, [3], [{}], [{"documents": -1}], [{"documents": 1, "replayed": 1, "epochs": "x"}]]
)
def test_damaged_records_are_an_error_of_the_folder(model, tmp_path, value):
    from test_model_checks import change_json, seal

    docnvil.save(model, tmp_path / "model")
    change_json(tmp_path / "model" / "model.json", continued=value)
    seal(tmp_path / "model")
    with pytest.raises(CheckpointError, match=r"continued|documents|epochs"):
        docnvil.load(tmp_path / "model")


def test_an_interrupted_run_resumes_to_the_same_parameters(model, tmp_path):
    new, options = documents((2,), 40, 2), {"epochs": 4, "seed": 5}
    whole = continue_fit(model, new, **options)
    with pytest.raises(Interrupted):
        continue_fit(model, new, **options, callbacks=(CheckpointWriter(tmp_path / "c"), InterruptAfter(2)))
    resumed = continue_fit(model, new, **options, resume_from=read_checkpoint(tmp_path / "c"))
    for name, value in whole.network.state_dict().items():
        assert np.array_equal(value, resumed.network.state_dict()[name]), name
    other = docnvil.rename_units(docnvil.drop_units(model, [4]), {0: "other"})
    with pytest.raises(CheckpointError):
        continue_fit(other, new, **options, resume_from=read_checkpoint(tmp_path / "c"))


def test_the_schedule_is_shorter_than_that_of_the_recipe_unless_chosen(model):
    settings = continuing_settings(model, n_documents=100)
    assert settings.values["epochs"] == 25  # the recipe has 100 for so few documents
    assert settings.values["learning_rate"] == pytest.approx(0.005)
    assert settings.values["batch_size"] == 10
    chosen = continuing_settings(model, n_documents=100, epochs=7, learning_rate=0.1, batch_size=None)
    assert [chosen.values[name] for name in ("epochs", "learning_rate", "batch_size")] == [7, 0.1, 10]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"units": (3,)}, ConfigurationError, "units belongs to the model"),
        ({"prior": "factorial"}, ConfigurationError, "prior belongs to the model"),
        ({"start": "random"}, ConfigurationError, "start belongs to the model"),
        ({"nonsense": 3}, ConfigurationError, "does not exist"),
        ({"replay": -1}, ConfigurationError, "replay is -1"),
    ],
)
def test_settings_that_cannot_change_are_refused(model, options, error, message):
    with pytest.raises(error, match=message):
        continue_fit(model, documents((2,), 30, 2), **options)
    with pytest.raises(VocabularyError):
        continue_fit(model, np.ones((5, 3), dtype=int))


def test_an_edited_model_can_be_continued(model):
    edited = docnvil.drop_units(model, [1])
    continued = continue_fit(edited, documents((2,), 30, 2), epochs=2)
    assert continued.network.config.units == (4,)
    assert continued.edits == edited.edits
    assert not any("edited" in text for text in continued.warnings)


def test_sampled_documents_are_like_the_corpus(model):
    sampled = sample_like_corpus(model, 2000, purpose="a test")
    mean = model.corpus["tokens"] / model.corpus["documents"]
    assert sampled.shape == (2000, 15)
    assert sampled.sum() / 2000 == pytest.approx(mean, rel=0.1)
    assert sample_like_corpus(model, 0, purpose="a test").shape == (0, 15)
    assert (sample_like_corpus(model, 50, purpose="a test") != sampled[:50]).nnz == 0


def test_partial_fit_is_fit_and_then_continues(block_counts):
    first, second = block_counts[:80], block_counts[80:]
    estimator = DocNVIL(n_components=3, epochs=20, batch_size=20, validation=0.1, random_state=0)
    assert estimator.partial_fit(first) is estimator
    fitted = DocNVIL(n_components=3, epochs=20, batch_size=20, validation=0.1, random_state=0).fit(first)
    assert np.array_equal(estimator.transform(second), fitted.transform(second))
    estimator.partial_fit(second)
    assert estimator.model_.corpus["documents"] == 120
    assert not np.array_equal(estimator.transform(second), fitted.transform(second))
    again = (
        DocNVIL(n_components=3, epochs=20, batch_size=20, validation=0.1, random_state=0)
        .partial_fit(first)
        .partial_fit(second)
    )
    assert np.array_equal(estimator.transform(second), again.transform(second))
    with pytest.raises(ValueError, match="features"):
        estimator.partial_fit(csr_array(block_counts[:, :7]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with old.jsonl, new.jsonl and a model of the first."""
    path = tmp_path_factory.mktemp("continuing")
    generator = np.random.default_rng(0)
    for name, subjects in (("old", SUBJECTS), ("new", SUBJECTS[1:])):
        rows = [
            {
                "id": f"{name}{row}",
                "text": " ".join([*generator.choice(subjects[row % len(subjects)], 15), f"{name}ish"]),
            }
            for row in range(60)
        ]
        write_jsonl(path / f"{name}.jsonl", rows)
    options = ("--units", "4", "--epochs", 10, "--batch-size", 10, "--max-df", 1.0)
    run("fit", path / "old.jsonl", "--out", path / "model", *options)
    return path


def test_fit_from_a_model_counts_unknown_words_and_keeps_the_vocabulary(folder, tmp_path):
    out = tmp_path / "continued"
    result = run("fit", folder / "new.jsonl", "--from", folder / "model", "--epochs", 3, "--out", out, "--json")
    assert "60 tokens (6%) are not in the model's vocabulary" in " ".join(result.stderr.split())
    values = json.loads(result.stdout)
    assert values["unknown_tokens"] == 60
    assert [record["unknown_tokens"] for record in values["continued"]] == [60]
    assert (out / "vocabulary.txt").read_bytes() == (folder / "model" / "vocabulary.txt").read_bytes()
    other = tmp_path / "other"
    run("fit", folder / "new.jsonl", "--from", folder / "model", "--epochs", 3, "--out", other)
    for name in ("parameters.safetensors", "units.safetensors", "model.json", "history.csv"):
        assert (out / name).read_bytes() == (other / name).read_bytes(), name


def test_a_dry_run_says_the_schedule(folder):
    result = run("fit", folder / "new.jsonl", "--from", folder / "model", "--dry-run", "--json")
    settings = json.loads(result.stdout)["settings"]
    assert (settings["epochs"], settings["learning_rate"], settings["units"]) == (25, 0.005, [4])


@pytest.mark.parametrize(
    ("status", "options", "message"),
    [
        (1, ("--units", "7"), "--units belongs to the model"),
        (1, ("--recipe", "paper"), "--recipe belongs to the model"),
        (2, ("--min-df", "3"), "--min-df belongs to the model of --from"),
        (2, ("--replay", "-1"), "not in the range"),
    ],
)
def test_options_of_the_model_are_refused(folder, tmp_path, status, options, message):
    out = tmp_path / "out"
    run("fit", folder / "new.jsonl", "--from", folder / "model", *options, "--out", out, status=status, stderr=message)
    assert not out.exists()


def test_replay_needs_a_model_and_the_model_is_not_the_output(folder, tmp_path):
    arguments = ("fit", folder / "new.jsonl", "--replay", 1, "--out", tmp_path / "o")
    run(*arguments, status=2, stderr="--replay is for --from only")
    run("fit", folder / "new.jsonl", "--from", folder / "model", "--out", folder / "model", "--force", status=1)
    assert (folder / "model" / "model.json").exists()
