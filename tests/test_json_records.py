"""JSON arrays, token lists, missing values, nested keys and joined columns; and compressed files."""

import bz2
import gzip
import json
import lzma
import pickle
import tracemalloc
import zipfile
from pathlib import Path

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from text_data import write_jsonl

from docnvil.errors import CorpusError
from docnvil.text.counts import count_words
from docnvil.text.documents import SourceOptions, detect_format, read_documents
from docnvil.text.reading_report import ReadingReport
from docnvil.text.tokens import TokenRules, tokenize

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=3), values, max_size=3),
    max_leaves=6,
)


def read(path: Path, content: str | None = None, **options: object) -> tuple[list[tuple[str, str]], list[str]]:
    if content is not None:
        path.write_text(content, encoding="utf-8")
    report = ReadingReport()
    documents = list(read_documents(path, SourceOptions(**options), report))
    return [(document.id, document.text) for document in documents], report.messages()


def test_missing_and_whole_numbers_of_metadata(tmp_path):
    rows = [
        {"id": 1.0, "text": "cats", "year": float("nan"), "share": 0.5, "large": 1e300, "is": True},
        {"id": 2, "text": "dogs", "year": 1999.0, "share": 2, "large": 2**70, "is": None},
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    first, second = read_documents(path)
    assert (first.id, second.id) == ("1", "2")
    assert first.metadata == {"year": "", "share": "0.5", "large": "1e+300", "is": "true"}
    assert second.metadata == {"year": "1999", "share": "2", "large": str(2**70), "is": ""}
    frame = pandas.DataFrame({"id": [1, 2], "text": ["cats", "dogs"], "year": [None, 1999]})
    assert dict(count_words(frame, min_df=1, max_df=1.0).metadata) == {"year": ("", "1999")}


def test_an_id_that_is_nan_is_missing(tmp_path):
    with pytest.raises(CorpusError, match="line 1 has no id"):
        read(tmp_path / "a.jsonl", '{"id": NaN, "text": "cats"}\n')


def test_a_column_is_joined_once(tmp_path):
    content = "title,text\ncats,purr\n"
    for columns in ("title,text,title", "1,2,title", "title,text,2"):
        assert read(tmp_path / "a.csv", content, text_column=columns)[0] == [("1", "cats\npurr")]


class TestArrays:
    ROWS = ({"id": 1, "text": "cats purr"}, {"id": 2, "text": "dogs bark"})

    @pytest.mark.parametrize("indent", [None, 1])
    @pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.ndjson"])
    @pytest.mark.parametrize("before", ["", "\n \n", "\ufeff"])
    def test_arrays_of_objects(self, tmp_path, name, indent, before):
        content = before + json.dumps(self.ROWS, indent=indent)
        assert read(tmp_path / name, content) == ([("1", "cats purr"), ("2", "dogs bark")], [])

    def test_what_pandas_writes(self, tmp_path):
        frame = pandas.DataFrame({"id": ["a", "b"], "text": ["cats", None]})
        for options in (
            {"orient": "records"},
            {"orient": "records", "lines": True},
            {"orient": "records", "indent": 2},
        ):
            frame.to_json(tmp_path / "a.json", **options)
            documents, (message,) = read(tmp_path / "a.json")
            assert documents == [("a", "cats"), ("b", "")]
            assert "1 document has no text" in message
        frame.to_json(tmp_path / "a.json")
        with pytest.raises(CorpusError, match=r"an object in the column 'text'.*orient='records'"):
            read(tmp_path / "a.json")

    def test_arrays_of_strings_are_texts(self, tmp_path):
        assert read(tmp_path / "a.json", '["cats purr", "dogs"]')[0] == [("1", "cats purr"), ("2", "dogs")]

    @pytest.mark.parametrize("content", ["", "[]", " [ ] \n"])
    def test_empty_arrays(self, tmp_path, content):
        assert read(tmp_path / "a.json", content) == ([], [])

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ('[\n{"text": "a"},\n{"text": "b"\n', "line 3 is not valid"),
            ('[\n{"text": "a"}\n{"text": "b"}]', "line 3 is not valid in a JSON array .expected a comma"),
            ('[{"text": "a"},\n{"text": b}]', "line 2 is not valid"),
            ('[{"text": "a"}]\n["b"]', "line 2 is not valid .* follows its end"),
            ('["a"]\n["b"]\n', "line 2 is not valid"),
            ('[{"text": "a"},\n\n3]', "line 3 has 3 in the array"),
            ('[{"text": "a"},', "is not valid"),
            ("[" * 100_000, "not valid"),
        ],
    )
    def test_malformed_arrays_are_refused_with_the_line(self, tmp_path, content, message):
        with pytest.raises(CorpusError, match=message):
            read(tmp_path / "a.json", content)

    @given(
        rows=st.lists(st.dictionaries(st.text(max_size=3), JSON, max_size=3), max_size=5), indent=st.none() | st.just(1)
    )
    def test_streaming_gives_what_the_json_module_gives(self, tmp_path_factory, rows, indent):
        from docnvil.text import json_records

        rows = [{**row, "text": str(number)} for number, row in enumerate(rows)]
        path = tmp_path_factory.mktemp("json") / "a.json"
        path.write_text(json.dumps(rows, indent=indent), encoding="utf-8")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(json_records, "_BLOCK", 3)
            records = [record for _, record in json_records.read_json(path, SourceOptions(), ReadingReport())]
        assert records == rows

    def test_memory_does_not_grow_with_the_array(self, tmp_path):
        path = tmp_path / "a.json"
        with path.open("w") as file:
            file.write("[" + ", ".join(json.dumps({"text": f"cats {number} " * 20}) for number in range(40_000)) + "]")
        assert path.stat().st_size > 8_000_000
        tracemalloc.start()
        assert sum(1 for _ in read_documents(path)) == 40_000
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2_000_000


class TestValues:
    def test_missing_texts(self, tmp_path):
        content = '{"id":1,"text":"cats purr"}\n{"id":2,"text":NaN}\n{"id":3,"text":null}\n{"id":4,"text":"NA"}\n'
        documents, (message,) = read(tmp_path / "a.jsonl", content)
        assert documents == [("1", "cats purr"), ("2", ""), ("3", ""), ("4", "NA")]
        assert "2 documents have no text" in message
        assert "a.jsonl, lines 2, 3" in message

    def test_token_lists_are_read_as_tokens(self, tmp_path):
        content = '{"id": 1, "text": ["cats", "purr"]}\n{"id": 2, "text": ["dogs"]}\n{"id": 3, "text": []}\n'
        assert read(tmp_path / "a.jsonl", content)[0] == [("1", "cats\npurr"), ("2", "dogs"), ("3", "")]

    @pytest.mark.parametrize("options", [{}, {"tokenizer": "whitespace"}, {"token_pattern": "[a-z]+"}])
    def test_tokens_are_not_split_and_the_other_rules_apply(self, tmp_path, options):
        rows = [{"text": ["New York", "covid-19", "New York", "the", "x", ",", "1990", "Été"]}, {"text": "new york"}]
        path = write_jsonl(tmp_path / "a.jsonl", rows)
        matrix = count_words(read_documents(path), rules=TokenRules(**options), min_df=1, max_df=1.0)
        counts = dict(zip(matrix.vocabulary.words, matrix.counts.toarray()[0].tolist(), strict=True))
        assert {word: count for word, count in counts.items() if count} == {"new york": 2, "covid-19": 1, "été": 1}
        first, second = pickle.loads(pickle.dumps(list(read_documents(path))))
        assert tokenize(first.text, TokenRules(**options)) == ["new york", "covid-19", "new york", "été"]
        assert tokenize(second.text, TokenRules(**options)) == ["new", "york"]

    def test_nested_keys(self, tmp_path):
        articles = [{"body": "cats", "no": 7, "by": {"name": "ann"}}, {"body": None, "no": 8, "by": {"name": "bob"}}]
        content = "".join(json.dumps({"article": article}) + "\n" for article in articles)
        options = {"text_column": "article.body", "id_column": "article.no", "label_column": "article.by.name"}
        assert read(tmp_path / "a.jsonl", content, **options)[0] == [("7", "cats"), ("8", "")]
        with pytest.raises(CorpusError, match=r"no column 'article\.text' for the text\. Its columns are article"):
            read(tmp_path / "a.jsonl", text_column="article.text")
        assert read(tmp_path / "b.jsonl", '{"article.body": "cats"}', text_column="article.body")[0] == [("1", "cats")]

    @pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
    def test_several_columns_are_joined(self, tmp_path, name):
        rows = [{"title": "Cats", "body": "purr", "year": "1"}, {"title": "Dogs", "body": None, "year": "2"}]
        rows.append({"title": None, "body": None, "year": "3"})
        frame = pandas.DataFrame(rows)
        content = (
            frame.to_json(orient="records", lines=True) if name == "a.jsonl" else frame.to_csv(index=False, na_rep="NA")
        )
        documents, (message,) = read(tmp_path / name, content, text_column="title,body")
        assert [text for _, text in documents] == ["Cats\npurr", "Dogs", ""]
        assert "1 document has no text" in message
        (document, *_) = read_documents(tmp_path / name, SourceOptions(text_column="title, body"))
        assert document.metadata == {"year": "1"}

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ('{"data": [{"text": "a"}]}', "write the list in 'data' to a file of its own"),
            ('{"text": ["a", 1]}', "a list in the column 'text' whose items are not all strings"),
            ('{"text": 3}', "3 in the column 'text', which is not a string"),
        ],
    )
    def test_other_values_are_refused_with_the_remedy(self, tmp_path, content, message):
        with pytest.raises(CorpusError, match=message):
            read(tmp_path / "a.json", content)

    @pytest.mark.parametrize(
        ("content", "format"),
        [('{"text": "a"}\n', "jsonl"), ("id\ttext\n1\ta\n", "tsv"), ('"text";"id"\n', "csv"), ("id,Text\n", "csv")],
    )
    def test_lines_that_look_like_another_format_are_reported(self, tmp_path, content, format):
        (message,) = read(tmp_path / "a.txt", content)[1]
        assert message.endswith(f"Pass --format {format}.")
        assert read(tmp_path / "a.txt", "The text, as I said, is about cats.\n")[1] == []

    def test_a_column_may_have_a_comma_in_its_name(self, tmp_path):
        assert read(tmp_path / "a.csv", '"a,b",c\ncats,x\n', text_column="a,b")[0] == [("1", "cats")]


class TestCompression:
    CONTENT = b'{"id": "a", "text": "cats"}\n{"id": "b", "text": "dogs"}\n'

    def pack(self, path: Path) -> Path:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("inner/posts.jsonl", self.CONTENT)
                archive.writestr("__MACOSX/._posts.jsonl", b"\x00")
        elif path.suffix == ".zst":
            zstandard = pytest.importorskip("zstandard")
            path.write_bytes(b"".join(map(zstandard.compress, (self.CONTENT[:20], self.CONTENT[20:]))))
        else:
            path.write_bytes({".gz": gzip, ".bz2": bz2, ".xz": lzma}[path.suffix].compress(self.CONTENT))
        return path

    @pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.bz2", "a.jsonl.xz", "a.jsonl.zst", "a.zip"])
    def test_compressed_files_are_unpacked(self, tmp_path, name):
        path = self.pack(tmp_path / name)
        assert detect_format(path) == "jsonl"
        assert read(path)[0] == [("a", "cats"), ("b", "dogs")]

    @pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.bz2", "a.jsonl.xz", "a.jsonl.zst", "a.zip"])
    @pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"no" + b[2:20]])
    def test_damaged_files_are_refused(self, tmp_path, name, damage):
        path = self.pack(tmp_path / name)
        path.write_bytes(damage(path.read_bytes()))
        with pytest.raises(CorpusError, match=rf"{name} (cannot be (unpacked|read)|is )"):
            read(path)

    def test_archives_of_several_files_are_refused(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("a.txt", "a")
            archive.writestr("b.txt", "b")
        with pytest.raises(CorpusError, match=r"a\.zip contains 2 files \(a\.txt, b\.txt\), not one\. Unpack it"):
            read(tmp_path / "a.zip")
