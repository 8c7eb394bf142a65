"""Parts of texts that are no prose: what is removed from posts, mails, web pages and tweets, and what is kept."""

import json

import pytest
from commands import run
from hypothesis import given
from hypothesis import strategies as st
from text_data import write_jsonl

from docnvil.errors import ConfigurationError
from docnvil.text.cleaning import STRIPPERS, read_parts, strip_parts
from docnvil.text.fast_tokens import FastTokenReader
from docnvil.text.token_reader import TokenIndex, TokenReader
from docnvil.text.tokens import Tokenizer, TokenRules, tokenize

POST = """\
From: ann@birds.host.org (Ann Author)
Subject: Re: What do owls hunt?
Message-ID: <1993Apr5.123456@birds.host.org>
X-Newsreader: TIN
 [version 1.1]

In article <1993Apr4.1@other.host.org>
bob@other.host.org (Bob) writes:

> Do owls hunt mice?
>> Never.
| I doubt it.

Owls hunt mice at night: see ftp://birds.org/pub/owls.txt
Ask carol@birds.org.

--
Ann Author, Department of Birds
"Wise as an owl"
"""

PAGE = """<!DOCTYPE html>
<html><head><title>Owls &amp; mice</title><style>p { color: red }</style>
<script type="text/javascript">if (a < b && c > d) { document.write("<p>script</p>") }</script></head>
<body class="page"><!-- a comment --><h1>Hunt</h1><p>An <b>o</b>wl&nbsp;sleeps<br/>by&#32;day</p>
<ul><li>mice</li><li>v&ouml;les</li></ul></body></html>"""


def words_of(text: str, strip: str, **rules) -> list[str]:
    return tokenize(text, TokenRules(stop_words=(), strip=read_parts(strip), **rules))


class TestPosts:
    def test_everything(self):
        words = words_of(POST, "headers,quotes,signatures,urls,emails")
        assert words == ["owls", "hunt", "mice", "at", "night", "see", "ask"]

    @pytest.mark.parametrize(
        ("part", "gone", "kept"),
        [
            ("headers", {"subject", "newsreader", "version", "id"}, {"article", "never", "department"}),
            ("quotes", {"article", "bob", "never", "doubt"}, {"subject", "night", "department"}),
            ("signatures", {"department", "wise"}, {"subject", "never", "night"}),
            ("urls", {"ftp", "pub"}, {"see", "ask", "never"}),
            ("emails", {"host", "carol", "1993apr5"}, {"ann", "author", "pub"}),
        ],
    )
    def test_one_part(self, part, gone, kept):
        words = set(words_of(POST, part))
        assert not gone & words
        assert kept <= words

    @pytest.mark.parametrize(
        "header",
        [
            "From: ann@host.org\nArticle-I.D.: host.C52Cw7\nX_Mailer/2.1: mail\nLines: 3\n",
            " host.edu!gateway!ann\nSubject: Owls\n <4@host.org> <5@host.org>\nLines: 3\n",
            "host.edu!ann\r\nSubject: Owls\r\n",
            "From ann@host.org Mon Apr  5 1993\nDate: Mon, 5 Apr 1993\nX-Empty:\n",
        ],
    )
    def test_names_of_all_characters_and_paths_are_headers(self, header):
        assert strip_parts(f"{header}\nThey hunt!at night.", ["headers"]).strip() == "They hunt!at night."

    @pytest.mark.parametrize(
        "text",
        [
            "Note: owls hunt at night.\n\nThey do.",
            "To: be or not to be",
            "Subject: matter\nof the text goes on here",
            "Owls\n\nFrom: the beginning\n\nto the end",
        ],
    )
    def test_what_only_looks_like_a_header_is_kept(self, text):
        assert strip_parts(text, ["headers"]) == text

    @pytest.mark.parametrize(
        ("text", "kept"),
        [
            ("On Mon, 5 Apr 1993, Bob wrote:\n> no\nyes", "yes"),
            ("Quoting Bob <bob@host.org>:\nyes", "Quoting Bob <bob@host.org>:\nyes"),
            ("BR> no\nyes", "yes"),
            ("yes\n-----Original Message-----\nFrom: Bob\n\nno", "yes"),
            ("Il giorno 5 aprile Bob ha scritto:\n> no\nyes", "yes"),
            ("yes, 3 > 2 and a | b", "yes, 3 > 2 and a | b"),
            ("He wrote: owls hunt", "He wrote: owls hunt"),
        ],
    )
    def test_quotes(self, text, kept):
        assert strip_parts(text, ["quotes"]).strip() == kept

    @pytest.mark.parametrize(
        ("text", "kept"),
        [
            ("yes\n-- \nno\nno", "yes"),
            ("yes\n______________\nno", "yes"),
            ("yes\nSent from my iPhone", "yes"),
            ("one\n---\n" + "two\n" * 20, ("one\n---\n" + "two\n" * 20).strip()),
            ("a -- b", "a -- b"),
        ],
    )
    def test_signatures(self, text, kept):
        assert strip_parts(text, ["signatures"]).strip() == kept


class TestHtml:
    def test_page(self):
        assert words_of(PAGE, "html") == ["owls", "mice", "hunt", "an", "owl", "sleeps", "by", "day", "mice", "völes"]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a < b and c > d", "a < b and c > d"),
            ("AT&T &lt;3 &eacute;t&eacute; &unknown;", "AT&T <3 été &unknown;"),
            ("<p>one<p>two", " one two"),
            ("w<wbr>or<!-- x -->d", "word"),
            ("<![foo[ bar ]]> baz <b>x</b>", "baz"),
            ("open <script> without end", "open  without end"),
            ("plain text", "plain text"),
        ],
    )
    def test_fragments_and_broken_html(self, text, expected):
        assert expected in strip_parts(text, ["html"])


class TestAddresses:
    @pytest.mark.parametrize(
        "url",
        [
            "https://example.com/a?b=c#d",
            "http://127.0.0.1:80/x",
            "www.owls.org",
            "owls.co.uk/path",
            "t.co/AbC",
            "HTTP://X.Y",
        ],
    )
    def test_urls(self, url):
        assert words_of(f"see {url} now ({url})", "urls") == ["see", "now"]

    def test_urls_end_where_chinese_begins(self):
        assert words_of("看http://t.cn/abc今天好", "urls") == ["今天好"]

    @pytest.mark.parametrize("text", ["e.g. this", "end.Then", "node.js and 3.14", "and/or", "a:b"])
    def test_other_dots_and_slashes_are_kept(self, text):
        assert strip_parts(text, ["urls", "emails", "mentions"]) == text

    @pytest.mark.parametrize("email", ["a.b+c@host.org", "root@localhost", "x%y@gate.way.net", "<id.1@host>"])
    def test_emails(self, email):
        assert words_of(f"ask {email}, now", "emails") == ["ask", "now"]

    @pytest.mark.parametrize("mention", ["@ann", "@ann_b", "@ann@owls.social", "＠ann"])
    def test_mentions(self, mention):
        assert words_of(f"ask {mention}: now", "mentions") == ["ask", "now"]
        assert words_of(f"ask {mention}: now", "mentions", tokenizer="tweet") == ["ask", "now"]

    def test_mentions_keep_mail_addresses(self):
        assert "host" in words_of("ann@host.org", "mentions")


class TestRules:
    def test_order_and_spaces_do_not_matter(self):
        assert read_parts("urls, html") == read_parts("html,urls") == ("html", "urls")
        assert TokenRules(strip=("urls", "html")) == TokenRules(strip=("html", "urls"))

    def test_unknown_parts_are_refused(self):
        with pytest.raises(ConfigurationError, match=r"'tags' cannot be stripped\. Choose from headers, html"):
            TokenRules(strip=("tags",))

    def test_rules_are_saved(self):
        rules = TokenRules(strip=("html",), join_hyphens=True, strip_accents=True)
        assert TokenRules.from_json(json.loads(json.dumps(rules.to_json()))) == rules

    def test_both_readers_strip(self):
        rules = TokenRules(stop_words=(), strip=tuple(STRIPPERS), join_hyphens=True)
        for kind in (FastTokenReader, TokenReader):
            tokenizer = Tokenizer(rules)
            index = TokenIndex(tokenizer)
            kind(tokenizer, index).read([POST, PAGE])
            assert set(index.words) == {*tokenize(POST, rules), *tokenize(PAGE, rules)}

    def test_new_texts_are_stripped_like_those_of_the_model(self, tmp_path):
        train, test = tmp_path / "train.jsonl", tmp_path / "test.jsonl"
        texts = ["owl mouse http://host.org/page", "cat dog <b>owl</b> page"] * 10
        write_jsonl(train, ({"text": text} for text in texts))
        test.write_text('{"text": "owl http://page.org/page <i class=page>cat</i>"}\n{"text": "page"}\n')
        model = tmp_path / "model"
        run("fit", train, "--units", "2", "--epochs", "1", "--max-df", "1.0", "--strip", "html,urls", "--out", model)
        assert json.loads((model / "model.json").read_text())["tokens"]["strip"] == ["html", "urls"]
        assert (model / "vocabulary.txt").read_text().split() == ["owl", "cat", "dog", "mouse", "page"]
        result = json.loads(run("perplexity", model, test, "--json").stdout)
        assert result["tokens"] == 3


HTML = ("<", ">", "<b>", "</b>", "<!", "<![", "]]>", "<!--", "-->", "&", "&amp;", "<script>")
MAIL = ("\n", "--\n", "From: ", "Date: x\n", "> ", "wrote:", "In article ", "@", "a", ".", "com", "/", "://")


@given(st.lists(st.sampled_from(HTML + MAIL), max_size=30).map("".join) | st.text())
def test_any_text_can_be_stripped(text):
    for part in STRIPPERS:
        once = strip_parts(text, [part])
        assert isinstance(once, str)
        if part not in ("html", "quotes"):
            assert len(once) <= len(text)


@pytest.mark.parametrize("unit", ["a", "-", "a.", "a-", "\n", "a: b\n", "<", "@", " \n", "a@", "> a\n", "/"])
def test_long_texts_take_linear_time(unit):
    """A quadratic pattern would take minutes here; see the timeout of the test run."""
    for part in STRIPPERS:
        strip_parts(unit * (100_000 // len(unit)), [part])
