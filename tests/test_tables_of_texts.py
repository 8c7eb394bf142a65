"""Feather, Hugging Face datasets, Excel workbooks, and files with documents between tags."""

import json
from pathlib import Path

import pytest

from docnvil.errors import CorpusError
from docnvil.text.documents import Document, SourceOptions, detect_format, read_documents
from docnvil.text.reading_report import ReadingReport

TABLE = {"id": ["a", "b", "c"], "text": ["cats purr", None, "dogs"], "year": [1, 2, 3]}
DOCUMENTS = [
    Document("a", "cats purr", {"year": "1"}),
    Document("b", "", {"year": "2"}),
    Document("c", "dogs", {"year": "3"}),
]


def read(path: Path, **options: object) -> tuple[list[Document], list[str]]:
    report = ReadingReport()
    return list(read_documents(path, SourceOptions(**options), report)), report.messages()


class TestArrow:
    @pytest.mark.parametrize("name", ["a.feather", "a.arrow"])
    def test_files(self, tmp_path, name):
        pyarrow, feather = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.feather")
        feather.write_feather(pyarrow.table(TABLE), str(tmp_path / name), chunksize=2)
        documents, (message,) = read(tmp_path / name)
        assert documents == DOCUMENTS
        assert "row 2" in message

    def test_other_content_is_refused(self, tmp_path):
        pytest.importorskip("pyarrow")
        (tmp_path / "a.feather").write_bytes(b"ARROW1, but not really")
        with pytest.raises(CorpusError, match="as Arrow"):
            read(tmp_path / "a.feather")

    def save_dataset(self, folder: Path) -> None:
        pyarrow, ipc = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.ipc")
        folder.mkdir(parents=True)
        table = pyarrow.table(TABLE)
        names = []
        for number, part in enumerate((table.slice(0, 1), table.slice(1))):
            names.append({"filename": f"data-{number:05d}-of-00002.arrow"})
            with (folder / names[-1]["filename"]).open("wb") as file, ipc.new_stream(file, table.schema) as writer:
                writer.write_table(part)
        (folder / "dataset_info.json").write_text("{}")
        (folder / "state.json").write_text(json.dumps({"_data_files": names}))

    def test_folder_of_a_dataset(self, tmp_path):
        self.save_dataset(tmp_path / "train")
        assert detect_format(tmp_path / "train") == "dataset"
        assert read(tmp_path / "train")[0] == DOCUMENTS

    def test_folder_of_several_datasets_names_them(self, tmp_path):
        self.save_dataset(tmp_path / "train")
        self.save_dataset(tmp_path / "test")
        (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
        with pytest.raises(CorpusError, match="several data sets: test, train"):
            read(tmp_path)


class TestExcel:
    def save(self, path: Path, rows: list[list[object]], sheets: int = 1) -> Path:
        openpyxl = pytest.importorskip("openpyxl")
        workbook = openpyxl.Workbook()
        for row in rows:
            workbook.active.append(row)
        for number in range(1, sheets):
            workbook.create_sheet(f"Notes {number}")
        workbook.save(path)
        return path

    def test_first_sheet(self, tmp_path):
        rows = [
            ["id", "text", "year"],
            [1, "cats purr\nand sleep", 1999],
            [2, "#N/A", None],
            [None, None, None],
            [3, 42],
        ]
        documents, messages = read(self.save(tmp_path / "a.xlsx", rows, sheets=2))
        assert documents == [
            Document("1", "cats purr\nand sleep", {"year": "1999"}),
            Document("2", "", {"year": ""}),
            Document("3", "42", {"year": ""}),
        ]
        assert "'Sheet', was read, not Notes 1" in messages[0]
        assert "a.xlsx, line 3" in messages[1]

    def test_rows_that_are_not_documents(self, tmp_path):
        path = self.save(tmp_path / "a.xlsx", [["Report"], ["R_1", "cats"], ["R_2", "dogs"]])
        documents, _ = read(path, skip_rows=1, header=False, text_column="2", id_column="1")
        assert [(document.id, document.text) for document in documents] == [("R_1", "cats"), ("R_2", "dogs")]
        header = ['{"ImportId":"_recordId"}', '{"ImportId":"QID1"}']
        path = self.save(tmp_path / "b.xlsx", [["ResponseId", "Q1"], ["Response ID", "Why?"], header, ["R_1", "cats"]])
        documents, (message,) = read(path, text_column="Q1")
        assert [document.text for document in documents] == ["cats"]
        assert "2 more header rows" in message

    def test_other_content_is_refused(self, tmp_path):
        pytest.importorskip("openpyxl")
        (tmp_path / "a.xlsx").write_bytes(b"PK\x03\x04 but not really")
        with pytest.raises(CorpusError, match="as an Excel workbook"):
            read(tmp_path / "a.xlsx")


REUTERS = """<!DOCTYPE lewis SYSTEM "lewis.dtd">
<REUTERS TOPICS="YES" LEWISSPLIT="TRAIN" NEWID="1">
<DATE>26-FEB-1987</DATE>
<TEXT>&#2;
<TITLE>BAHIA COCOA REVIEW</TITLE>
<BODY>Showers continued, AT&amp;T &lt;T> said.
&#3;</BODY></TEXT>
</REUTERS>
<REUTERS TOPICS="NO" LEWISSPLIT="TEST" NEWID="2">
<TEXT TYPE="BRIEF">Computer terminal</TEXT>
</REUTERS>
"""
TREC = """<DOC>
<DOCNO> AP880212-0001 </DOCNO>
<HEAD>Cats</HEAD>
<TEXT>
 Cats purr.
</TEXT>
</DOC>
<DOC>
<DOCNO> AP880212-0002 </DOCNO>
<TEXT>Dogs bark.</TEXT>
</DOC>
"""
WIKI = '<doc id="12" url="https://w.org/12" title="Cat">\nCat\n\nThe cat purrs.\n</doc>\n<doc id="7">Dog</doc>\n'


class TestSgml:
    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            (REUTERS, [("1", "BAHIA COCOA REVIEW Showers continued, AT&T <T> said."), ("2", "Computer terminal")]),
            (TREC, [("AP880212-0001", "Cats Cats purr."), ("AP880212-0002", "Dogs bark.")]),
            (WIKI, [("12", "Cat The cat purrs."), ("7", "Dog")]),
        ],
    )
    def test_documents_are_read_one_by_one(self, tmp_path, content, expected):
        (tmp_path / "a.sgm").write_text(content)
        documents, _ = read(tmp_path / "a.sgm")
        plain = [(document.id, " ".join(document.text.replace("\x02", "").replace("\x03", "").split()))
                 for document in documents]  # fmt: skip
        assert plain == expected
        (tmp_path / "a.txt").write_text(content)
        with pytest.raises(CorpusError, match=r"a\.txt has documents between tags.*format sgml"):
            read(tmp_path / "a.txt")
        assert read(tmp_path / "a.txt", format="sgml")[0] == documents

    def test_in_folders_they_are_not_one_document(self, tmp_path):
        (tmp_path / "ap").mkdir()
        (tmp_path / "ap" / "ap880212").write_text(TREC)
        (tmp_path / "b.txt").write_text("birds\n")
        documents, (message,) = read(tmp_path)
        assert [document.id for document in documents] == [
            "ap/ap880212#AP880212-0001",
            "ap/ap880212#AP880212-0002",
            "b.txt",
        ]
        assert documents[0].metadata == {"label": "ap"}
        assert "1 file has several documents between tags such as <DOC>, read as separate documents" in message

    def test_attributes_are_metadata(self, tmp_path):
        (tmp_path / "a.sgm").write_text(REUTERS)
        assert read(tmp_path / "a.sgm")[0][1].metadata == {"topics": "NO", "lewissplit": "TEST"}
