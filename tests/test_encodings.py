"""Encodings of text files: what is detected, what is repaired, and what the messages suggest."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from commands import run
from hypothesis import given
from hypothesis import strategies as st

from docnvil.errors import ConfigurationError, CorpusError
from docnvil.text.documents import SourceOptions, read_documents
from docnvil.text.encoding_guess import guess_encoding
from docnvil.text.file_kinds import describe_binary
from docnvil.text.reading_report import ReadingReport

TEXTS = {
    "German": ("Das Wetter war schön, und die Straßen glänzten. „Grüße“ – sagte er.", "cp1252"),
    "English": ("I don’t think that it’s a good idea – “never” said the man.", "cp1252"),
    "French": ("L’été à la plage, où les enfants jouent ; c’est déjà fini.", "cp1252"),
    "Spanish": ("El niño comió una piña en la montaña. ¿Qué pasó?", "latin-1"),
    "Polish": ("Zażółć gęślą jaźń. Wszyscy ludzie rodzą się wolni i równi.", "cp1250"),
    "Polish, ISO": ("Zażółć gęślą jaźń. Wszyscy ludzie rodzą się wolni i równi.", "iso8859-2"),
    "Czech": ("Příliš žluťoučký kůň úpěl ďábelské ódy.", "cp1250"),
    "Russian": ("Все люди рождаются свободными и равными в своем достоинстве.", "cp1251"),
    "Russian, KOI8": ("Все люди рождаются свободными и равными в своем достоинстве.", "koi8-r"),
    "Ukrainian": ("Всі люди народжуються вільними і рівними. Їжак і ґанок є.", "cp1251"),
    "Turkish": ("Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar.", "cp1254"),
    "Greek": ("Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι.", "cp1253"),
    "Hebrew": ("כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם", "cp1255"),
    "Japanese": ("すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。", "shift_jis"),
    "Japanese, EUC": ("すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。", "euc_jp"),
    "Chinese": ("人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。", "gb18030"),
    "Korean": ("모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다", "euc_kr"),
    "UTF-16": ("cats purr\nПривет", "utf-16"),
    "UTF-16 without a mark": ("cats purr and dogs bark", "utf-16-le"),
}


def read(path: Path, **options: object) -> tuple[list[str], list[str]]:
    report = ReadingReport()
    documents = list(read_documents(path, SourceOptions(**options), report))
    return [document.text for document in documents], report.messages()


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_auto_reads_every_word_and_names_the_encoding(tmp_path, language, suffix):
    text, encoding = TEXTS[language]
    path, content = tmp_path / f"a.txt{suffix}", text.encode(encoding)
    path.write_bytes(gzip.compress(content) if suffix else content)
    texts, messages = read(path, encoding="auto")
    assert texts == text.split("\n")
    assert len(messages) == 1
    assert f"{path}, as " in messages[0]


@pytest.mark.parametrize("language", TEXTS)
def test_the_error_suggests_an_encoding_that_reads_the_text(tmp_path, language):
    text, encoding = TEXTS[language]
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode(encoding))
    try:
        read(path)
    except CorpusError as error:
        suggested = error.command_line_message.split("--encoding ")[1].split()[0].rstrip(".,;")
    else:
        assert encoding == "utf-16-le"  # zero bytes are valid UTF-8
        return
    assert suggested != "latin-1"
    assert read(path, encoding=suggested)[0] == text.split("\n")


def test_utf_8_needs_no_remark(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeffGrüße\n人人\n".encode())
    assert read(tmp_path / "a.txt", encoding="auto") == (["Grüße", "人人"], [])


def test_one_other_file_does_not_change_how_the_others_are_read(tmp_path):
    for number in range(60):
        (tmp_path / f"{number:03d}.txt").write_bytes(f"Grüße und Küsse, {number} 人".encode())
    (tmp_path / "042.txt").write_bytes("Café crème – déjà vu".encode("cp1252"))
    texts, messages = read(tmp_path, encoding="auto")
    assert texts[42] == "Café crème – déjà vu"
    assert texts[41] == "Grüße und Küsse, 41 人"
    assert messages == [
        f"1 file is not UTF-8 and was read in the encoding that fits best: {tmp_path / '042.txt'}, as cp1252."
    ]


def test_one_invalid_byte_in_utf_8_gets_another_message_than_another_encoding(tmp_path):
    good = "Grüße aus München\n" * 50
    path = tmp_path / "a.txt"
    path.write_bytes(good.encode() + b"bro\xffken\n" + good.encode())
    with pytest.raises(CorpusError, match=r"UTF-8 except for 1 byte, in line 51 \(byte 0xff at 1053\).*errors replace"):
        read(path)
    path.write_bytes(good.encode("cp1252"))
    with pytest.raises(CorpusError, match=r"not utf-8 .*probably cp1252: pass encoding cp1252, or encoding auto"):
        read(path)
    path.write_bytes(b"cats purr\n" * 500 + b"they don\x92t bark\n")
    with pytest.raises(CorpusError, match=r"line 501 has the only byte .*cp1252 if it reads 'don’t' there.*replace"):
        read(path)


@pytest.mark.parametrize(
    ("errors", "expected", "word"), [("replace", "caf\ufffd \ufffdtwo", "replaced"), ("ignore", "caf two", "left out")]
)
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.csv"])
def test_invalid_bytes_are_replaced_or_left_out_and_counted(tmp_path, name, errors, expected, word):
    line = b"caf\xe9 \xfftwo"
    content = {
        "a.txt": b"Gr\xc3\xbc\xc3\x9fe\n" + line + b"\n",
        "a.jsonl": b'{"text": "Gr\xc3\xbc\xc3\x9fe"}\n{"text": "' + line + b'"}\n',
        "a.csv": b"text\nGr\xc3\xbc\xc3\x9fe\n" + line + b"\n",
    }[name]
    (tmp_path / name).write_bytes(content)
    texts, (message,) = read(tmp_path / name, encoding_errors=errors)
    assert texts == ["Grüße", expected]
    assert message.startswith("2 bytes are invalid")
    assert word in message
    assert f"{name}, line {3 if name == 'a.csv' else 2}" in message


@given(data=st.binary(max_size=40), errors=st.sampled_from(["replace", "ignore"]), size=st.integers(1, 7))
def test_repair_gives_what_python_gives(data, errors, size):
    from docnvil.text.decoding import RepairingDecoder

    invalid = []
    decoder = RepairingDecoder("utf-8", errors, lambda found, offset, line: invalid.append((found, offset)))
    parts = [decoder.decode(data[start : start + size]) for start in range(0, len(data), size)]
    assert "".join(parts) + decoder.decode(b"", final=True) == data.decode("utf-8", errors)
    assert all(data[offset : offset + len(found)] == found for found, offset in invalid)
    assert bool(invalid) != _is_valid(data)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "shift_jis", "utf-16-le"])
def test_repair_of_many_invalid_bytes_at_once(encoding):
    from docnvil.text.decoding import RepairingDecoder

    data = bytes(np.random.default_rng(0).integers(0, 256, 3000, dtype=np.uint8)) + b"\n"
    data = data + b"\0" if encoding == "utf-16-le" else data
    places = []
    decoder = RepairingDecoder(encoding, "replace", lambda found, offset, line: places.append((found, offset, line)))
    text = decoder.decode(data) + decoder.decode(b"", final=True)
    assert text == data.decode(encoding, "replace")
    assert len(places) > 20
    assert [data[offset : offset + len(found)] for found, offset, _ in places] == [found for found, *_ in places]
    if encoding != "utf-16-le":
        assert [line for *_, line in places] == [1 + data[:offset].count(b"\n") for _, offset, _ in places]


def _is_valid(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


BINARY = {
    "a.pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj", "PDF"),
    "a.docx": (b"PK\x03\x04\x14\x00\x06\x00[Content_Types].xml word/document.xml", "DOCX"),
    "a.xlsx": (b"PK\x03\x04\x14\x00\x06\x00xl/workbook.xml", "XLSX"),
    "a.odt": (b"PK\x03\x04\x14\x00mimetypeapplication/vnd.oasis.opendocument.text", "ODT"),
    "a.doc": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00\x00", "DOC"),
    "a.png": (b"\x89PNG\r\n\x1a\n\x00\x00", "PNG"),
    "a.jpg": (b"\xff\xd8\xff\xe0\x00\x10JFIF", "JPEG"),
    "a.rtf": (b"{\\rtf1\\ansi cats}", "RTF"),
    "a.bin": (bytes(range(256)), "binary"),
    "a.pkl": (b"\x80\x04\x95\x0b\x00\x00", "pickle"),
}


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "auto"])
def test_binary_files_are_recognized_and_no_encoding_is_suggested(tmp_path, name, encoding):
    content, kind = BINARY[name]
    (tmp_path / name).write_bytes(content)
    for options in ({"format": "lines"}, {"format": "csv"}, {"format": "jsonl"}):
        with pytest.raises(CorpusError, match=rf"{name} is .*{kind}") as error:
            read(tmp_path / name, encoding=encoding, **options)
        assert "encoding" not in str(error.value)


@pytest.mark.parametrize(
    "text", ["cats purr", "Grüße", "人人生而自由", "a\x00b in the middle of a text", "\x1b[1mbold\x1b[0m", ""]
)
def test_texts_are_not_taken_for_binary_files(text):
    assert describe_binary(text.encode()) is None


def test_bytes_of_control_characters_exclude_latin_1():
    for encoding in ("cp1252", "cp1250", "cp1251"):
        assert guess_encoding("“a” – b’s".encode(encoding)) == "cp1252"


def test_unknown_encodings_and_actions_are_refused():
    with pytest.raises(ConfigurationError, match="auto, utf-8"):
        SourceOptions(encoding="utf-9")
    with pytest.raises(ConfigurationError, match="strict, replace, ignore"):
        SourceOptions(encoding_errors="drop")


def test_a_build_with_several_processes_reports_once(tmp_path, monkeypatch):
    monkeypatch.setattr("docnvil.corpus.shards.BYTES_PER_SHARD", 2000)
    (tmp_path / "a.txt").write_bytes(("Grüße aus München, wo die Straßen glänzen\n" * 200).encode("cp1252"))
    arguments = ["corpus", "build", tmp_path / "a.txt", "--encoding", "auto", "--workers", "2", "--out", tmp_path / "c"]
    result = run(*arguments, "--max-df", "1.0")
    assert result.stderr.count("as cp1252") == 1
    assert "münchen" in (tmp_path / "c" / "vocabulary.txt").read_text(encoding="utf-8")
