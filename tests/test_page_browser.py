"""The report in a real browser: filters, search, hover, keyboard, phone, dark mode, print, and hostile documents."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import run
from text_data import write_jsonl

import docnvil
from docnvil.corpus.loading import load_document_term_matrix

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found")

SUBJECTS = {
    "sailing": ["sail", "wind", "harbor", "boat", "anchor", "mast", "rope", "tide", "deck", "crew"],
    "cooking": ["oven", "flour", "butter", "sugar", "pan", "salt", "dough", "spice", "bake", "stir"],
    "space": ["orbit", "rocket", "launch", "planet", "moon", "star", "comet", "probe", "lander", "crater"],
}
HOSTILE = {
    "id": "</script><script>hacked=1</script>",
    "title": "<img src=x onerror=hacked=1>",
    "text": "<script>hacked=1</script> ]]> <!-- sail wind harbor \u2028 \ud800 &quot; {{ 7 * 7 }}",
    "label": "<b onmouseover=hacked=1>sailing",
    "date": "2001-05-05",
}
N_DOCUMENTS = 91


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with the texts `posts.jsonl` and a model of them."""
    folder = tmp_path_factory.mktemp("page")
    rng = np.random.default_rng(0)
    records = []
    for number in range(N_DOCUMENTS - 1):
        label = list(SUBJECTS)[number % 3]
        words = rng.choice(SUBJECTS[label], 30).tolist()
        title = f"Post {number} about {label}"
        record = {"id": f"post-{number}", "title": title, "label": label, "text": " ".join(words) + "."}
        records.append(record | {"date": f"200{number % 4}-0{1 + number % 9}-15"})
    records.append(HOSTILE)
    write_jsonl(folder / "posts.jsonl", records)
    matrix = load_document_term_matrix(folder / "posts.jsonl", max_df=1.0)
    settings = docnvil.Settings(units=(3,), epochs=40, batch_size=20, prior="factorial", posterior="factorial")
    docnvil.save(docnvil.fit(matrix, settings), folder / "model")
    return folder


def write_page(folder: Path, name: str, *options: object) -> Path:
    path = folder / name
    run("report", folder / "model", folder / "posts.jsonl", "--out", path, "--force", *options)
    return path


@pytest.fixture(scope="module")
def path(folder) -> Path:
    return write_page(folder, "page.html")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser) -> Iterator[Callable[..., Any]]:
    """Return a function that opens a page; at the end, the console must be empty and nothing else been loaded."""
    contexts, faults = [], []

    def open_page(path: Path, *, width: int = 1200, height: int = 900, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)  # of a busy machine
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: faults.append(f"dialog {dialog.message}"))
        address = path.as_uri()
        page.on("request", lambda request: faults.append(request.url) if request.url != address else None)
        page.goto(address)
        page.wait_for_function("document.documentElement.dataset.ready === 'true'")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


def count(page: Any) -> str:
    return page.locator("#count").inner_text()


def titles(page: Any) -> list[str]:
    return page.locator("#results .title").all_text_contents()


class TestFilters:
    def test_a_click_on_a_label_filters(self, visit, path):
        page = visit(path)
        assert count(page) == f"{N_DOCUMENTS} documents"
        chip = page.get_by_role("group", name="Colors of the map").get_by_role("button", name="cooking")
        chip.click()
        assert count(page) == f"30 of {N_DOCUMENTS} documents"
        assert all("cooking" in title for title in titles(page))
        page.get_by_role("group", name="Colors of the map").get_by_role("button", name="cooking").click()
        assert count(page) == f"{N_DOCUMENTS} documents"

    def test_a_unit_filters_and_its_button_shows_its_documents(self, visit, path):
        page = visit(path)
        first = page.locator("ol.units > li").first
        first.locator("summary").click()
        first.get_by_role("button", name="Show its documents on the map").click()
        unit = first.get_attribute("data-unit")
        assert page.locator("#pick-unit").input_value() == unit
        found, total = (int(number) for number in count(page).removesuffix(" documents").split(" of "))
        assert 0 < found < total == N_DOCUMENTS
        subjects = {title.split()[-1] for title in titles(page)[:20]}
        assert len(subjects) == 1  # a unit of this model is a subject
        page.get_by_role("button", name="Clear").click()
        assert count(page) == f"{N_DOCUMENTS} documents"

    def test_search_finds_titles_texts_and_words_of_units(self, visit, path):
        page = visit(path)
        search = page.get_by_role("searchbox", name="Search titles, texts and words")
        search.fill("POST 17 sail")
        assert titles(page) == []
        assert page.get_by_text("No document matches.").is_visible()
        search.fill("post-17")
        assert titles(page) == ["Post 17 about space"]
        search.fill("crater")
        assert titles(page)
        assert all(title.endswith("space") for title in titles(page))
        page.locator("#hits button").first.click()  # a unit with the word
        assert page.locator("#pick-unit").input_value() != ""
        assert search.input_value() == ""

    def test_long_lists_are_continued(self, visit, path):
        page = visit(path)
        assert len(titles(page)) == 30
        page.get_by_role("button", name="Show more").click()
        assert len(titles(page)) == 60
        assert len(set(titles(page))) == 60

    def test_colors_follow_the_choice(self, visit, path):
        page = visit(path)
        assert page.locator("#pick-color option").all_inner_texts() == ["label", "unit", "date"]
        page.locator("#pick-color").select_option("date")
        assert "2000" in page.locator("#legend").inner_text()
        page.locator("#pick-color").select_option("unit")
        assert page.locator("#legend button").count() == 3


class TestMap:
    def test_hover_shows_a_title_and_a_click_opens_the_document(self, visit, path):
        page = visit(path)
        page.locator("#map").scroll_into_view_if_needed()
        box = page.locator("#map").bounding_box()
        for x, y in np.ndindex(24, 24):
            page.mouse.move(box["x"] + box["width"] * (x + 1) / 26, box["y"] + box["height"] * (y + 1) / 26)
            if page.locator("#tip").is_visible():
                break
        title = page.locator("#tip strong").inner_text()
        assert title.startswith("Post ")
        assert page.locator("#tip p").inner_text()
        page.mouse.down()
        page.mouse.up()
        selected = page.locator("#results tr[aria-selected=true]")
        assert selected.locator(".title").text_content() == title

    def test_the_keyboard_reaches_documents(self, visit, path):
        page = visit(path)
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.id") == "query"
        page.locator("#map").focus()
        page.keyboard.press("ArrowRight")
        first = page.locator("#tip strong").inner_text()
        page.keyboard.press("ArrowRight")
        second = page.locator("#tip strong").inner_text()
        assert first != second
        assert second in page.locator("#spoken").inner_text()
        page.keyboard.press("Enter")
        assert page.locator("#results tr[aria-selected=true] .title").text_content() == second
        page.keyboard.press("Escape")
        assert page.locator("#tip").is_hidden()
        page.locator("ol.units summary").first.focus()
        page.keyboard.press("Enter")
        assert page.locator("ol.units .about").first.is_visible()

    def test_zooming_changes_the_picture_and_back(self, visit, path):
        page = visit(path)
        picture = "document.querySelector('#map').toDataURL()"
        before = page.evaluate(picture)
        page.get_by_role("button", name="Zoom in").click()
        page.wait_for_function(f"before => {picture} !== before", arg=before)
        page.get_by_role("button", name="Show all").click()
        page.wait_for_function(f"before => {picture} === before", arg=before)


class TestDevices:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_a_phone_does_not_scroll_sideways(self, visit, path, scheme):
        page = visit(path, width=360, height=640, color_scheme=scheme, has_touch=True, is_mobile=True)
        page.evaluate("document.querySelectorAll('details').forEach(each => (each.open = true))")
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        assert page.locator("#map").bounding_box()["width"] > 250
        page.locator("#query").fill("sail")
        assert count(page).endswith(f"of {N_DOCUMENTS} documents")

    def test_dark_mode_has_light_text_on_dark(self, visit, path):
        colors = "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        brightness = {}
        for scheme in ("light", "dark"):
            values = visit(path, color_scheme=scheme).evaluate(colors)
            brightness[scheme] = [sum(map(int, value[4:-1].split(", "))) for value in values]
        assert brightness["light"][0] < 150 < 600 < brightness["light"][1]
        assert brightness["dark"][1] < 150 < 600 < brightness["dark"][0]

    def test_print_leaves_out_controls_and_keeps_units(self, visit, path):
        page = visit(path)
        page.emulate_media(media="print")
        assert page.locator("#query").is_hidden()
        assert page.locator("ol.units > li").first.is_visible()
        assert page.pdf().startswith(b"%PDF")

    def test_a_page_without_scripts_still_lists_units_and_documents(self, browser, path):
        context = browser.new_context(java_script_enabled=False)
        page = context.new_page()
        page.goto(path.as_uri())
        assert page.get_by_text("need JavaScript").is_visible()
        page.locator("ol.units summary").first.click()
        assert page.locator("ol.units blockquote").first.is_visible()
        assert page.locator(".explorer").is_hidden()
        context.close()

    def test_names_and_roles_for_screen_readers(self, visit, path):
        page = visit(path)
        assert page.get_by_role("application", name="Map of documents").count() == 1
        assert page.get_by_role("table", name="Matching documents").get_by_role("row").count() > 30
        unnamed = """[...document.querySelectorAll('button, input, select, svg, canvas')].filter(each =>
            each.checkVisibility() && !each.textContent && !each.getAttribute('aria-label')
            && !each.closest('label, [aria-hidden]')).length"""
        assert page.evaluate(unnamed) == 0
        assert page.locator("main").count() == page.locator("h1").count() == 1


class TestSafety:
    def test_documents_cannot_run_scripts(self, visit, path):
        page = visit(path)
        page.get_by_role("searchbox", name="Search titles, texts and words").fill("onerror")
        assert titles(page) == [HOSTILE["title"]]
        page.locator("#results .title").click()
        assert "<script>hacked=1</script>" in page.locator("#results .text").text_content()
        assert HOSTILE["id"] in page.locator("#results .meta").text_content()
        assert page.evaluate("typeof hacked") == "undefined"
        assert page.locator("#results img, #results b, #results script").count() == 0

    def test_the_policy_stops_scripts_and_requests(self, browser, path):
        context = browser.new_context()
        page, messages = context.new_page(), []
        page.on("console", lambda message: messages.append(message.text))
        page.goto(path.as_uri())
        page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'hacked = 1'}))")
        assert page.evaluate("fetch('https://example.org/').then(() => 'sent', () => 'refused')") == "refused"
        assert page.evaluate("typeof hacked") == "undefined"
        assert sum("Content Security Policy" in message for message in messages) >= 2
        context.close()

    def test_a_sample_is_announced(self, visit, folder):
        page = visit(write_page(folder, "sample.html", "--documents", 40))
        assert "random sample of 40 of 91 documents" in page.locator("#documents .note").first.inner_text()
        assert count(page) == "40 documents"
