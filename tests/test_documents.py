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


def read(path: Path, **options: str) -> list[Document]:
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
def test_the_name_tells_the_format(tmp_path, name, expected):
    assert detect_format(write(tmp_path / name, "")) == expected


def test_folders_are_texts_or_prepared_corpora(tmp_path):
    assert detect_format(tmp_path) == "folder"
    write(tmp_path / "corpus.json", "{}")
    assert detect_format(tmp_path) == "corpus"


def test_an_unknown_suffix_is_refused_with_those_that_are_known(tmp_path):
    with pytest.raises(CorpusError, match=r"a\.docx.*\.jsonl.*--format"):
        detect_format(write(tmp_path / "a.docx", ""))
    assert detect_format(tmp_path / "a.docx", SourceOptions(format="lines")) == "lines"


def test_unknown_options_are_refused():
    with pytest.raises(ConfigurationError, match="jsonl"):
        SourceOptions(format="json")
    with pytest.raises(ConfigurationError, match="latin-1"):
        SourceOptions(encoding="utf-9")


@pytest.mark.parametrize("form", ["auto", "folder", "lines", "jsonl", "csv", "tsv", "parquet"])
def test_a_missing_path_is_an_error(tmp_path, form):
    with pytest.raises(CorpusError, match=r"nowhere\.csv"):
        read(tmp_path / "nowhere.csv", format=form)


@pytest.mark.parametrize("form", ["lines", "jsonl", "csv", "parquet"])
def test_a_folder_is_no_file(tmp_path, form):
    with pytest.raises(CorpusError, match="is a folder"):
        read(tmp_path, format=form)


def test_counts_are_not_texts(tmp_path):
    with pytest.raises(CorpusError, match="contains counts"):
        read(write(tmp_path / "a.mtx", ""))


class TestFolder:
    def test_files_come_in_order_with_labels(self, tmp_path):
        for name in ("b/2.txt", "a/x/1", "c.md", ".hidden", ".git/config", "a/.DS_Store"):
            write(tmp_path / name, name)
        write(tmp_path / "b/1.txt.gz", "packed")
        found = read(tmp_path)
        assert [document.id for document in found] == ["a/x/1", "b/1.txt.gz", "b/2.txt", "c.md"]
        assert [document.text for document in found] == ["a/x/1", "packed", "b/2.txt", "c.md"]
        assert [dict(document.metadata) for document in found] == [{"label": "a"}, {"label": "b"}, {"label": "b"}, {}]

    def test_an_empty_folder_is_an_error(self, tmp_path):
        write(tmp_path / ".hidden", "")
        with pytest.raises(CorpusError, match="has no files"):
            read(tmp_path)

    def test_a_picture_is_named(self, tmp_path):
        write(tmp_path / "a.txt", "fine")
        write(tmp_path / "b.png", b"\x89PNG\r\n")
        with pytest.raises(CorpusError, match=r"b\.png is not utf-8 \(byte 0x89 at 0\).*--encoding latin-1"):
            read(tmp_path)

    def test_it_has_no_columns(self, tmp_path):
        write(tmp_path / "a.txt", "fine")
        with pytest.raises(CorpusError, match="--id-column"):
            read(tmp_path, id_column="key")


class TestLines:
    @pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
    def test_each_line_is_a_document_blank_ones_too(self, tmp_path, name):
        found = read(write(tmp_path / name, "one\n\r\nthree \n\nfive"))
        assert [(document.id, document.text) for document in found] == [
            ("1", "one"),
            ("2", ""),
            ("3", "three "),
            ("4", ""),
            ("5", "five"),
        ]

    @pytest.mark.parametrize("offset", [0, 1, 8191, 8192, 65535, 65536, 200_001])
    @pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
    def test_a_wrong_byte_is_found(self, tmp_path, name, offset):
        path = write(tmp_path / name, b"a" * offset + b"\xe9tude")
        with pytest.raises(CorpusError, match=rf"not utf-8 \(byte 0xe9 at {offset}\)"):
            read(path)
        assert read(path, encoding="latin-1")[0].text.endswith("étude")

    def test_a_wrong_byte_is_counted_after_the_mark_and_long_characters(self, tmp_path):
        path = write(tmp_path / "a.txt", b"\xef\xbb\xbf" + "ä".encode() * 40_000 + b"\xff")
        with pytest.raises(CorpusError, match=r"byte 0xff at 80003"):
            read(path)

    def test_a_byte_order_mark_is_passed_over(self, tmp_path):
        assert read(write(tmp_path / "a.txt", b"\xef\xbb\xbfone"))[0].text == "one"

    def test_other_encodings(self, tmp_path):
        path = write(tmp_path / "a.txt", "Grüße\nzwei".encode("utf-16"))
        assert [document.text for document in read(path, encoding="utf-16")] == ["Grüße", "zwei"]
        with pytest.raises(CorpusError, match="not utf-16"):
            read(write(tmp_path / "b.txt", b"odd"), encoding="utf-16")

    @pytest.mark.parametrize("damage", [lambda b: b[:-9], lambda b: b"no" + b, lambda b: b[:40] + b"\x00" + b[41:]])
    def test_a_damaged_gzip_file_is_an_error(self, tmp_path, damage):
        path = tmp_path / "a.txt.gz"
        path.write_bytes(damage(gzip.compress(bytes(range(32, 120)) * 9)))
        with pytest.raises(CorpusError, match=r"a\.txt\.gz cannot be unpacked"):
            read(path)

    def test_reading_is_lazy(self, tmp_path):
        path = write(tmp_path / "a.txt", b"good\n" * 50_000 + b"\xff")
        assert next(read_documents(path)).text == "good"


class TestJsonLines:
    def test_columns_and_metadata(self, tmp_path):
        rows = [
            {"id": 7, "text": "one", "year": 1999, "ok": True, "tags": ["a"], "topic": "sun"},
            {"id": "b", "text": None, "year": None, "topic": None},
        ]
        path = write(tmp_path / "a.jsonl.gz", "\n\n".join(map(json.dumps, rows)) + "\n")
        first, second = read(path, label_column="topic")
        assert first == Document("7", "one", {"topic": "sun", "year": "1999", "ok": "true"})
        assert list(first.metadata) == ["topic", "year", "ok"]
        assert second == Document("b", "", {"topic": "", "year": ""})

    def test_rows_are_numbered_where_no_id_is(self, tmp_path):
        path = write(tmp_path / "a.jsonl", '{"text": "a"}\n\n{"text": "b"}\n')
        assert [document.id for document in read(path)] == ["1", "2"]

    def test_repeated_ids_are_kept(self, tmp_path):
        path = write(tmp_path / "a.jsonl", '{"id": "x", "text": "a"}\n{"id": "x", "text": "b"}\n')
        assert [(document.id, document.text) for document in read(path)] == [("x", "a"), ("x", "b")]

    def test_an_empty_id_column_numbers_the_rows(self, tmp_path):
        path = write(tmp_path / "a.jsonl", '{"id": "x", "text": "a"}\n{"id": "x", "text": "b"}\n')
        assert [(document.id, document.metadata["id"]) for document in read(path, id_column="")] == [
            ("1", "x"),
            ("2", "x"),
        ]

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ('{"text": "b"', "line 2 is not JSON"),
            ("[" * 100_000, "line 2 is not JSON"),
            ('["b"]', "line 2 is not a JSON object"),
            ('{"body": "b", "id": "2"}', "line 2 has no column 'text'.*body, id.*--text-column"),
            ('{"text": "b"}', "line 2 has no column 'id'.*--id-column"),
            ('{"text": 3, "id": "2"}', "line 2 has 3 in the column 'text'.*not a string"),
            ('{"text": "b", "id": ""}', "line 2 has no id"),
            ('{"text": "b", "id": null}', "line 2 has no id"),
            ('{"text": "b", "id": [2]}', "line 2 has no id"),
        ],
    )
    def test_a_wrong_line_is_named(self, tmp_path, line, message):
        path = write(tmp_path / "a.jsonl", f'{{"text": "a", "id": "1"}}\n{line}\n')
        with pytest.raises(CorpusError, match=message):
            read(path)

    def test_a_missing_label_is_an_error(self, tmp_path):
        path = write(tmp_path / "a.jsonl", '{"text": "a"}\n')
        with pytest.raises(CorpusError, match=r"no column 'topic' for the label.*--label-column"):
            read(path, label_column="topic")

    def test_lone_surrogates_do_not_come_through(self, tmp_path):
        path = write(tmp_path / "a.jsonl", '{"text": "caf\\ud800", "id": "\\udfff", "x": "\\ud801"}\n')
        assert read(path) == [Document("?", "caf?", {"x": "?"})]


class TestSeparated:
    def test_quoted_fields(self, tmp_path):
        path = write(tmp_path / "a.csv", 'id,text,topic\r\n1,"a ""b""\n, c",sun\r\n\r\n2,,\r\n')
        assert read(path) == [Document("1", 'a "b"\n, c', {"topic": "sun"}), Document("2", "", {"topic": ""})]

    def test_tabs_and_other_columns(self, tmp_path):
        path = write(tmp_path / "a.tsv.gz", "key\tbody\nx\ta, b\n")
        assert read(path, text_column="body", id_column="key") == [Document("x", "a, b")]

    def test_long_fields(self, tmp_path):
        path = write(tmp_path / "a.csv", "text\n" + "a" * 300_000)
        assert len(read(path)[0].text) == 300_000

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", "no header"),
            ("text,text\na,b\n", "same name"),
            ("id,text\n1,a\n2,b,c\n", "line 3 has 3 fields"),
            ("id,text\n1,a\n2\n", "line 3 has 1 fields"),
            ('id,text\n1,"a\n', "line 2 cannot be read"),
            ('id,text\n1,"a" b\n', "line 2 cannot be read"),
            ("id,body\n1,a\n", "no column 'text' for the text. Its columns are id, body"),
        ],
    )
    def test_what_is_wrong_is_named(self, tmp_path, content, message):
        with pytest.raises(CorpusError, match=message):
            read(write(tmp_path / "a.csv", content))

    @given(texts=st.lists(anything, min_size=1))
    def test_what_the_csv_module_writes_is_read_back(self, tmp_path_factory, texts):
        import csv

        path = tmp_path_factory.mktemp("csv") / "a.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL)
            writer.writerows([["text"], *([text] for text in texts)])
        assert [document.text for document in read(path)] == texts


class TestParquet:
    def test_columns_and_metadata(self, tmp_path):
        pyarrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        topics = pyarrow.array(["sun", None]).dictionary_encode()
        table = pyarrow.table({"text": ["one", None], "topic": topics, "year": [1, 2], "tags": [["a"], []]})
        parquet.write_table(table, tmp_path / "a.parquet")
        assert read(tmp_path / "a.parquet") == [
            Document("1", "one", {"topic": "sun", "year": "1"}),
            Document("2", "", {"topic": "", "year": "2"}),
        ]

    def test_a_text_that_is_no_string(self, tmp_path):
        pyarrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pyarrow.table({"text": [1.5]}), tmp_path / "a.parquet")
        with pytest.raises(CorpusError, match=r"row 1 has 1\.5"):
            read(tmp_path / "a.parquet")

    def test_no_parquet(self, tmp_path):
        pytest.importorskip("pyarrow")
        with pytest.raises(CorpusError, match="as Parquet"):
            read(write(tmp_path / "a.parquet", "PAR1, but not really"))

    def test_without_pyarrow(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(MissingDependencyError, match=r"pip install 'docnvil\[parquet\]'"):
            read(write(tmp_path / "a.parquet", ""))


def test_common_slips_of_tables_and_encodings_are_named(tmp_path):
    (tmp_path / "exported.csv").write_text("id;text\n1;one\n2;two\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="separated by semicolons"):
        list(read_documents(tmp_path / "exported.csv"))
    (tmp_path / "notes.txt").write_text("one\ntwo\n", encoding="utf-16")
    with pytest.raises(CorpusError, match="Pass --encoding utf-16"):
        list(read_documents(tmp_path / "notes.txt"))
    assert [each.text for each in read_documents(tmp_path / "notes.txt", SourceOptions(encoding="utf-16"))] == [
        "one",
        "two",
    ]
