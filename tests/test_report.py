"""The report: a page that needs nothing but a browser, and a picture that needs not even that."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner, Result

from docnvil.analysis.topics import Topic
from docnvil.commands import main
from docnvil.estimator import DocNVIL
from docnvil.report.drawing import Line, curve, overview, ticks
from docnvil.report.page import _cautions, render, render_overview
from docnvil.storage.model_folder import Checkpoint
from docnvil.text.tokens import TokenRules
from docnvil.text.vocabulary import Vocabulary
from docnvil.training.loop import EpochRecord

SVG = "{http://www.w3.org/2000/svg}"
NASTY = ["<b>&\"'", "</script>", "]]>", "a\x01b", "日本語", "שלום"]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="There is no Chromium here to open the page with.")


@pytest.fixture(scope="module")
def fitted(block_counts) -> DocNVIL:
    return DocNVIL(n_components=4, epochs=10, random_state=0).fit(block_counts)


@pytest.fixture(scope="module")
def checkpoint(fitted) -> Checkpoint:
    """Units 0 and 2 are made to tell nothing, 1 and 3 something, and 3 more than 1."""
    statistics = replace(fitted.statistics_, information=np.array([0.0, 0.2, 0.0, 0.4]))
    return replace(fitted.checkpoint_, statistics=statistics)


@pytest.fixture(scope="module")
def nasty(checkpoint) -> Checkpoint:
    words = NASTY + [f"word{column}" for column in range(15 - len(NASTY))]
    return replace(checkpoint, vocabulary=Vocabulary(words), rules=TokenRules(stop_words=("<i>",)))


@pytest.fixture(scope="module")
def folder(fitted, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("report") / "model"
    fitted.save(path)
    return path


def history(values: list[float], best: int) -> list[EpochRecord]:
    return [
        EpochRecord(epoch, epoch, value - 9, value, np.exp(-value / 10), 3.0, 1.0, 0.1, epoch == best)
        for epoch, value in enumerate(values, start=1)
    ]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def unit_rows(page: str) -> list[int]:
    return [int(unit) for unit in re.findall(r'<tr id="unit(\d+)"', page)]


def test_live_units_come_by_information_and_dead_ones_apart(checkpoint):
    page = render(checkpoint)
    assert unit_rows(page) == [3, 1]
    dead = page[page.index('<details class="dead">') :]
    assert "2 dead units" in dead
    assert "<td>0</td>" in dead
    assert "<td>2</td>" in dead
    assert "2 live, 2 dead" in page


def test_all_units_dead_or_none(checkpoint):
    none = replace(checkpoint, statistics=replace(checkpoint.statistics, information=np.zeros(4)))
    assert "No unit is live" in render(none)
    ElementTree.fromstring(render_overview(none))
    every = replace(checkpoint, statistics=replace(checkpoint.statistics, information=np.ones(4)))
    assert sorted(unit_rows(render(every))) == [0, 1, 2, 3]
    assert 'class="dead"' not in render(every)


def test_the_page_has_its_figures(checkpoint):
    page = render(checkpoint)
    best = max((record for record in checkpoint.history if record.best), key=lambda record: record.epoch)
    for text in ("120", "2,400 tokens", "variational bound (ELBO), 10 samples", f"{best.validation_perplexity:.1f}"):
        assert text in page
    assert f"<dd>{best.epoch}</dd><dd>of {len(checkpoint.history)}, by the validation bound</dd>" in page
    for setting in ("learning_rate", "batch_size", "seed", "recognition_input"):
        assert setting in page
    assert "trained on ready counts" in page
    assert "columns are numbered" in page


def test_the_page_says_how_text_became_words(nasty):
    page = render(nasty)
    assert "1 word (custom)" in page
    assert "token_pattern" in page
    assert "ready counts" not in page


def test_the_same_model_gives_the_same_bytes(checkpoint, folder):
    assert render(checkpoint) == render(checkpoint)
    assert render_overview(checkpoint) == render_overview(checkpoint)
    for name in ("one.html", "two.html"):
        assert run("report", folder, "--out", folder.parent / name).exit_code == 0
    assert (folder.parent / "one.html").read_bytes() == (folder.parent / "two.html").read_bytes()


def test_words_and_titles_are_escaped(nasty):
    page = render(nasty, title="<b>&\"'", top_n=15)
    assert "<b>" not in page
    assert page.count("</script>") == 1
    assert "&lt;b&gt;&amp;&quot;&#x27;</h1>" in page
    assert "\x01" not in page
    picture = render_overview(nasty, title="<b>&\"'")
    assert any(text.text == "<b>&\"'" for text in ElementTree.fromstring(picture).iter(f"{SVG}text"))


def test_the_page_asks_nothing_of_the_network(nasty):
    page = render(nasty)
    assert not re.search(r"https?:|//\w|@import|url\(|src=", page.replace("img-src", ""))
    assert "default-src &#x27;none&#x27;" in page or "default-src 'none'" in page


def test_every_drawing_is_well_formed(nasty):
    assert ElementTree.fromstring(render_overview(nasty)).tag == f"{SVG}svg"
    drawings = re.findall(r"<svg.*?</svg>", render(nasty), flags=re.DOTALL)
    assert len(drawings) == 2
    for drawing in drawings:
        ElementTree.fromstring(drawing)


def test_layers_are_named_and_the_first_is_listed(block_counts):
    page = render(DocNVIL(n_components=(3, 2), epochs=1).fit(block_counts).checkpoint_)
    assert "layers of 3-2 binary units" in page
    assert "first layer" in page


@pytest.mark.parametrize("held_out", [0, 0.0, 5, 0.1])
def test_the_page_says_what_judged_the_epochs(block_counts, held_out):
    page = render(DocNVIL(n_components=2, epochs=1, validation=held_out).fit(block_counts).checkpoint_)
    told = {0: "training documents themselves", 5: "5 of the documents", 0.1: "10% of the documents"}[held_out]
    assert told in page


@pytest.mark.parametrize("values", [[-5.0], [-5.0, -5.0], [-9.0, -7.5, -7.0, -8.0], [0.0, -1e-9], [-1e6, -2.0, -3.0]])
def test_curves_stay_inside_their_frame(values):
    best = int(np.argmax(values)) + 1
    lines = [Line("training", [value - 1 for value in values], "red"), Line("validation", values, "blue")]
    drawing = ElementTree.fromstring(curve(lines, best, "bound", width=640, height=320))
    for path in drawing.iter("path"):
        places = np.array([place.split() for place in path.get("d")[1:].split("L")], dtype=float)
        assert len(places) == len(values)
        assert (places >= 0).all()
        assert (places <= [640, 320]).all()
    told = [text.text for text in drawing.iter("text")]
    assert any(text.startswith(f"best epoch {best}: ") for text in told)


def test_an_infinite_perplexity_is_left_out_of_the_curve():
    drawing = ElementTree.fromstring(curve([Line("validation", [np.inf, 9.0, 7.0], "blue")], 3, "perplexity"))
    assert drawing.find("path").get("d").count("L") == 1
    ElementTree.fromstring(curve([Line("validation", [np.inf], "blue")], 1, "perplexity"))


def test_ticks_are_round_and_enclose():
    generator = np.random.default_rng(0)
    for _ in range(200):
        low, span = generator.normal(scale=1000), 10 ** generator.uniform(-3, 5)
        found = ticks(low, low + span)
        assert found[0] <= low + 1e-6 * span
        assert found[-1] >= low + span - 1e-6 * span
        assert 3 <= len(found) <= 8
        assert np.allclose(np.diff(found), found[1] - found[0])


def test_the_overview_shows_the_most_informative_live_units():
    def unit(number: int, information: float) -> tuple[Topic, list[str]]:
        topic = Topic(number, (0, 1, 2), (0.5, 0.2, 0.0), 0.5 / (number + 1), information, information < 0.01)
        return topic, [f"first{number}", f"second{number}", f"third{number}"]

    units = [unit(number, 0.001 if number == 7 else 0.02 * (number + 1)) for number in range(30)]
    told = [
        "".join(text.itertext())
        for text in ElementTree.fromstring(overview(history([-9.0, -8.0], 2), units, "Title")).iter(f"{SVG}text")
    ]
    shown = [int(text.split("second")[1]) for text in told if "second" in text]
    assert shown == list(range(14, 30))
    assert not any("third" in text for text in told)  # a word without a score is none of the unit's
    assert "words of the 16 most informative of 29 live units" in told


def test_long_words_do_not_run_out_of_the_overview():
    topic = Topic(0, tuple(range(8)), tuple(np.linspace(1, 0.3, 8)), 0.5, 0.5, False)
    drawn = overview(history([-9.0], 1), [(topic, ["m" * 18] * 8)], "Title")
    assert 1 <= drawn.count("m" * 18) < 8


def test_the_page_says_which_units_repeat_another_or_say_little():
    def unit(number: int, **marks: object) -> Topic:
        return Topic(number, (0,), (1.0,), 0.5, 0.5, False, **marks)

    told = _cautions([unit(3, general=True), unit(2, duplicate_of=0), unit(1, general=True), unit(0)])
    assert "Unit 2 says what unit 0 says. The words of units 1, 3 are general" in told
    assert _cautions([unit(0), unit(1)]) == ""


def test_the_command_writes_page_and_picture(folder, tmp_path):
    page, picture = tmp_path / "new" / "page.html", tmp_path / "overview.svg"
    result = run("report", folder, "--out", page, "--overview", picture, "--words", 3, "--title", "My <model>")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert f"Wrote {page}" in result.stderr
    assert f"Wrote {picture}" in result.stderr
    assert "<title>My &lt;model&gt;</title>" in page.read_text(encoding="utf-8")
    assert all(row.count("<bdi") <= 3 for row in page.read_text(encoding="utf-8").split("<tr"))
    ElementTree.parse(picture)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "overview.svg"]


def test_the_command_replaces_nothing_unasked(folder, tmp_path):
    precious = tmp_path / "overview.svg"
    precious.write_text("precious")
    result = run("report", folder, "--out", tmp_path / "page.html", "--overview", precious)
    assert result.exit_code == 1
    assert "already exists" in result.stderr
    assert precious.read_text() == "precious"
    assert not (tmp_path / "page.html").exists()
    result = run("report", folder, "--out", tmp_path / "page.html", "--overview", precious, "--force")
    assert result.exit_code == 0
    assert precious.read_text().startswith("<svg")


def test_the_command_refuses_in_sentences(folder, tmp_path):
    same = run("report", folder, "--out", tmp_path / "a", "--overview", tmp_path / "b" / ".." / "a")
    assert same.exit_code == 2
    assert "Give each its own." in same.stderr
    nowhere = run("report", tmp_path / "nowhere", "--out", tmp_path / "page.html")
    assert nowhere.exit_code == 1
    assert "nowhere" in nowhere.stderr
    assert list(tmp_path.iterdir()) == []


def browse(address: str, profile: Path, *options: str) -> str:
    quiet = "--no-first-run --disable-background-networking --disable-component-update --disable-sync"
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", *quiet.split(), f"--user-data-dir={profile}"]
    done = subprocess.run([*command, *options, address], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


@needs_browser
def test_the_page_sorts_and_finds_in_a_browser(checkpoint, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(render(checkpoint), encoding="utf-8")
    by_share = sorted([1, 3], key=lambda unit: -checkpoint.statistics.activity[unit])
    expected = {"": [3, 1], "#sort=unit": [1, 3], "#sort=share": by_share, "#sort=information&order=ascending": [1, 3]}
    for asked, order in expected.items():
        seen = browse(page.as_uri() + asked, tmp_path / "profile", "--dump-dom")
        assert unit_rows(seen) == order, asked
        assert len(re.findall("<th [^>]*aria-sort=", seen)) == 1
    word = re.search(r"<bdi[^>]*>(word\d+)</bdi>", render(checkpoint))[1]
    seen = browse(f"{page.as_uri()}#find={word.upper()}", tmp_path / "profile", "--dump-dom")
    assert re.search(rf'<bdi class="w\d found">{word}</bdi>', seen)


@needs_browser
def test_a_browser_draws_page_and_picture(checkpoint, tmp_path):
    for name, content in (("page.html", render(checkpoint)), ("overview.svg", render_overview(checkpoint))):
        (tmp_path / name).write_text(content, encoding="utf-8")
        shot = tmp_path / f"{name}.png"
        options = (f"--screenshot={shot}", "--window-size=1120,650")
        browse((tmp_path / name).as_uri(), tmp_path / "profile", *options)
        assert shot.read_bytes().startswith(b"\x89PNG")
        assert shot.stat().st_size > 10_000
