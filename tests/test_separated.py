"""CSV and TSV of other tools: quotes, missing texts, rows that are not documents, delimiters."""

import csv
import io
from pathlib import Path

import pandas
import pytest
from commands import run
from hypothesis import given
from hypothesis import strategies as st

from docnvil.corpus.reading import read_corpus
from docnvil.errors import ConfigurationError, CorpusError
from docnvil.text.documents import SourceOptions, read_documents
from docnvil.text.reading_report import ReadingReport

TWEETS = (
    'id\ttext\n1\tcats purr loudly\n2\t"I love cats purr\n3\tdogs bark loudly\n4\tdogs bark often\n'
    '5\tthey said dogs bark"\n6\tcats purr softly\n'
)
R_WRITE_CSV = (
    '"","doc_id","text"\n"1","a","cats purr milk"\n"2","b",NA\n"3","c",NA\n"4","d","dogs bark bone"\n'
    '"5","e","NaN"\n"6","f","NULL"\n"7","g","#N/A"\n'
)
QUALTRICS = (
    'StartDate,ResponseId,Q1\nStart Date,Response ID,"What do you\nthink, really?"\n'
    '"{""ImportId"":""startDate""}","{""ImportId"":""_recordId""}","{""ImportId"":""QID1_TEXT""}"\n'
    "2024-01-01,R_1,cats purr\n2024-01-02,R_2,dogs bark\n"
)


def read(folder: Path, name: str, content: str | bytes, **options: object) -> tuple[list[tuple[str, str]], list[str]]:
    """Return ids and texts of a file, and what the report says."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    report = ReadingReport()
    documents = list(read_documents(path, SourceOptions(**options), report))
    return [(document.id, document.text) for document in documents], report.messages()


class TestQuotes:
    def test_stray_quotes_are_reported_with_the_lines_of_the_rows_inside(self, tmp_path):
        documents, (message,) = read(tmp_path, "a.tsv", TWEETS)
        assert [id for id, _ in documents] == ["1", "2", "6"]
        assert "a.tsv, lines 4, 5, 6" in message
        assert "--quoting none" in message

    def test_quotes_can_be_plain_characters(self, tmp_path):
        documents, messages = read(tmp_path, "a.tsv", TWEETS, quoting="none")
        assert [id for id, _ in documents] == ["1", "2", "3", "4", "5", "6"]
        assert documents[1] == ("2", '"I love cats purr')
        assert messages == []

    @pytest.mark.parametrize(
        ("content", "lines"),
        [
            # Excel, commas: the quote is in the middle column
            ('id,text,label\n1,cats,a\n2,"so they,b\n3,dogs,c\n4,said",d\n', "lines 4, 5"),
            # the text comes first, so the label tells
            ('text,label\ncats purr,pos\n"dogs bark,neg\ncats sleep,pos\ndogs",neg\n', "line 4"),
            # identifiers with letters, semicolons
            ('id;text\ndoc-1;cats\ndoc-2;"dogs\ndoc-3;bark\ndoc-4;loudly"\n', "lines 4, 5"),
        ],
    )
    def test_rows_inside_fields_of_other_files(self, tmp_path, content, lines):
        _, messages = read(tmp_path, "a.csv", content)
        (message,) = (message for message in messages if "inside quoted fields" in message)
        assert lines in message

    @pytest.mark.parametrize(
        "text",
        [
            "Dear all,\nthe cats, and the dogs, sleep.\n\nBest, Ann",
            "Roses are red,\nviolets are blue",
            "60,000 pounds\n307,200 bytes\nand that is all\nof it",
            "a list:\n1, cats\n2, dogs",
        ],
    )
    def test_texts_of_several_lines_are_not_reported(self, tmp_path, text):
        file = io.StringIO()
        csv.writer(file).writerows([["id", "text"], ["1", "cats"], ["2", text], ["3", "dogs"]])
        documents, messages = read(tmp_path, "a.csv", file.getvalue())
        assert documents[1] == ("2", text.replace("\r\n", "\n"))
        assert messages == []

    def test_an_open_quote_is_named_with_the_line_where_its_row_begins(self, tmp_path):
        with pytest.raises(CorpusError, match=r"line 3 cannot be read .*quoting none"):
            read(tmp_path, "a.csv", 'id,text\n1,a\n2,"c\nd\n')


class TestMissingTexts:
    def test_values_of_r(self, tmp_path):
        documents, (message,) = read(tmp_path, "r.csv", R_WRITE_CSV, id_column="doc_id")
        assert documents == [
            ("a", "cats purr milk"), ("b", ""), ("c", ""), ("d", "dogs bark bone"), ("e", ""), ("f", ""), ("g", ""),
        ]  # fmt: skip
        assert message.startswith("5 documents have no text")
        assert "r.csv, lines 3, 4, 6, 7, 8" in message

    def test_a_quoted_na_is_text_and_is_reported(self, tmp_path):
        content = 'id,text\n1,"NA"\n2,NA\n3,"None"\n4,None\n5," NA "\n6, NA\n7,"say ""NA"""\n'
        documents, messages = read(tmp_path, "a.csv", content)
        assert [text for _, text in documents] == ["NA", "", "None", "", " NA ", "", 'say "NA"']
        assert [message.split(" (")[0].split(" consist")[0] for message in messages] == [
            "3 documents have no text",
            "3 documents",
        ]

    @pytest.mark.parametrize(
        "value", ["NA", "NaN", "nan", "NULL", "null", "None", "#N/A", "N/A", "<NA>", "\\N", "#REF!"]
    )
    def test_values_of_pandas_sql_and_spreadsheets(self, tmp_path, value):
        documents, (message,) = read(tmp_path, "a.tsv", f"id\ttext\n1\t{value}\n2\t{value}s are words\n")
        assert documents == [("1", ""), ("2", f"{value}s are words")]
        assert message.startswith("1 document has no text (NA, null or the like) and is empty")

    def test_pandas_writes_what_is_read_back(self, tmp_path):
        frame = pandas.DataFrame({"id": ["a", "b", "c"], "text": ["cats", None, "dogs, too"]})
        documents, _ = read(tmp_path, "a.csv", frame.to_csv(index=False, na_rep="NaN"))
        assert documents == [("a", "cats"), ("b", ""), ("c", "dogs, too")]

    def test_other_values_can_be_chosen(self, tmp_path):
        content = 'id,text\n1,-99\n2,"no answer"\n3,NA\n'
        documents, (message,) = read(tmp_path, "a.csv", content, na_values="-99,no answer")
        assert [text for _, text in documents] == ["", "", "NA"]
        assert "lines 2, 3" in message
        documents, messages = read(tmp_path, "a.csv", content, na_values="none")
        assert [text for _, text in documents] == ["-99", "no answer", "NA"]
        assert messages == []

    def test_other_columns_are_not_concerned(self, tmp_path):
        (tmp_path / "a.csv").write_text("id,text,country\nNA,cats,NA\n")
        (document,) = read_documents(tmp_path / "a.csv")
        assert (document.id, document.metadata) == ("NA", {"country": "NA"})

    @given(cells=st.lists(st.tuples(st.sampled_from(["NA", "a,b", 'say "x"', "a\nb", "", "None"]), st.booleans())))
    def test_only_what_is_outside_quotes_is_missing(self, tmp_path_factory, cells):
        rows = []
        for text, is_quoted in cells:
            is_quoted |= any(sign in text for sign in ',"\n')
            rows.append('"' + text.replace('"', '""') + '"' if is_quoted else text)
        content = "text,id\n" + "".join(f"{cell},{number}\n" for number, cell in enumerate(rows))
        documents, _ = read(tmp_path_factory.mktemp("na"), "a.csv", content)
        expected = ["" if row in ("NA", "None") else text for row, (text, _) in zip(rows, cells, strict=True)]
        assert [text for _, text in documents] == expected


class TestRowsThatAreNotDocuments:
    def test_file_without_a_header(self, tmp_path):
        content = "cats purr milk\ttrain\tpets\ndogs bark bone\ttrain\tpets\nstocks bonds market\ttest\tmoney\n"
        with pytest.raises(CorpusError, match=r"no column 'text'.*header=False"):
            read(tmp_path, "a.tsv", content)
        documents, messages = read(tmp_path, "a.tsv", content, header=False, text_column="1", id_column="3")
        assert documents == [("pets", "cats purr milk"), ("pets", "dogs bark bone"), ("money", "stocks bonds market")]
        assert messages == []
        _, messages = read(tmp_path, "a.tsv", content, text_column="cats purr milk")
        assert "'train' also occurs below it" in messages[0]

    @pytest.mark.parametrize("column", ["2", "body"])
    def test_columns_by_number_or_name(self, tmp_path, column):
        assert read(tmp_path, "a.csv", "key,body\nx,cats\n", text_column=column, id_column="1")[0] == [("x", "cats")]

    def test_lines_before_the_header_are_skipped(self, tmp_path):
        content = "Report of 2024\n\nid,text\n1,cats\n2,NA\n"
        documents, (message,) = read(tmp_path, "a.csv", content, skip_rows=2)
        assert documents == [("1", "cats"), ("2", "")]
        assert "line 5" in message

    def test_header_rows_of_qualtrics(self, tmp_path):
        documents, (message,) = read(tmp_path, "a.csv", QUALTRICS, text_column="Q1", id_column="ResponseId")
        assert documents == [("R_1", "cats purr"), ("R_2", "dogs bark")]
        assert "2 more header rows" in message
        assert "line 2, 4" in message

    def test_header_rows_of_qualtrics_with_ids_only(self, tmp_path):
        content = "ResponseId,Q1\n\"{'ImportId': '_recordId'}\",\"{'ImportId': 'QID1'}\"\nR_1,cats\n"
        documents, (message,) = read(tmp_path, "a.csv", content, text_column="Q1", id_column="ResponseId")
        assert documents == [("R_1", "cats")]
        assert "1 more header row of a survey export, which was skipped: line 2" in message

    def test_header_rows_of_surveymonkey(self, tmp_path):
        content = "Respondent ID,Why do you like cats?\n,Open-Ended Response\n114,they purr\n"
        options = {"text_column": "Why do you like cats?", "id_column": "Respondent ID"}
        documents, (message,) = read(tmp_path, "a.csv", content, **options)
        assert documents == [("114", "they purr")]
        assert "line 2" in message

    def test_repeated_headers_are_skipped(self, tmp_path):
        documents, (message,) = read(tmp_path, "a.csv", "id,text\n1,cats\n2,a\n3,b\n4,c\nid,text\n5,dogs\n")
        assert [id for id, _ in documents] == ["1", "2", "3", "4", "5"]
        assert "1 row repeats the header and was skipped" in message
        assert "line 6" in message

    def test_a_document_may_consist_of_the_name_of_its_column(self, tmp_path):
        assert read(tmp_path, "a.csv", "text\ncats\ntext\n")[0] == [("1", "cats"), ("2", "text")]
        assert read(tmp_path, "a.csv", "a,b\n1,2\n", header=False, text_column="2")[0] == [("1", "b"), ("2", "2")]

    def test_row_names_of_r(self, tmp_path):
        (tmp_path / "a.csv").write_text('"id","text"\n"1","a","cats"\n"2","b","dogs"\n')
        report = ReadingReport()
        first, _ = read_documents(tmp_path / "a.csv", SourceOptions(), report)
        assert (first.id, first.text, first.metadata) == ("a", "cats", {"row_names": "1"})
        assert "row names" in report.messages()[0]


class TestDelimiters:
    @pytest.mark.parametrize(
        ("name", "delimiter", "word"),
        [("a.csv", ";", "semicolons"), ("a.csv", "\t", "tabs"), ("a.csv", "|", "pipes"), ("a.tsv", ",", "commas")],
    )
    def test_other_delimiters_are_detected_and_reported(self, tmp_path, name, delimiter, word):
        content = f"id{delimiter}text\n1{delimiter}cats purr. Dogs bark\n2{delimiter}so do I\n"
        documents, (message,) = read(tmp_path, name, content)
        assert documents == [("1", "cats purr. Dogs bark"), ("2", "so do I")]
        assert word in message

    def test_commas_in_a_semicolon_file_do_not_matter(self, tmp_path):
        content = "id;text\n1;cats, dogs\n2;birds, fish\n3;mice, rats\n"
        assert read(tmp_path, "a.csv", content)[0][0] == ("1", "cats, dogs")
        assert read(tmp_path, "a.csv", "text\none; two\nthree\n")[0][0] == ("1", "one; two")

    @pytest.mark.parametrize("line", ["sep=;\r\n", '"sep=;"\n', "\ufeffsep=;\n"])
    def test_first_line_for_excel(self, tmp_path, line):
        documents, (message,) = read(tmp_path, "a.csv", f"{line}id;text\n1;NA\n2;cats\n")
        assert documents == [("1", ""), ("2", "cats")]
        assert "line 3" in message

    @pytest.mark.parametrize(
        ("option", "sign"), [("^", "^"), ("tab", "\t"), (" ", " "), ("semicolon", ";"), ("\\t", "\t")]
    )
    def test_any_delimiter_can_be_given(self, tmp_path, option, sign):
        assert read(tmp_path, "a.csv", f"id{sign}text\n1{sign}cats\n", delimiter=option)[0] == [("1", "cats")]

    @pytest.mark.parametrize("delimiter", ["", ";;", '"', "\n"])
    def test_what_cannot_delimit_is_refused(self, delimiter):
        with pytest.raises(ConfigurationError, match="cannot separate columns"):
            SourceOptions(delimiter=delimiter)


def test_commands_take_the_options_and_print_what_was_assumed(tmp_path):
    (tmp_path / "a.csv").write_text('sep=;\n1;"cats\n2;dogs\n3;birds"\n4;NA\n')
    arguments = ["corpus", "build", tmp_path / "a.csv", "--no-header", "--text-column", "2", "--id-column", "1"]
    arguments += ["--min-df", "1", "--max-df", "1.0", "--out", tmp_path / "corpus"]
    result = run(*arguments)
    assert "lines 3, 4. If quotes are plain characters" in " ".join(result.stderr.split())
    assert "line 5. --na-values" in " ".join(result.stderr.split())
    assert read_corpus(tmp_path / "corpus").ids == ("1", "4")
    result = run(*arguments, "--force", "--quoting", "none")
    assert read_corpus(tmp_path / "corpus").ids == ("1", "2", "3", "4")
