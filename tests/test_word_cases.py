"""Inputs that users of text tools reported, from a file to the words that `docnvil corpus build` counts."""

from collections import Counter
from pathlib import Path

import pytest
from click.testing import Result
from commands import run

from docnvil.corpus.reading import read_corpus
from docnvil.errors import CorpusError, DocnvilWarning, VocabularyError
from docnvil.text.counts import count_words
from docnvil.text.documents import Document
from docnvil.text.languages import CODES, LANGUAGES, detect_languages
from docnvil.text.stop_words import english_stop_words, read_stop_words
from docnvil.text.tokens import TokenRules
from docnvil.text.word_checks import describe_limits, describe_long_words, match_vocabulary

CONTRACTIONS = """\
I don't think it's good, we'll see
I don't know, it's cats
we can't see cats, I don't
we'll see dogs, it’s fine
I'm sure it's dogs, don’t
"""
ORDINALS = """\
see the 19th century and the 1st house
the 2nd and the 19th century
the 1st and the 2nd and the 3rd house
the 3rd of the 5th 10mg 20mg
"""
CHINESE = "今天天气很好我们去公园散步\n公园今天天气不好\n我们喜欢散步公园很大\n天气很好喜欢公园\n"


class Build:
    """Runs `docnvil corpus build` on a text and reads what it wrote."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.result: Result

    def __call__(self, text: str, *options: object) -> Counter[str]:
        source = self.folder / "texts.txt"
        source.write_text(text, encoding="utf-8")
        limits = () if "--min-df" in options else ("--min-df", "1", "--max-df", "1.0")
        arguments = ("corpus", "build", source, "--out", self.folder / "corpus", "--force", *limits, *options)
        self.result = run(*arguments)
        matrix = read_corpus(self.folder / "corpus")
        return Counter(dict(zip(matrix.vocabulary, matrix.counts.sum(axis=0).tolist(), strict=True)))

    @property
    def warnings(self) -> list[str]:
        return [line for line in self.result.stderr.splitlines() if line.startswith("Warning: ")]


@pytest.fixture
def build(tmp_path) -> Build:
    return Build(tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--tokenizer", "tweet"),
        ("--tokenizer", "treebank"),
        ("--tokenizer", "whitespace"),
        ("--token-pattern", "[a-z']+"),
    ],
    ids=str,
)
def test_contractions_are_stop_words_with_every_tokenizer(build, options):
    counts = build(CONTRACTIONS, *options)
    assert counts == {"cats": 2, "dogs": 2, "fine": 1, "good": 1, "know": 1, "sure": 1, "think": 1}
    assert build.warnings == []


class TestStopWordFiles:
    def test_contractions_are_split_like_the_text_and_named(self, build, tmp_path):
        words = ["don't", "it's", "we'll", "can't", "i'm", "i", "we", "it", "see"]
        (tmp_path / "stop.txt").write_text("\n".join(words), encoding="utf-8")
        counts = build(CONTRACTIONS, "--stop-words", tmp_path / "stop.txt")
        assert counts == {"cats": 2, "dogs": 2, "fine": 1, "good": 1, "know": 1, "sure": 1, "think": 1}
        (message,) = build.warnings
        assert '"don\'t"' in message
        assert '"don"' in message

    def test_entries_that_never_match_are_named(self, build, tmp_path):
        (tmp_path / "stop.txt").write_text("The\nof course\nwell-known\n19th\nCafe\u0301\n", encoding="utf-8")
        counts = build("the café of course, a well-known course\n", "--stop-words", tmp_path / "stop.txt")
        assert set(counts) == {"of", "course", "well", "known"}
        (message,) = build.warnings
        assert '"19th", "of course", "well-known" can never match' in message
        assert "Cafe" not in message

    def test_long_lists_are_cut(self, build, tmp_path):
        (tmp_path / "stop.txt").write_text("\n".join(f"of course{n}" for n in range(3000)), encoding="utf-8")
        build("a dog\n", "--stop-words", tmp_path / "stop.txt")
        (message,) = build.warnings
        assert "and 2,990 more" in message
        assert len(message) < 400

    def test_a_word_that_a_contraction_is_only_a_part_of_is_kept(self, build, tmp_path):
        (tmp_path / "stop.txt").write_text("o'clock\naujourd'hui\nc'est\n", encoding="utf-8")
        assert set(build("the clock est aujourd'hui\n", "--stop-words", tmp_path / "stop.txt")) == {
            "the", "clock", "est"
        }  # fmt: skip

    def test_a_list_without_problems_gives_no_warning(self, build, tmp_path):
        (tmp_path / "stop.txt").write_text("the\nThe\nÜber\n", encoding="utf-8")
        assert set(build("the dog über\n", "--stop-words", tmp_path / "stop.txt")) == {"dog"}
        assert build.warnings == []


class TestLanguages:
    def test_fifty_languages_have_stop_words(self):
        lists = {name: read_stop_words(name) for name in LANGUAGES.values()}
        assert len(lists) >= 50
        assert all(len(words) >= 25 for words in lists.values())

    def test_names_and_codes_are_the_same(self):
        for code, name in LANGUAGES.items():
            assert read_stop_words(code) == read_stop_words(name) == read_stop_words(name.title())
        assert set(CODES.values()) == set(LANGUAGES)

    def test_several_lists_are_joined(self, tmp_path):
        (tmp_path / "own.txt").write_text("haus\n", encoding="utf-8")
        words = set(read_stop_words(f"en, german,{tmp_path / 'own.txt'}"))
        assert words == {*english_stop_words(), *read_stop_words("de"), "haus"}

    def test_unknown_names_are_refused_with_the_choices(self):
        with pytest.raises(CorpusError, match="klingon is neither a language"):
            read_stop_words("en,klingon")

    @pytest.mark.parametrize(
        ("language", "text"),
        [
            ("german", "Das Haus ist sehr alt, und wir haben es nicht gekauft."),
            ("english", "The house is very old, and we have not bought it."),
            ("french", "La maison est très vieille, et nous ne l'avons pas achetée."),
            ("spanish", "La casa es muy vieja y no la hemos comprado todavía."),
            ("italian", "La casa è molto vecchia e non l'abbiamo ancora comprata."),
            ("portuguese", "A casa é muito velha, e nós não a compramos ainda."),
            ("dutch", "Het huis is erg oud en we hebben het niet gekocht."),
            ("russian", "Дом очень старый, и мы его ещё не купили, потому что он был дорогой."),
            ("ukrainian", "Цей будинок дуже старий, і ми його ще не купили, тому що він дорогий."),
            ("turkish", "Bu ev çok eski ve biz onu daha almadık, çünkü çok pahalı gibi."),
            ("persian", "این خانه خیلی قدیمی است و ما آن را نخریده ایم."),
            ("arabic", "هذا البيت قديم جدا و لم نشتره بعد لأنه كان غاليا من قبل"),
            ("hindi", "यह घर बहुत पुराना है और हमने इसे नहीं खरीदा है।"),
            ("japanese", "この家はとても古いので、私たちは買いませんでした。"),
            ("chinese", "这房子很旧，我们没有买。"),
            ("thai", "บ้านหลังนี้เก่ามากและเราไม่ได้ซื้อ"),
            ("korean", "이 집은 아주 오래되어서 우리는 사지 않았다."),
            ("greek", "Το σπίτι είναι πολύ παλιό και δεν το αγοράσαμε."),
        ],
    )
    def test_the_language_is_detected(self, language, text):
        assert detect_languages([text]) == {CODES[language]: 1.0}

    def test_auto_says_which_languages_it_found(self, build):
        text = "Das Haus ist alt und wir haben es nicht gekauft.\n" * 2 + "The dog is old and we have not sold it.\n"
        counts = build(text, "--stop-words", "auto")
        assert set(counts) == {"haus", "gekauft", "dog", "sold", "old", "alt"}
        assert "Stop words of german (67% of the documents read), english (33%" in build.result.stderr

    def test_auto_with_no_language_drops_nothing(self, build):
        assert set(build("xyzzy plugh\n", "--stop-words", "auto")) == {"xyzzy", "plugh"}
        assert "not clear" in build.result.stderr


class TestVocabularies:
    def test_entries_are_normalized_or_named(self, build, tmp_path):
        path = tmp_path / "v.txt"
        path.write_text("cats\nDogs\nnew york\ncovid-19\ncafe\u0301\nthe\n", encoding="utf-8")
        text = "Cats purr in New York\nDogs bark in covid-19 café\nCats and Dogs again\n"
        assert build(text, "--vocabulary", path) == {"cats": 2, "dogs": 2, "café": 1}
        (message,) = build.warnings
        assert '"new york", "covid-19", "the" can never match' in message

    def test_the_held_out_split_and_fit_read_it_in_the_same_way(self, build, tmp_path):
        (tmp_path / "v.txt").write_text("Dogs\ndogs\nCATS\n", encoding="utf-8")
        build("dogs\ncats dogs\n" * 3, "--vocabulary", tmp_path / "v.txt")
        source, out = tmp_path / "texts.txt", tmp_path / "split"
        arguments = ["corpus", "build", source, "--held-out", "2", "--vocabulary", tmp_path / "v.txt", "--out", out]
        run(*arguments)
        assert read_corpus(out / "train").vocabulary.words == ("dogs", "cats")

    def test_case_is_kept_if_the_rules_keep_it(self):
        vocabulary, message = match_vocabulary(["Dogs", "cats"], TokenRules(lowercase=False))
        assert (vocabulary.words, message) == (("Dogs", "cats"), None)

    def test_words_are_stemmed_and_stems_are_kept(self):
        rules = TokenRules(stemmer="porter")
        assert match_vocabulary(["running", "runs", "agreed", "owls"], rules)[0].words == ("run", "agre", "owl")
        stems = ["run", "agre", "owl", "dog", "cat"]  # the stem of "agre" is "agr"
        assert match_vocabulary(stems, rules)[0].words == tuple(stems)

    def test_apostrophes_and_short_words_go_through_the_rules(self):
        vocabulary, message = match_vocabulary(["п’ять", "x", "ﬂoor"], TokenRules())
        assert vocabulary.words == ("п'ять", "floor")
        assert message.startswith('"x" can never match')

    def test_a_list_of_useless_words_is_refused(self):
        with pytest.raises(VocabularyError, match=r'"new york", "the" can never match'):
            match_vocabulary(["new york", "the"], TokenRules())


def test_ordinals_and_units_leave_no_words(build):
    assert build(ORDINALS) == {"century": 2, "house": 2}


def test_format_characters_do_not_split_words(build):
    text = "The re\u00adsearch of cli\u00admate\nresearch climate\n"
    text += "අපේ ශ්\u200dරී ලංකා\nمی\u200cخواهم\nmain\u2060tain maintain\n"
    assert build(text) == {
        **{"research": 2, "climate": 2, "maintain": 2},
        **dict.fromkeys(["අපේ", "ශ්\u200dරී", "ලංකා", "می\u200cخواهم"], 1),
    }


class TestLimits:
    def test_max_df_of_one_document_is_explained(self, build, tmp_path):
        text = "cat dog\ncat owl dog\ncat dog\nowl cat ant\n"
        assert build(text, "--min-df", "1", "--max-df", "1") == {"ant": 1}
        (message,) = build.warnings
        assert message.startswith("Warning: 3 of 4 documents have none")
        assert "write --max-df 1.0" in message

    def test_the_library_warns_with_the_names_of_python(self):
        texts = ["cat dog", "cat owl dog", "cat dog", "owl cat ant"]
        documents = [Document(str(number), text) for number, text in enumerate(texts)]
        with pytest.warns(DocnvilWarning, match=r"3 of 4 documents .* write max_df 1.0"):
            count_words(documents, min_df=1, max_df=1)

    def test_nothing_left_is_explained_too(self, build, tmp_path):
        (tmp_path / "t.txt").write_text(ORDINALS, encoding="utf-8")
        arguments = ["corpus", "build", tmp_path / "t.txt", "--min-df", "1", "--max-df", "1", "--out", tmp_path / "c"]
        run(*arguments, status=1, stderr="1 means one document, so write 1.0 for no maximum")

    @pytest.mark.parametrize(
        ("min_df", "max_df", "expected"),
        [(1, 1, "--max-df 1.0"), (1.0, 1.0, "--min-df 1"), (5, 1.0, "Lower --min-df (now 5)"), (1, 0.1, "(now 0.1)")],
    )
    def test_remedies(self, min_df, max_df, expected):
        assert expected in describe_limits(10, 6, min_df=min_df, max_df=max_df, size=None)

    def test_documents_without_words_do_not_count(self, build):
        assert build("cat\n\n\n\n") == {"cat": 1}
        assert build.warnings == []


class TestTextsWithoutSpaces:
    def test_chinese(self, build):
        build(CHINESE)
        (message,) = build.warnings
        assert "no spaces between words" in message
        assert "--tokenizer" in message

    def test_the_library_warns_too(self):
        with pytest.warns(DocnvilWarning, match="no spaces between words"):
            count_words([Document("1", "บ้านหลังนี้เก่ามากและเราไม่ได้ซื้อ")], min_df=1, max_df=1.0)

    @pytest.mark.parametrize(
        "words",
        [
            ["今天", "天气", "公园", "喜欢"],
            ["コンピュータ", "東京", "行く"],
            ["บ้าน", "มหาวิทยาลัย", "เก่า"],
            ["Donaudampfschifffahrt", "Haus", "alt"],
            [],
        ],
    )
    def test_words_of_usual_length_give_no_warning(self, words):
        assert describe_long_words((word, 1) for word in words) is None

    @pytest.mark.parametrize(
        "words", [["この家はとても古い", "私たち"], ["thequickbrownfoxjumps", "overthelazydogagain"]]
    )
    def test_clauses_give_a_warning(self, words):
        assert "no spaces" in describe_long_words((word, 1) for word in words)
