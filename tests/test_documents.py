import csv
import gzip
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from text_data import anything

from docnvil.errors import ConfigurationError, CorpusError, MissingDependencyError
from docnvil.text.documents import Document, SourceOptions, detect_format, read_documents


def read_all(path: Path, **options: str) -> list[Document]:
    return list(read_documents(path, SourceOptions(**options)))


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.txt", "lines"),
        ("a.TXT.GZ", "lines"),
        ("a.jsonl", "jsonl"),
        ("a.ndjson.gz", "jsonl"),
        ("a.csv", "csv"),
        ("a.tsv.gz", "tsv"),
        ("a.parquet", "parquet"),
        ("a.npz", "npz"),
        ("a.mtx.gz", "mtx"),
        ("docword.kos.txt.gz", "uci"),
        ("a.ldac", "ldac"),
        ("a.lda-c.gz", "ldac"),
        ("a.svm", "svmlight"),
        ("a.libsvm", "svmlight"),
        ("a.svmlight.gz", "svmlight"),
    ],
)
def test_format_follows_from_the_name(tmp_path, name, expected):
    assert detect_format(write(tmp_path / name, "")) == expected


def test_folder_with_texts(tmp_path):
    assert detect_format(tmp_path) == "folder"


def test_folder_with_a_prepared_corpus(tmp_path):
    write(tmp_path / "corpus.json", "{}")
    assert detect_format(tmp_path) == "corpus"


def test_unknown_suffix_is_refused_and_known_ones_are_listed(tmp_path):
    with pytest.raises(CorpusError, match=r"a\.docx.*\.jsonl.*format"):
        detect_format(write(tmp_path / "a.docx", ""))


def test_given_format_takes_precedence_over_the_name(tmp_path):
    assert detect_format(tmp_path / "a.docx", SourceOptions(format="lines")) == "lines"


def test_unknown_format_is_refused():
    with pytest.raises(ConfigurationError, match="jsonl"):
        SourceOptions(format="json")


def test_unknown_encoding_is_refused():
    with pytest.raises(ConfigurationError, match="latin-1"):
        SourceOptions(encoding="utf-9")


@pytest.mark.parametrize("form", ["auto", "folder", "lines", "jsonl", "csv", "tsv", "parquet"])
def test_missing_path_is_refused(tmp_path, form):
    with pytest.raises(CorpusError, match=r"nowhere\.csv"):
        read_all(tmp_path / "nowhere.csv", format=form)


@pytest.mark.parametrize("form", ["lines", "jsonl", "csv", "parquet"])
def test_folder_is_refused_where_a_file_is_needed(tmp_path, form):
    with pytest.raises(CorpusError, match="is a folder"):
        read_all(tmp_path, format=form)


def test_counts_are_refused_as_texts(tmp_path):
    with pytest.raises(CorpusError, match="contains counts"):
        read_all(write(tmp_path / "a.mtx", ""))


class TestFolder:
    def test_visible_files_are_documents_sorted_by_path_and_labeled_by_subfolder(self, tmp_path):
        for name in ("b/2.txt", "a/x/1", "c.md", ".hidden", ".git/config", "a/.DS_Store"):
            write(tmp_path / name, f"text of {name}")
        assert read_all(tmp_path) == [
            Document("a/x/1", "text of a/x/1", {"label": "a"}),
            Document("b/2.txt", "text of b/2.txt", {"label": "b"}),
            Document("c.md", "text of c.md", {}),
        ]

    def test_gzipped_files_are_unpacked(self, tmp_path):
        write(tmp_path / "a.txt.gz", "packed")
        assert read_all(tmp_path) == [Document("a.txt.gz", "packed")]

    def test_folder_without_visible_files_is_refused(self, tmp_path):
        write(tmp_path / ".hidden", "")
        with pytest.raises(CorpusError, match="has no files"):
            read_all(tmp_path)

    def test_file_in_another_encoding_is_refused_by_name(self, tmp_path):
        write(tmp_path / "a.txt", "fine")
        write(tmp_path / "b.md", b"\x89tude")
        with pytest.raises(CorpusError, match=r"b\.md is not utf-8 \(byte 0x89 at 0\).*pass encoding"):
            read_all(tmp_path)

    def test_column_options_are_refused(self, tmp_path):
        write(tmp_path / "a.txt", "fine")
        with pytest.raises(ConfigurationError, match="id_column"):
            read_all(tmp_path, id_column="key")


class TestLines:
    @pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
    def test_every_line_is_a_document_including_blank_ones(self, tmp_path, name):
        documents = read_all(write(tmp_path / name, "one\n\r\nthree \n\nfive"))
        assert [(document.id, document.text) for document in documents] == [
            ("1", "one"),
            ("2", ""),
            ("3", "three "),
            ("4", ""),
            ("5", "five"),
        ]

    @pytest.mark.parametrize("offset", [0, 1, 8191, 8192, 65535, 65536, 200_001])
    @pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
    def test_invalid_byte_is_named_with_its_offset(self, tmp_path, name, offset):
        path = write(tmp_path / name, b"a" * offset + b"\xe9tude")
        with pytest.raises(CorpusError, match=rf"not utf-8 \(byte 0xe9 at {offset}\)"):
            read_all(path)
        assert read_all(path, encoding="latin-1")[0].text.endswith("étude")

    def test_offset_counts_the_byte_order_mark_and_bytes_of_characters(self, tmp_path):
        path = write(tmp_path / "a.txt", b"\xef\xbb\xbf" + "ä".encode() * 40_000 + b"\xff")
        with pytest.raises(CorpusError, match=r"byte 0xff at 80003"):
            read_all(path)

    def test_byte_order_mark_is_skipped(self, tmp_path):
        assert read_all(write(tmp_path / "a.txt", b"\xef\xbb\xbfone"))[0].text == "one"

    def test_other_encodings(self, tmp_path):
        path = write(tmp_path / "a.txt", "Grüße\nzwei".encode("utf-16"))
        assert [document.text for document in read_all(path, encoding="utf-16")] == ["Grüße", "zwei"]

    def test_utf_16_is_recognized_in_the_error(self, tmp_path):
        path = write(tmp_path / "a.txt", "one\ntwo\n".encode("utf-16"))
        with pytest.raises(CorpusError, match=r"not utf-8 .* Pass encoding utf-16"):
            read_all(path)

    def test_text_in_another_encoding_than_the_given_one_is_refused(self, tmp_path):
        with pytest.raises(CorpusError, match="not utf-16"):
            read_all(write(tmp_path / "b.txt", b"odd"), encoding="utf-16")

    @pytest.mark.parametrize("damage", [lambda b: b[:-9], lambda b: b"no" + b, lambda b: b[:40] + b"\x00" + b[41:]])
    def test_damaged_gzip_file_is_refused(self, tmp_path, damage):
        path = tmp_path / "a.txt.gz"
        path.write_bytes(damage(gzip.compress(bytes(range(32, 120)) * 9)))
        with pytest.raises(CorpusError, match=r"a\.txt\.gz cannot be unpacked"):
            read_all(path)

    def test_documents_are_read_lazily(self, tmp_path):
        path = write(tmp_path / "a.txt", b"good\n" * 50_000 + b"\xff")
        assert next(read_documents(path)).text == "good"


class TestJsonLines:
    def test_columns_and_metadata(self, tmp_path):
        rows = [
            {"id": 7, "text": "one", "year": 1999, "ok": True, "tags": ["a"], "topic": "sun"},
            {"id": "b", "text": None, "year": None, "topic": None},
        ]
        path = write(tmp_path / "a.jsonl.gz", "\n\n".join(map(json.dumps, rows)) + "\n")
        first, second = read_all(path, label_column="topic")
        assert first == Document("7", "one", {"topic": "sun", "year": "1999", "ok": "true"})
        assert list(first.metadata) == ["topic", "year", "ok"]
        assert second == Document("b", "", {"topic": "", "year": ""})

    def test_ids_are_row_numbers_without_an_id_column(self, tmp_path):
        path = write(tmp_path / "a.jsonl", '{"text": "a"}\n\n{"text": "b"}\n')
        assert [document.id for document in read_all(path)] == ["1", "2"]

    def test_duplicate_ids_are_kept(self, tmp_path):
        path = write(tmp_path / "a.jsonl", '{"id": "x", "text": "a"}\n{"id": "x", "text": "b"}\n')
        assert [(document.id, document.text) for document in read_all(path)] == [("x", "a"), ("x", "b")]

    def test_ids_are_row_numbers_with_an_empty_id_column_option(self, tmp_path):
        path = write(tmp_path / "a.jsonl", '{"id": "x", "text": "a"}\n{"id": "x", "text": "b"}\n')
        assert [(document.id, document.metadata["id"]) for document in read_all(path, id_column="")] == [
            ("1", "x"),
            ("2", "x"),
        ]

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ('{"text": "b"', "line 2 is not JSON"),
            ("[" * 100_000, "line 2 is not JSON"),
            ('["b"]', "line 2 is not a JSON object"),
            ('{"text": "b"}', "line 2 has no column 'id'.*id_column"),
            ('{"text": 3, "id": "2"}', "line 2 has 3 in the column 'text'.*not a string"),
            ('{"text": "b", "id": ""}', "line 2 has no id"),
            ('{"text": "b", "id": null}', "line 2 has no id"),
            ('{"text": "b", "id": [2]}', "line 2 has no id"),
        ],
    )
    def test_invalid_line_is_named(self, tmp_path, line, message):
        path = write(tmp_path / "a.jsonl", f'{{"text": "a", "id": "1"}}\n{line}\n')
        with pytest.raises(CorpusError, match=message):
            read_all(path)

    def test_missing_label_column_is_refused(self, tmp_path):
        path = write(tmp_path / "a.jsonl", '{"text": "a"}\n')
        with pytest.raises(CorpusError, match=r"no column 'topic' for the label.*label_column"):
            read_all(path, label_column="topic")

    def test_lone_surrogates_become_question_marks(self, tmp_path):
        path = write(tmp_path / "a.jsonl", '{"text": "caf\\ud800", "id": "\\udfff", "x": "\\ud801"}\n')
        assert read_all(path) == [Document("\\udfff", "caf?", {"x": "?"})]


class TestCsvAndTsv:
    def test_quoted_fields(self, tmp_path):
        path = write(tmp_path / "a.csv", 'id,text,topic\r\n1,"a ""b""\n, c",sun\r\n\r\n2,,\r\n')
        assert read_all(path) == [Document("1", 'a "b"\n, c', {"topic": "sun"}), Document("2", "", {"topic": ""})]

    def test_tabs_and_given_columns(self, tmp_path):
        path = write(tmp_path / "a.tsv.gz", "key\tbody\nx\ta, b\n")
        assert read_all(path, text_column="body", id_column="key") == [Document("x", "a, b")]

    def test_fields_may_be_longer_than_the_limit_of_the_csv_module(self, tmp_path):
        path = write(tmp_path / "a.csv", "text\n" + "a" * 300_000)
        assert len(read_all(path)[0].text) == 300_000

    def test_the_limit_of_the_csv_module_is_unchanged_while_and_after_reading(self, tmp_path):
        limit = csv.field_size_limit()
        documents = read_documents(write(tmp_path / "a.csv", "text\na\nb\n"))
        next(documents)
        assert csv.field_size_limit() == limit
        list(documents)
        assert csv.field_size_limit() == limit

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", "no header"),
            ("text,text\na,b\n", "same name"),
            ("id,text\n1,a\n2,b,c\n", "line 3 has 3 fields"),
            ("id,text\n1,a\n2\n", "line 3 has 1 field, but the header names 2 columns"),
            ('id,text\n1,"a\n', "line 2 cannot be read"),
            ('id,text\n1,"a" b\n', "line 2 cannot be read"),
            ("id,body\n1,a\n", "no column 'text' for the text. Its columns are id, body"),
            (",".join(map(str, range(22))) + "\n" + ",".join("x" * 22) + "\n", "18, 19 and 2 more; choose"),
        ],
    )
    def test_malformed_file_is_refused(self, tmp_path, content, message):
        with pytest.raises(CorpusError, match=message):
            read_all(write(tmp_path / "a.csv", content))

    @given(texts=st.lists(anything, min_size=1))
    def test_reading_returns_what_the_csv_module_wrote(self, tmp_path_factory, texts):
        path = tmp_path_factory.mktemp("csv") / "a.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL)
            writer.writerows([["text"], *([text] for text in texts)])
        assert [document.text for document in read_all(path, na_values="none")] == texts


class TestParquet:
    def test_columns_and_metadata(self, tmp_path):
        pyarrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        topics = pyarrow.array(["sun", None]).dictionary_encode()
        table = pyarrow.table({"text": ["one", None], "topic": topics, "year": [1, 2], "tags": [["a"], []]})
        parquet.write_table(table, tmp_path / "a.parquet")
        assert read_all(tmp_path / "a.parquet") == [
            Document("1", "one", {"topic": "sun", "year": "1"}),
            Document("2", "", {"topic": "", "year": "2"}),
        ]

    def test_text_that_is_not_a_string_is_refused(self, tmp_path):
        pyarrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pyarrow.table({"text": [1.5]}), tmp_path / "a.parquet")
        with pytest.raises(CorpusError, match=r"row 1 has 1\.5 .* Quote it"):
            read_all(tmp_path / "a.parquet")

    def test_bytes_are_refused_with_the_remedy(self, tmp_path):
        pyarrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pyarrow.table({"text": [b"sail"]}), tmp_path / "a.parquet")
        with pytest.raises(CorpusError, match=r"b'sail' .* Decode the column to strings"):
            read_all(tmp_path / "a.parquet")

    def test_other_content_is_refused(self, tmp_path):
        pytest.importorskip("pyarrow")
        with pytest.raises(CorpusError, match="as Parquet"):
            read_all(write(tmp_path / "a.parquet", "PAR1, but not really"))

    def test_missing_pyarrow_is_named_with_its_install_command(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(MissingDependencyError, match=r"pip install 'docnvil\[parquet\]'"):
            read_all(write(tmp_path / "a.parquet", ""))
