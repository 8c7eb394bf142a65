"""Size and speed of the report's page in Chromium, with 20,000 documents on its map.

Data: the 18,846 posts of 20 Newsgroups and 5,000 of them again, so that the page shows a sample of 20,000. The model is
trained for 2 epochs, because only its number of units matters here. Each interaction is repeated and timed in the
page, from the event until the next frame has been painted. Other work on the machine makes these times longer, so the
processor time of the page's main thread is measured as well.

    python benchmarks/quality/report_page.py                               4 minutes on two cores
                                                                           writes benchmarks/results/report_page.json
    python benchmarks/quality/report_page.py --picture demo/report.html    writes docs/report.webp instead
"""

import gzip
import io
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parents[1]))

import ng20
from common import ROOT, docnvil, save_results

COMMAND = "python benchmarks/quality/report_page.py"
REPEATED, EPOCHS, UNITS, REPEATS, WARM_UP = 5000, 2, 50, 20, 2
MAX_PICTURE_BYTES = 250_000
# What a reader does: a name, and JavaScript that does it. `turn` counts the repetitions.
INTERACTIONS = {
    "type a letter in the search": "type('query', ['s', 'sp', 'spa', 'spac', 'space'][turn % 5])",
    "clear the search": "type('query', turn % 2 ? '' : 'god')",
    "choose a unit": "choose('pick-unit', 1 + turn % 20)",
    "choose a label": "choose('pick-label', 1 + turn % 20)",
    "choose a color": "choose('pick-color', turn % 2)",
    "zoom": "wheel(turn % 10 < 5 ? -120 : 120)",
    "pan": "drag(turn % 2 ? 40 : -40)",
    "hover over a document": "hover(turn)",
    "open a document": "document.querySelectorAll('#results .title')[turn % 20].click()",
    "show more documents": "document.querySelector('#more').click()",
}
HELPERS = """
const byId = id => document.getElementById(id), map = byId('map');
const type = (id, text) => { byId(id).value = text; byId(id).dispatchEvent(new Event('input')); };
const choose = (id, index) => { byId(id).selectedIndex = index; byId(id).dispatchEvent(new Event('change')); };
const at = (name, x, y, more = {}) => {
  const box = map.getBoundingClientRect(), place = {clientX: box.left + x, clientY: box.top + y};
  map.dispatchEvent(new PointerEvent(name, {...place, pointerId: 1, bubbles: true, ...more}));
};
map.setPointerCapture = () => {};
const wheel = amount => {
  map.focus();
  const box = map.getBoundingClientRect(), place = {clientX: box.left + 300, clientY: box.top + 250};
  map.dispatchEvent(new WheelEvent('wheel', {deltaY: amount, cancelable: true, ...place}));
};
const drag = x => { at('pointerdown', 200, 200); at('pointermove', 200 + x, 220); at('pointerup', 200 + x, 220); };
const hover = turn => at('pointermove', 150 + 17 * (turn % 20), 150 + 13 * (turn % 20));
const painted = () => new Promise(done => requestAnimationFrame(() => {
  const channel = new MessageChannel(); channel.port1.onmessage = done; channel.port2.postMessage(0); }));
"""


@contextmanager
def browsing(width: int = 1280, height: int = 900) -> Iterator[Any]:
    """Yield a page of headless Chromium."""
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        raise click.ClickException("There is no Chromium. Install it, for example with: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": width, "height": height}, color_scheme="light")
        browser.close()


def open_page(page: Any, path: Path) -> float:
    """Open a report and return the seconds until its documents can be used."""
    start = time.perf_counter()
    page.goto(path.resolve().as_uri())
    page.wait_for_function("document.documentElement.dataset.ready === 'true'")
    return time.perf_counter() - start


def measure(path: Path) -> dict[str, Any]:
    """Return the seconds to open a page, and the milliseconds of each interaction: median, largest and processor."""
    with browsing() as page:
        seconds = [open_page(page, path) for _ in range(3)]
        metrics = page.context.new_cdp_session(page)
        metrics.send("Performance.enable", {"timeDomain": "threadTicks"})

        def processor_milliseconds() -> float:
            values = {each["name"]: each["value"] for each in metrics.send("Performance.getMetrics")["metrics"]}
            return 1000 * values["TaskDuration"]

        times: dict[str, dict[str, float]] = {}
        for name, action in INTERACTIONS.items():
            open_page(page, path)
            script = f"""async turn => {{ {HELPERS} await painted(); const start = performance.now();
                {action}; await painted(); return performance.now() - start; }}"""
            wall, processor = [], []
            for turn in range(REPEATS + WARM_UP):
                before = processor_milliseconds()
                wall.append(page.evaluate(script, turn))
                processor.append(processor_milliseconds() - before)
            wall, processor = wall[WARM_UP:], processor[WARM_UP:]
            times[name] = {"median": median(wall), "largest": max(wall), "processor": median(processor)}
        version = page.context.browser.version
    rounded = {name: {key: round(value, 1) for key, value in each.items()} for name, each in times.items()}
    return {"seconds_to_open": round(median(seconds), 2), "milliseconds": rounded, "chromium": version}


def write_posts(path: Path) -> int:
    """Write the posts, and some again with other ids, and return how many there are."""
    with gzip.open(ng20.raw_posts(), "rt", encoding="utf-8") as file:
        posts = [json.loads(line) for line in file]
    posts += [post | {"id": f"{post['id']}-again"} for post in posts[:REPEATED]]
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=1) as file:
        file.writelines(json.dumps(post) + "\n" for post in posts)
    return len(posts)


def take_picture(path: Path, out: Path) -> None:
    """Write a picture of the top of a page, down to the end of its map, as WebP under 250 kB."""
    from PIL import Image

    with browsing() as page:
        open_page(page, path)
        height = page.evaluate("document.querySelector('.explorer').getBoundingClientRect().bottom + 28")
        page.set_viewport_size({"width": 1280, "height": round(height)})
        page.wait_for_timeout(500)
        picture = Image.open(io.BytesIO(page.screenshot()))
    for quality in range(90, 20, -5):
        data = io.BytesIO()
        picture.convert("RGB").save(data, "WEBP", quality=quality, method=6)
        if data.tell() < MAX_PICTURE_BYTES:
            break
    out.write_bytes(data.getvalue())
    click.echo(f"Wrote {out}: {data.tell() / 1000:.0f} kB, quality {quality}.")


@click.command()
@click.option("--work", type=click.Path(path_type=Path), help="Folder that keeps the posts, the model and the page.")
@click.option("--picture", type=click.Path(path_type=Path), help="Only write docs/report.webp, from this page.")
def main(work: Path | None, picture: Path | None) -> None:
    """Measure the page of a report with 20,000 documents; write benchmarks/results/report_page.json."""
    if picture is not None:
        take_picture(picture, ROOT / "docs" / "report.webp")
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = work or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        posts, model, page = folder / "posts.jsonl.gz", folder / "model", folder / "page.html"
        n_posts = write_posts(posts)
        if not model.exists():
            docnvil("fit", posts, *ng20.RAW_COLUMNS, "--units", UNITS, "--epochs", EPOCHS, "--out", model)
        report = docnvil("report", model, posts, *ng20.RAW_COLUMNS, "--out", page, "--force", "--json")
        results = {
            "posts": n_posts,
            "epochs": EPOCHS,
            "units": UNITS,
            "repeats": REPEATS,
            "load_average": [round(value, 1) for value in os.getloadavg()],
            "documents_shown": report.json["documents_shown"],
            "bytes": report.json["bytes"],
            "map": report.json["map"],
            "report_wall_seconds": round(report.seconds, 1),
            "report_peak_mebibytes": round(report.peak_mebibytes),
            **measure(page),
        }
    click.echo(json.dumps(results, indent=1))
    save_results("report_page", COMMAND, results)


if __name__ == "__main__":
    main()
