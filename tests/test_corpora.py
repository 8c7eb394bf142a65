"""Tests of the recipes in corpora/, run as commands, and of the recovery of RCV1's counts."""

import doctest
import gzip
import importlib.util
import json
import os
import pickle
import subprocess
import sys
import zlib
from pathlib import Path

import joblib
import numpy as np
import pytest
from scipy import sparse
from sklearn.utils import Bunch

from docnvil.errors import CorpusError

ROOT = Path(__file__).parents[1]
CORPORA = ROOT / "corpora"
DATA = Path(os.environ.get("DOCNVIL_DATA", ROOT.parent / "shared" / "data"))


def run_recipe(name, *arguments, **environment):
    return subprocess.run(
        [sys.executable, str(CORPORA / name / "recipe.py"), *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        timeout=300,
    )


def load(path):
    spec = importlib.util.spec_from_file_location(f"corpora_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look up their module
    spec.loader.exec_module(module)
    return module


def read_lines(path):
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


lyrl = load(CORPORA / "rcv1" / "lyrl.py")
recovery = load(CORPORA / "rcv1" / "recovery.py")
cleaning = load(CORPORA / "python-api" / "cleaning.py")
selection = load(CORPORA / "python-api" / "selection.py")


# --- python-api ------------------------------------------------------------------------------------------------------


def test_python_api_output_does_not_depend_on_hash_seed_or_locale(tmp_path):
    outs = [tmp_path / "a.jsonl.gz", tmp_path / "b.jsonl.gz"]
    environments = [{"PYTHONHASHSEED": "1", "LC_ALL": "C"}, {"PYTHONHASHSEED": "2", "LC_ALL": "C.UTF-8"}]
    for out, environment in zip(outs, environments, strict=True):
        result = run_recipe("python-api", "--packages", "click,nltk", "--out", out, **environment)
        assert result.returncode == 0, result.stderr
        assert "documents from 2 packages: click " in result.stdout
        assert "not compared: some packages were left out" in result.stdout
    assert outs[0].read_bytes() == outs[1].read_bytes()

    documents = read_lines(outs[0])
    assert {document["label"] for document in documents} == {"click", "nltk"}
    assert len({document["id"] for document in documents}) == len({document["text"] for document in documents})
    assert len(documents) > 900
    assert not any(line.startswith(">>>") for document in documents for line in document["text"].splitlines())
    assert any(document["id"] == "click.Command" for document in documents)
    assert all(document["id"].startswith(document["module"]) for document in documents)


def test_python_api_reports_an_unknown_package(tmp_path):
    result = run_recipe("python-api", "--packages", "click,numbly", "--out", tmp_path / "x.gz")
    assert result.returncode == 2
    assert "numbly is not a package of this corpus. Choose from: click, nltk," in " ".join(result.stderr.split())
    assert list(tmp_path.iterdir()) == []


def test_python_api_does_not_overwrite_a_file(tmp_path):
    out = tmp_path / "kept.jsonl.gz"
    out.write_text("mine")
    result = run_recipe("python-api", "--packages", "click", "--out", out)
    assert result.returncode == 1
    assert "--force" in result.stderr
    assert out.read_text() == "mine"


@pytest.mark.slow
def test_python_api_matches_expected_json(tmp_path):
    result = run_recipe("python-api", "--out", tmp_path / "all.jsonl.gz", PYTHONHASHSEED="7")
    assert result.returncode == 0, result.stderr
    expected = json.loads((CORPORA / "python-api" / "expected.json").read_text())
    assert f"{sum(expected['documents'].values()):,} documents from 7 packages" in result.stdout
    assert "(as expected with constraints.txt)" in result.stdout


def test_expected_json_has_the_versions_of_constraints_txt():
    expected = json.loads((CORPORA / "python-api" / "expected.json").read_text())
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    assert expected["versions"] == {package: pinned[package] for package in expected["versions"]}


@pytest.mark.parametrize(
    ("docstring", "blocks"),
    [
        ("add(x, y, *, out=None) -> Tensor\n\nAdds two numbers.", ["Adds two numbers."]),
        ("One.\n\n>>> f(1)\n2\n\nTwo.", ["One.", "Two."]),
        ("Like this::\n\n    x = f(y)\n\nand on.", ["Like this: and on."]),
        ("Sum.\n\n.. math::\n   x + y\n\nOf :math:`x` and more.", ["Sum.", "Of and more."]),
        ("See :class:`~a.b.Thing` and :ref:`the guide <guide>` [1]_.", ["See Thing and the guide ."]),
        (".. note::\n   Mind this.\n\n.. versionadded:: 1.2\n   Not that.", ["Mind this."]),
        ("Returns\n-------\nndarray\n    The answer.", ["The answer."]),
        ("A\n\nParameters\n----------\naxis : int, optional\n    The axis.", ["axis The axis."]),
        ("Args:\n    dim (int, optional): the dimension", ["dim the dimension"]),
        (":param s: The text.\n:type s: str", ["s The text."]),
        ("Sum.\n\nReferences\n----------\n.. [1] A. Author, Book.\n\nNotes\n-----\nEnd it.", ["Sum.", "End it."]),
    ],
)
def test_docstrings_become_prose(docstring, blocks):
    assert [block for block in cleaning.clean(docstring) if len(block) > 1] == blocks


def test_the_doctest_of_cleaning_passes():
    assert doctest.testmod(cleaning) == (0, 1)


def entries(*texts):
    return [selection.Entry("p", "p.m", f"p.m.f{number}", tuple(text)) for number, text in enumerate(texts)]


def test_repeated_blocks_are_removed_even_if_they_contain_the_object_name():
    unique = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"]
    documents = entries(*([f"f{number} has support for backends.", word] for number, word in enumerate(unique)))
    assert all(len(entry.blocks) == 1 for entry in selection.remove_repeated_blocks(documents))
    assert all(len(entry.blocks) == 2 for entry in selection.remove_repeated_blocks(documents[:5]))


def test_the_first_of_near_copies_is_kept_for_any_chunk_size():
    words = [f"word{number}" for number in range(20)]
    documents = entries([" ".join(words)], ["something else entirely"], [" ".join(words[:16])], [" ".join(words[:15])])
    for chunk_size in (1, 2, 512):
        selected = selection.remove_near_copies(documents, chunk_size=chunk_size)
        # Document 3 is a near copy of document 2 only, and is dropped although document 2 is dropped too.
        assert [entry.name for entry in selected] == ["p.m.f0", "p.m.f1"]


# --- 20newsgroups ----------------------------------------------------------------------------------------------------


def test_newsgroups_without_a_network_explains_what_to_do(tmp_path):
    out = tmp_path / "out" / "news.jsonl.gz"
    result = run_recipe(
        "20newsgroups", "--out", out, "--data-home", tmp_path / "home",
        https_proxy="http://127.0.0.1:9", HTTPS_PROXY="http://127.0.0.1:9",
    )  # fmt: skip
    assert result.returncode == 1
    message = " ".join(result.stderr.split())
    assert "could not be downloaded from https://ndownloader.figshare.com/files/5975967" in message
    assert "pass --data-home" in message
    assert "Traceback" not in message
    assert not out.parent.exists()


def test_newsgroups_reads_a_data_home(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    groups = ["alt.atheism", "sci.space"]
    cache = {
        split: Bunch(
            data=[f"Subject: {split}\n\nThe moon is far.", "Subject: é\n\nNo."],
            target=np.array([1, 0]),
            target_names=groups,
            filenames=np.array([f"/x/20news-bydate-{split}/sci.space/7", f"/x/20news-bydate-{split}/alt.atheism/9"]),
        )
        for split in ("train", "test")
    }
    (home / "20news-bydate_py3.pkz").write_bytes(zlib.compress(pickle.dumps(cache)))
    out = tmp_path / "news.jsonl.gz"
    result = run_recipe("20newsgroups", "--out", out, "--data-home", home, "--remove", "headers")
    assert result.returncode == 0, result.stderr
    assert "4 documents from 2 groups: train 2 (expected 11,314), test 2 (expected 7,532)" in result.stdout
    assert read_lines(out)[1] == {
        "id": "sci.space/7", "group": "sci.space", "split": "train", "text": "The moon is far."
    }  # fmt: skip
    assert [line["split"] for line in read_lines(out)] == ["train", "train", "test", "test"]


# --- rcv1 ------------------------------------------------------------------------------------------------------------


def ltc(counts, n_reference, dtype):
    """Return the weights of LYRL2004 (section 7), computed directly from the definition."""
    counts = sparse.csr_array(counts)
    df = np.bincount(counts[:n_reference].indices, minlength=counts.shape[1])
    weights = (1 + np.log(counts.data)) * np.log(n_reference / df[counts.indices])
    weights = sparse.csr_array((weights, counts.indices, counts.indptr), shape=counts.shape)
    norms = np.sqrt(weights.multiply(weights).sum(axis=1))
    weights.data /= np.repeat(norms, np.diff(counts.indptr))
    return weights.astype(dtype)


def synthetic_counts(n_documents=300, n_terms=80, seed=0):
    generator = np.random.default_rng(seed)
    counts = generator.geometric(0.4, (n_documents, n_terms)) * (generator.random((n_documents, n_terms)) < 0.15)
    counts[-1] = 0  # an empty document
    counts[-2] *= 2  # the smallest count is 2
    counts[-2, :2] = 2, 7
    counts[-3] = 0
    counts[-3, :3] = 1  # equal counts: the true ones could be any multiple
    counts[-4, 5] = 900
    return sparse.csr_array(counts.astype(np.int32))


def with_ones_where_equal(counts):
    """Return the counts, with ones in documents whose terms all occur equally often: these cannot be recovered."""
    counts = sparse.csr_array(counts, copy=True)
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    largest, smallest = (
        getattr(counts, extreme)(axis=1, explicit=True).toarray().ravel() for extreme in ("max", "min")
    )
    counts.data[(largest == smallest)[rows]] = 1
    return counts


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_counts_are_recovered_from_weights(dtype):
    counts = synthetic_counts()
    recovered = recovery.recover_counts(ltc(counts, 200, dtype), 200, chunk_size=70)
    assert recovered.dtype == np.int32
    np.testing.assert_array_equal(recovered.toarray(), counts.toarray())
    assert counts.shape[0] - 3 in recovery.ambiguous_rows(recovered)


def test_documents_with_equal_counts_get_ones():
    counts = synthetic_counts().tolil()
    counts[7] = 0
    counts[7, [1, 2, 3]] = 4
    recovered = recovery.recover_counts(ltc(counts.tocsr(), 200, np.float64), 200).toarray()
    assert recovered[7].max() == 1
    assert set(np.flatnonzero(recovered[7])) == {1, 2, 3}


def test_wrong_reference_documents_are_reported():
    weights = ltc(synthetic_counts(), 200, np.float64)
    with pytest.raises(CorpusError, match="are not integers"):
        recovery.recover_counts(weights, 150)
    with pytest.raises(CorpusError, match="does not occur in the reference documents"):
        recovery.recover_counts(weights, 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_counts_of_real_documents_are_recovered(dtype):
    path = DATA / "ng20_sh2009" / "train.npz"
    if not path.exists():
        pytest.skip(f"{path} is absent; set DOCNVIL_DATA to the folder that holds ng20_sh2009")
    counts = sparse.csr_array(sparse.load_npz(path))
    recovered = recovery.recover_counts(ltc(counts, 8000, dtype), 8000)
    assert (recovered != with_ones_where_equal(counts)).nnz == 0


LYRL = """.I 2286
.W
recov recov recov excit
mexic

.I 2287
.W
mexic

.I 2290
.W
excit excit rare
"""


def test_token_files_become_counts(tmp_path):
    (tmp_path / "a.dat").write_text(LYRL)
    with gzip.open(tmp_path / "b.dat.gz", "wt") as file:
        file.write(".I 2300\n.W\nmexic mexic mexic\n")
    arguments = ["--lyrl", tmp_path / "a.dat", "--lyrl", tmp_path / "b.dat.gz", "--vocabulary-size", 3, "--test", 1]
    result = run_recipe("rcv1", *arguments, "--out", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    assert "3 of 4 terms, 11 tokens; documents: counts 4, train 3, test 1" in result.stdout

    out = tmp_path / "out"
    assert (out / "vocabulary.txt").read_text().split() == ["mexic", "recov", "excit"]
    assert (out / "counts.ids.txt").read_text().split() == ["2286", "2287", "2290", "2300"]
    counts = sparse.load_npz(out / "counts.npz")
    assert counts.dtype == np.int32
    np.testing.assert_array_equal(counts.toarray(), [[1, 3, 1], [1, 0, 0], [0, 0, 2], [3, 0, 0]])
    train, test = ((out / f"{part}.ids.txt").read_text().split() for part in ("train", "test"))
    assert sorted(train + test) == ["2286", "2287", "2290", "2300"]
    assert sparse.load_npz(out / "test.npz").shape == (1, 3)


def test_invalid_token_files_are_reported(tmp_path):
    path = tmp_path / "a.dat"
    path.write_text("2286 1:0.3\n")
    with pytest.raises(CorpusError, match="not a token file of LYRL2004"):
        lyrl.count_tokens([path])
    path.write_text("")
    with pytest.raises(CorpusError, match="contain no documents"):
        lyrl.count_tokens([path])
    path.write_text(LYRL)
    with pytest.raises(CorpusError, match=r"Document 2286 of .* occurs twice"):
        lyrl.count_tokens([path, path])


def test_fetched_vectors_become_counts(tmp_path):
    counts = synthetic_counts(n_documents=23_149 + 51, n_terms=40)
    home = tmp_path / "home" / "RCV1"
    home.mkdir(parents=True)
    fetched = {
        "samples": sparse.csr_matrix(ltc(counts, 23_149, np.float64)),
        "sample_id": np.arange(2286, 2286 + counts.shape[0], dtype=np.uint32),
        "sample_topics": sparse.csr_matrix((counts.shape[0], 1), dtype=np.uint8),
        "topics_names": np.array(["C15"], dtype=object),
    }
    for name, value in fetched.items():
        joblib.dump(value, home / f"{name}_py3.pkl")
    (tmp_path / "terms.map.txt").write_text("".join(f"stem{number} {number} 1.5\n" for number in range(1, 41)))

    arguments = ["--data-home", home.parent, "--terms", tmp_path / "terms.map.txt", "--vocabulary-size", 10]
    result = run_recipe("rcv1", *arguments, "--out", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    assert "Recovered the counts of 23,200 documents (expected 804,414)" in result.stdout
    written = sparse.load_npz(tmp_path / "out" / "counts.npz")
    columns = [int(stem[4:]) - 1 for stem in (tmp_path / "out" / "vocabulary.txt").read_text().split()]
    expected = with_ones_where_equal(counts).toarray()
    assert expected.sum(axis=0)[columns].tolist() == sorted(expected.sum(axis=0), reverse=True)[:10]
    np.testing.assert_array_equal(written.toarray(), expected[:, columns])
