"""The report: an HTML page that needs no network, and an overview as one SVG picture."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from commands import run

from docnvil.analysis.topics import Topic
from docnvil.estimator import DocNVIL
from docnvil.model.settings import ModelConfig
from docnvil.model.visible import VISIBLE_LAYERS
from docnvil.report.curves import Line, chart, ticks, training_charts
from docnvil.report.description import describe_gradient, describe_model, describe_network
from docnvil.report.overview import draw_overview
from docnvil.report.page import render, render_overview
from docnvil.report.payload import script_hash
from docnvil.report.svg import text_width
from docnvil.text.tokens import TokenRules
from docnvil.text.vocabulary import Vocabulary
from docnvil.training.fitted_model import FittedModel
from docnvil.training.gradient_estimators import GRADIENT_ESTIMATORS
from docnvil.training.records import EpochRecord
from docnvil.training.settings import TrainingConfig

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE_WORDS = ["<b>&\"'", "</script>", "]]>", "a\x01b", "日本語", "שלום", "{{ 7 * 7 }}"]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found")


@pytest.fixture(scope="module")
def fitted(block_counts) -> DocNVIL:
    return DocNVIL(n_components=4, epochs=10, random_state=0).fit(block_counts)


@pytest.fixture(scope="module")
def model(fitted) -> FittedModel:
    """A model whose units 0 and 2 are dead, and whose unit 3 is more informative than unit 1."""
    statistics = replace(fitted.model_.statistics, information=np.array([0.0, 0.2, 0.0, 0.4]))
    return replace(fitted.model_, statistics=statistics)


@pytest.fixture(scope="module")
def hostile(model) -> FittedModel:
    words = HOSTILE_WORDS + [f"word{column}" for column in range(15 - len(HOSTILE_WORDS))]
    return replace(model, vocabulary=Vocabulary(words), token_rules=TokenRules(stop_words=("<i>",)))


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


def unit_rows(page: str) -> list[int]:
    return [int(unit) for unit in re.findall(r'<li id="unit(\d+)"', page)]


class TestDescription:
    @pytest.mark.parametrize(
        ("settings", "expected"),
        [
            ({}, "Sigmoid belief network, 50 units, softmax output layer, factorial recognition network"),
            ({"units": (1,)}, "Sigmoid belief network, 1 unit, softmax output layer, factorial recognition network"),
            (
                {"units": (200, 50), "observation": "bernoulli"},
                "Sigmoid belief network, 200-50 units, Bernoulli output layer, factorial recognition network",
            ),
            (
                {"prior": "autoregressive", "posterior": "autoregressive", "observation": "dirichlet-multinomial"},
                "fDARN, 50 units, Dirichlet-multinomial output layer, autoregressive recognition network",
            ),
            (
                {"prior": "autoregressive", "observation": "autoregressive-bernoulli", "recognition_hidden": (100, 40)},
                "DARN, 50 units, autoregressive Bernoulli output layer, factorial recognition network with 100-40 tanh"
                " units",
            ),
        ],
    )
    def test_names_the_network(self, settings, expected):
        assert describe_network(ModelConfig(2000, **settings)) == expected

    @pytest.mark.parametrize("prior", ["factorial", "autoregressive", "mixture", "uniform"])
    @pytest.mark.parametrize("observation", VISIBLE_LAYERS)
    @pytest.mark.parametrize("posterior", ["factorial", "autoregressive"])
    def test_names_every_combination(self, prior, observation, posterior):
        config = ModelConfig(2000, prior=prior, posterior=posterior, observation=observation)
        description = describe_model(config, TrainingConfig())
        kinds = {
            "factorial": "Sigmoid belief network",
            "autoregressive": "fDARN",
            "mixture": "Sigmoid belief network with 50 themes",
            "uniform": "Sigmoid belief network with a uniform prior",
        }
        is_darn = prior == "autoregressive" and observation == "autoregressive-bernoulli"
        assert description.startswith(f"{'DARN' if is_darn else kinds[prior]}, 50 units, ")
        assert f", {VISIBLE_LAYERS[observation].name} output layer, " in description
        assert f", {posterior} recognition network, trained with NVIL (5 samples, " in description

    @pytest.mark.parametrize("gradient", GRADIENT_ESTIMATORS)
    def test_names_every_gradient_estimator(self, gradient):
        text = describe_gradient(TrainingConfig(gradient=gradient, n_samples=6))
        names = {"rws": "reweighted wake-sleep", "st-gumbel": "straight-through Gumbel"}
        assert text.lower().startswith(names.get(gradient, gradient).lower())
        assert ("baseline" in text) == (gradient == "nvil")
        assert "(6 samples" in text

    @pytest.mark.parametrize(
        ("settings", "expected"),
        [
            ({}, "NVIL (5 samples, leave-one-out baseline)"),
            ({"baseline": "learned", "n_samples": 1}, "NVIL (1 sample, learned baselines)"),
            ({"baseline": "none", "center": False, "normalize": False, "local_signals": False},
             "NVIL (5 samples, no baseline, no centering, no variance normalization, no local signals)"),
        ],
    )  # fmt: skip
    def test_names_the_variance_reduction_of_nvil(self, settings, expected):
        assert describe_gradient(TrainingConfig(**settings)) == expected

    def test_page_and_overview_name_the_model(self, block_counts):
        model = DocNVIL((3, 2), observation="softmax", gradient="rws", epochs=1, prior="factorial").fit(block_counts)
        page, overview = render(model.model_), render_overview(model.model_)
        network = "Sigmoid belief network, 3-2 units, softmax output layer, autoregressive recognition network"
        assert f"{network}, trained with reweighted wake-sleep (5 samples).</p>" in page
        assert f">{network}</text>" in overview
        assert ">Trained with reweighted wake-sleep (5 samples); validation perplexity " in overview
        assert "NVIL" not in page.replace("docnvil", "")


class TestPage:
    def test_live_units_are_sorted_by_information_and_dead_units_listed_apart(self, model):
        page = render(model)
        assert unit_rows(page) == [3, 1]
        dead = page[page.index('<details class="dead">') :]
        assert "<summary>2 dead units</summary>" in dead
        assert "<p>Units 0, 2. " in dead
        assert "2 live, 2 dead" in page

    def test_all_or_no_units_can_be_dead(self, model):
        all_dead = replace(model, statistics=replace(model.statistics, information=np.zeros(4)))
        assert "No unit is live" in render(all_dead)
        ElementTree.fromstring(render_overview(all_dead))
        all_live = replace(model, statistics=replace(model.statistics, information=np.ones(4)))
        assert sorted(unit_rows(render(all_live))) == [0, 1, 2, 3]
        assert 'class="dead"' not in render(all_live)

    def test_shows_key_figures_and_settings(self, model):
        page = render(model)
        best = max((record for record in model.history if record.best), key=lambda record: record.epoch)
        for text in ("120", "2,400 tokens", "per document; bound with 10 samples", f"{best.validation_perplexity:.1f}"):
            assert text in page
        assert f"<dd>{best.epoch}</dd><dd>of {len(model.history)}, by validation bound</dd>" in page
        for setting in ("learning_rate", "batch_size", "seed", "recognition_input"):
            assert f'<th scope="row">{setting}</th>' in page
        assert "trained on ready-made counts" in page
        assert "named by their column number" in page

    def test_shows_the_token_rules(self, hostile):
        page = render(hostile)
        assert "1 word (custom)" in page
        assert "token_pattern" in page
        assert "ready-made counts" not in page

    def test_same_model_gives_the_same_bytes(self, model, folder):
        assert render(model) == render(model)
        assert render_overview(model) == render_overview(model)
        for name in ("one.html", "two.html"):
            run("report", folder, "--out", folder.parent / name)
        assert (folder.parent / "one.html").read_bytes() == (folder.parent / "two.html").read_bytes()

    def test_words_and_titles_are_escaped(self, hostile):
        page = render(hostile, title="<b>&\"'\x02{{ 7 * 7 }}", top_n=15)
        assert "<b>" not in page
        assert page.count("</script>") == 1
        assert "&lt;b&gt;&amp;&#34;&#39;\ufffd{{ 7 * 7 }}</h1>" in page
        assert not re.search("[\x00-\x08\x0b-\x1f]", page)
        picture = render_overview(hostile, title="<b>&\"'")
        assert any(text.text == "<b>&\"'" for text in ElementTree.fromstring(picture).iter(f"{SVG}text"))

    def test_loads_nothing_from_the_network(self, hostile):
        page = render(hostile)
        assert not re.search(r"https?:|//\w|@import|url\(|src=", page.replace("img-src", ""))
        script = page[page.rindex("<script>") + len("<script>") : page.rindex("</script>")]
        assert f"default-src 'none'; style-src 'unsafe-inline'; script-src {script_hash(script)};" in page

    def test_svg_is_well_formed(self, hostile):
        assert ElementTree.fromstring(render_overview(hostile)).tag == f"{SVG}svg"
        drawings = re.findall(r"<svg.*?</svg>", render(hostile), flags=re.DOTALL)
        assert len(drawings) == 2
        for drawing in drawings:
            ElementTree.fromstring(drawing)

    def test_lists_the_first_of_several_layers(self, block_counts):
        page = render(DocNVIL(n_components=(3, 2), epochs=1).fit(block_counts).model_)
        assert "<dd>3-2</dd>" in page
        assert "top words (first layer)" in page
        assert len(unit_rows(page)) <= 3

    @pytest.mark.parametrize(
        ("validation", "expected"),
        [
            (0, "the training documents themselves"),
            (0.0, "the training documents themselves"),
            (5, "held out of training to choose the best epoch (at most 5)"),
            (0.1, "held out of training to choose the best epoch (10%)"),
        ],
    )
    def test_says_which_documents_validation_uses(self, block_counts, validation, expected):
        assert expected in render(DocNVIL(2, epochs=1, validation=validation).fit(block_counts).model_)

    def test_binary_models_report_nats_per_vector(self, block_counts):
        bits = (block_counts > 0).astype(np.int64)
        model = DocNVIL(2, recipe="binary", epochs=1, random_state=0).fit(bits).model_
        page = render(model)
        assert "perplexity</dt>" not in page
        assert "nats per vector; bound with 10 samples" in page
        assert page.count("<figure") == 1
        assert "validation bound −" in render_overview(model)

    def test_names_duplicate_and_general_units(self, model, monkeypatch):
        units = [
            Topic(unit, (0,), (1.0,), 0.5, 0.5, False, **marks)
            for unit, marks in ((3, {"general": True}), (2, {"duplicate_of": 0}), (1, {"general": True}), (0, {}))
        ]
        monkeypatch.setattr(FittedModel, "topics", lambda *arguments: units)
        page = " ".join(render(model).split())
        assert "Unit 2 is a duplicate of unit 0. Units 1, 3 are general: " in page
        monkeypatch.setattr(FittedModel, "topics", lambda *arguments: units[-1:])
        assert "is a duplicate of unit" not in render(model)


class TestCharts:
    @pytest.mark.parametrize(
        "values", [[-5.0], [-5.0, -5.0], [-9.0, -7.5, -7.0, -8.0], [0.0, -1e-9], [-1e6, -2.0, -3.0], list(range(300))]
    )
    @pytest.mark.parametrize("width", [384, 640])
    def test_curves_stay_in_the_plot_and_the_best_epoch_label_above_it(self, values, width):
        best = int(np.argmax(values)) + 1
        lines = [Line("training", [value - 1 for value in values], "red"), Line("validation", values, "blue")]
        drawing = ElementTree.fromstring(chart(lines, best, "bound", width=width, height=320))
        label = next(text for text in drawing.iter("text") if text.text.startswith(f"best epoch {best}: "))
        heights = [float(circle.get("cy")) for circle in drawing.iter("circle")]
        for path in drawing.iter("path"):
            points = np.array([point.split() for point in path.get("d")[1:].split("L")], dtype=float)
            assert len(points) == len(values)
            assert (points >= 0).all()
            assert (points <= [width, 320]).all()
            heights += points[:, 1].tolist()
        assert float(label.get("y")) + 4 < min(heights)  # no curve crosses the label
        half = text_width(label.text, 13) / 2
        assert half <= float(label.get("x")) <= width - half

    def test_infinite_perplexity_is_left_out(self):
        drawing = ElementTree.fromstring(chart([Line("validation", [np.inf, 9.0, 7.0], "blue")], 3, "perplexity"))
        assert drawing.find("path").get("d").count("L") == 1
        ElementTree.fromstring(chart([Line("validation", [np.inf], "blue")], 1, "perplexity"))

    def test_ticks_are_round_and_enclose_the_values(self):
        generator = np.random.default_rng(0)
        for _ in range(200):
            low, span = generator.normal(scale=1000), 10 ** generator.uniform(-3, 5)
            values = ticks(low, low + span)
            assert values[0] <= low + 1e-6 * span
            assert values[-1] >= low + span - 1e-6 * span
            assert 3 <= len(values) <= 8
            assert np.allclose(np.diff(values), values[1] - values[0])


class TestOverview:
    charts = training_charts(history([-9.0, -8.0], 2), VISIBLE_LAYERS["softmax"], width=384, height=250)

    def test_shows_the_most_informative_live_units(self):
        def unit(number: int, information: float) -> tuple[Topic, list[str]]:
            topic = Topic(number, (0, 1, 2), (0.5, 0.2, 0.0), 0.5 / (number + 1), information, information < 0.01)
            return topic, [f"first{number}", f"second{number}", f"third{number}"]

        units = [unit(number, 0.001 if number == 7 else 0.02 * (number + 1)) for number in range(30)]
        drawing = ElementTree.fromstring(draw_overview(self.charts, units, "Title"))
        texts = ["".join(text.itertext()) for text in drawing.iter(f"{SVG}text")]
        shown = [int(text.split("second")[1]) for text in texts if "second" in text]
        assert shown == list(range(14, 30))
        assert not any("third" in text for text in texts)  # its score is zero
        assert "top words of the 16 most informative of 29 live units" in texts

    def test_long_words_stay_inside(self):
        topic = Topic(0, tuple(range(8)), tuple(np.linspace(1, 0.3, 8)), 0.5, 0.5, False)
        drawing = draw_overview(self.charts, [(topic, ["m" * 18] * 8)], "Title")
        assert 1 <= drawing.count("m" * 18) < 8

    def test_descriptions_fit_beside_each_other(self):
        long = describe_network(
            ModelConfig(
                2000, (200, 200, 200), "autoregressive", "autoregressive", "autoregressive-bernoulli",
                recognition_hidden=(500, 500),
            )
        )  # fmt: skip
        assert text_width(long, 14) < 1120 - 2 * 36


class TestCommand:
    def test_writes_page_and_picture(self, folder, tmp_path):
        page, picture = tmp_path / "new" / "page.html", tmp_path / "overview.svg"
        result = run("report", folder, "--out", page, "--overview", picture, "--words", 3, "--title", "My <model>")
        assert result.stdout == ""
        assert f"Wrote {page}" in result.stderr
        assert f"Wrote {picture}" in result.stderr
        assert "<title>My &lt;model&gt;</title>" in page.read_text(encoding="utf-8")
        rows = re.findall(r'<span class="words">(.*)</span>', page.read_text(encoding="utf-8"))
        assert rows
        assert all(1 <= row.count("<bdi") <= 3 for row in rows)
        ElementTree.parse(picture)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "overview.svg"]

    def test_replaces_files_only_with_force(self, folder, tmp_path):
        existing = tmp_path / "overview.svg"
        existing.write_text("existing")
        arguments = ("report", folder, "--out", tmp_path / "page.html", "--overview", existing)
        run(*arguments, status=1, stderr="already exists")
        assert existing.read_text() == "existing"
        assert not (tmp_path / "page.html").exists()
        run("report", folder, "--out", tmp_path / "page.html", "--overview", existing, "--force")
        assert existing.read_text().startswith("<svg")

    def test_errors_name_the_problem(self, folder, tmp_path):
        arguments = ("report", folder, "--out", tmp_path / "a", "--overview", tmp_path / "b" / ".." / "a")
        run(*arguments, status=2, stderr="Choose two different files.")
        run("report", tmp_path / "missing", "--out", tmp_path / "page.html", status=1, stderr="missing")
        assert list(tmp_path.iterdir()) == []


@needs_browser
class TestInBrowser:
    def test_page_sorts_and_finds(self, model, tmp_path):
        page = tmp_path / "page.html"
        page.write_text(render(model), encoding="utf-8")
        by_share = sorted([1, 3], key=lambda unit: -model.statistics.activity[unit])
        orders = {
            "": [3, 1],
            "#sort=unit": [1, 3],
            "#sort=share": by_share,
            "#sort=information": [3, 1],
        }
        for address, order in orders.items():
            dom = browse(page.as_uri() + address, tmp_path / "profile", "--dump-dom")
            assert unit_rows(dom) == order, address
        word = re.search(r"<bdi[^>]*>(word\d+)</bdi>", render(model))[1]
        dom = browse(f"{page.as_uri()}#find={word.upper()}", tmp_path / "profile", "--dump-dom")
        assert re.search(rf'<bdi class="w\d match">{word}</bdi>', dom)

    def test_page_and_picture_are_drawn(self, model, tmp_path):
        for name, content in (("page.html", render(model)), ("overview.svg", render_overview(model))):
            (tmp_path / name).write_text(content, encoding="utf-8")
            screenshot = tmp_path / f"{name}.png"
            options = (f"--screenshot={screenshot}", "--window-size=1120,672")
            browse((tmp_path / name).as_uri(), tmp_path / "profile", *options)
            assert screenshot.read_bytes().startswith(b"\x89PNG")
            assert screenshot.stat().st_size > 10_000


def browse(address: str, profile: Path, *options: str) -> str:
    quiet = "--no-first-run --disable-background-networking --disable-component-update --disable-sync"
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", *quiet.split(), f"--user-data-dir={profile}"]
    done = subprocess.run([*command, *options, address], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout
