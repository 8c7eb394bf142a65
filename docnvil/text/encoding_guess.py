"""The probable encoding of a text that is not UTF-8.

A candidate encoding must decode all bytes; bytes 0x80 to 0x9F therefore exclude latin-1, where they are control
characters. Encodings of one byte per character are told apart by the letters of languages: those that are not ASCII, by
descending frequency. charset-normalizer decides on Chinese, Japanese and Korean encodings.
"""

import math
import re
import unicodedata
from functools import cache
from itertools import pairwise

_PUNCTUATION = "’“”‘–—…«»„‚°§ ·•€£©®™½²³¿¡ª"  # in texts of all languages

# For each encoding, the languages it was made for.
_LANGUAGES = {
    "cp1252": (
        "éàèêçôûîùâëïœüÉÀÊÇ",
        "äüößÄÜÖé",
        "óáíéñúüÓÁÑÍÉÚ",
        "ãçáéóêíõàâúôÃÇÁÉ",
        "àèìòùéÈÀ",
        "åøæÅØÆéó",
        "äåöÄÅÖé",
        "éëïóöèü",
        "íáðéöóúþæýÍÁÞÖÓÚÆ",
        "çèàéóòíïüúÇÀ",
    ),
    "cp1250": (
        "łążęóśćźńŁŚŻĆŹÓ",
        "íáěéřžýčšůúňťďóŘČŠŽÚÍÁÉ",
        "áéöőóüíűúÁÉÖÓÜŐÍÚŰ",
        "áíýčžéšúľťňôďóäŠČŽÚĽ",
        "čšžćđŠČŽĆĐ",
        "ăâîşţĂÎŞŢ",
    ),
    "cp1254": ("ışüğçöİŞÇÖÜâîû",),
    "cp1257": ("ėšųžįąčūęŠŽČ", "āīēšņļģūžķčĀĪŠ", "äõüöšžÄÕÜÖ"),
    "cp1251": (
        "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъёОПВНСКМИАТДРБЕГЗУЛФЧЭХЖШЯЮЦЩ",
        "оаинівтерскдлумпяьзгбчйхцжєюїшщфґОПВНСКМІАТДРБЕГЗУЛЄЇЧХЖШЯЮЦЩҐФ",
        "аоиетнрвсплдкмзгъуяйщчбцжхшюфьОПВНСКМИАТДРБЕГЗУЛФЧХЖШЯЮЦЩ",
        "аоиенрстукдјвпмлзгбчшжћцљњђхфџОПВНСКМИАТДРБЕГЗУЛЈЧШЖЋ",
    ),
    "cp1253": ("αοιετσνηυρπκμλςωάίόέγδήχύθβφώξζψϊΑΟΕΤΗΣΠΚΜΝΓΔΆΈΌΊ",),
    "cp1255": ("יוהלאמרתבשנעדכםחקפגטןזסץךףצ",),
    "cp1256": ("الينمرتوهبعدسفكقحجشةطصخأذضىثزئءظغإؤآ،؟",),
    "cp874": ("ารนกอเงมยลวดทสตปบคหแจพชขใไผธถซฐณญษศ่้ัิีุู็์ืะำโ",),
}
# The same languages in encodings that are rarer today, and what each costs in nats per character, so that a few
# characters are not taken for a rare encoding.
_RARER = {
    "koi8-u": ("cp1251", 0.3),
    "iso8859-2": ("cp1250", 0.5),
    "iso8859-5": ("cp1251", 1.5),
    "cp866": ("cp1251", 1.5),
    "mac-cyrillic": ("cp1251", 1.5),
    "iso8859-7": ("cp1253", 1.5),
    "cp850": ("cp1252", 2.0),
    "cp852": ("cp1250", 2.0),
    "mac-roman": ("cp1252", 4.0),
}
_MULTIBYTE = ("shift_jis", "cp932", "euc_jp", "gb18030", "big5", "euc_kr")
_CANONICAL = {"shift_jis": "cp932", "gb2312": "gb18030", "gbk": "gb18030", "euc_kr": "cp949"}
_UNEXPECTED = math.log(2e-4)  # the log-probability of a character that a language does not use
_MAX_SAMPLE = 1 << 15

_NON_ASCII = re.compile(rb"[\x80-\xff]")


def guess_encoding(sample: bytes) -> str | None:
    """Return the Python name of the probable encoding of text with bytes above 0x7F, or None if none fits.

    Arguments:
        sample: a part of the text, which contains such bytes.

    Example:
        >>> guess_encoding("don’t".encode("cp1252")), guess_encoding("кошки любят молоко".encode("koi8-r"))
        ('cp1252', 'koi8-u')
    """
    sample = sample[:_MAX_SAMPLE]
    n_high = len(_NON_ASCII.findall(sample))
    n_ascii_letters = sum(chr(byte).isalpha() for byte in sample if byte < 128)
    if n_high > n_ascii_letters and (encoding := _guess_multibyte(sample)):
        return encoding
    scores = {}
    for encoding, (home, penalty) in {**{name: (name, 0.0) for name in _LANGUAGES}, **_RARER}.items():
        score = _score(sample, encoding, home)
        if score is not None:
            scores[encoding] = score - penalty
    if not scores:
        return None
    best = max(scores, key=lambda encoding: scores[encoding])
    # Without evidence for another encoding, Western European text is the most likely.
    return "cp1252" if "cp1252" in scores and scores["cp1252"] >= scores[best] - 0.05 else best


def _score(sample: bytes, encoding: str, home: str) -> float | None:
    """Return the mean log-probability of the characters that are not ASCII, in the language that fits best."""
    try:
        text = sample.decode(encoding)
    except UnicodeDecodeError:
        return None
    characters = re.findall(r"[^\x00-\x7f]", text)
    if not characters:
        return None
    if any(unicodedata.category(character) == "Cc" for character in characters):
        return None
    probabilities = (_log_probabilities(letters) for letters in _LANGUAGES[home])
    best = max(sum(table.get(character, _UNEXPECTED) for character in characters) for table in probabilities)
    # An upper-case letter within a word, as in koi8-u read as cp1251, is a sign of the wrong encoding.
    n_odd = sum(after > "\x7f" and after.isupper() and before.islower() for before, after in pairwise(text))
    return (best + n_odd * _UNEXPECTED / 2) / len(characters)


@cache
def _log_probabilities(letters: str) -> dict[str, float]:
    """Return log-probabilities of characters: of letters by Zipf's law, and a fifth in all for punctuation."""
    weights = [1 / (rank + 2) for rank in range(len(letters))]
    table = {character: math.log(0.2 / len(_PUNCTUATION)) for character in _PUNCTUATION}
    return table | {
        letter: math.log(0.8 * weight / sum(weights)) for letter, weight in zip(letters, weights, strict=True)
    }


def _guess_multibyte(sample: bytes) -> str | None:
    """Return a Chinese, Japanese or Korean encoding if charset-normalizer finds one that fits."""
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=[*_MULTIBYTE, "cp1251", "koi8_r", "cp1253", "cp1256"]).best()
    if best is None or best.encoding not in _MULTIBYTE:
        return None
    # Cyrillic letters read as Shift JIS are half-width kana, which texts rarely have.
    text = sample.decode(best.encoding, "replace")
    n_half_width = len(re.findall("[\uff61-\uff9f]", text))
    return None if 3 * n_half_width > len(text) else _CANONICAL.get(best.encoding, best.encoding)
