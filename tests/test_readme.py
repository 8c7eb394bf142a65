"""Tests of the README and docs/: commands and code run, options and links exist, figures match the results."""

import glob
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pytest
from commands import run
from sklearn.decomposition import LatentDirichletAllocation
from text_data import write_jsonl

from docnvil.commands import COMMANDS, main

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [README, *DOCS]
ALL_PAGES = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "corpora" / "README.md"]
# Options in the text that belong to torchrun, Dask and the scripts in corpora/ and benchmarks/.
OTHER_OPTIONS = {
    *("--standalone", "--nnodes", "--nproc-per-node", "--max-restarts", "--rdzv-backend", "--rdzv-endpoint"),
    *("--rdzv-id", "--port", "--nthreads", "--write", "--quick", "--lyrl", "--counts", "--test", "--stop-after"),
}


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def console_commands(page: Path, section: str = "") -> list[str]:
    """Return the docnvil commands in the console blocks of a page, or of one of its sections, without comments.

    Generated blocks are left out: their commands belong to the benchmark that printed them.
    """
    text = re.sub(r"<!-- ([a-z0-9-]+) -->.*?<!-- /\1 -->", "", text_of(page), flags=re.DOTALL)
    if section:
        text = text.split(f"## {section}\n")[1].split("\n## ")[0]
    blocks = "\n".join(re.findall(r"```console\n(.*?)```", text, re.DOTALL))
    return re.findall(r"^\$ docnvil (.*?)(?: +#.*)?$", blocks, re.MULTILINE)


def run_line(command: str, *more: str) -> None:
    """Run a docnvil command as a shell does, with its patterns of file names; it must succeed."""
    words = [path for word in shlex.split(command) for path in (sorted(glob.glob(word)) if "*" in word else [word])]
    run(*words, *more)


@pytest.fixture
def folders(text_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the corpora that the pages use."""
    posts = [{"text": file.read_text(), "id": file.name} for file in sorted(text_folder.rglob("*.txt"))]
    for name, part in (("posts", posts), ("posts-1", posts[::2]), ("posts-2", posts[1::2])):
        write_jsonl(tmp_path / f"{name}.jsonl.gz", part)
    text_folder.rename(tmp_path / "corpus")
    (tmp_path / "held-out" / "sailing").mkdir(parents=True)
    (tmp_path / "held-out" / "sailing" / "new.txt").write_text("wind and sail and storm and anchor\n" * 20)
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- commands


def test_readme_is_short():
    assert len(text_of(README).splitlines()) < 180


def test_readme_commands_run(folders):
    commands = console_commands(README, "Your own documents")
    assert [command.split()[0] for command in commands] == [
        *("fit", "topics", "perplexity", "embed", "report", "explain", "search")
    ]
    for command in commands:
        run_line(command, *(["--epochs", "2"] if command.startswith("fit") else []))
    assert (folders / "embeddings.csv").read_text().startswith("id,label,unit0,")


def test_image_commands_run(tmp_path, monkeypatch):
    images = np.random.default_rng(0).integers(0, 2, (60, 16))
    np.savez(tmp_path / "mnist.npz", train=np.packbits(images, axis=1), test=np.packbits(images[:9], axis=1))
    monkeypatch.chdir(tmp_path)
    commands = console_commands(ROOT / "docs" / "images.md")
    assert [command.split()[0] for command in commands] == ["fit", "perplexity", "draw"]
    for command in commands:
        run_line(command, *(["--epochs", "2"] if command.startswith("fit") else []))


def test_evaluation_commands_run(folders):
    run_line("fit corpus --out model --units 6 --epochs 2")
    commands = console_commands(ROOT / "docs" / "evaluation.md")
    assert len(commands) > 8
    for command in commands:
        run_line(command)


def test_text_commands_run(folders):
    (folders / "corpus").rename(folders / "texts")
    for command in console_commands(ROOT / "docs" / "text.md"):
        run_line(command, "--force")
        (folders / "corpus").rename(folders / f"corpus-{len(list(folders.iterdir()))}")


def test_documents_commands_and_python_run(folders, capsys):
    import docnvil

    run_line("fit corpus --out model --units 2 --epochs 20 --batch-size 10")
    page = ROOT / "docs" / "documents.md"
    commands = console_commands(page)
    assert {command.split()[0] for command in commands} == {"info", "explain", "search", "outliers", "embed"}
    for command in commands:
        run_line(command)
    model = docnvil.load("model")
    rules = {"rules": model.token_rules, "vocabulary": model.vocabulary}
    matrix = docnvil.load_document_term_matrix("corpus", **rules)
    names = {"docnvil": docnvil, "model": model, "matrix": matrix}
    for code in python_blocks(page):
        exec(code, names)
    assert ".txt" in capsys.readouterr().out


def docnvil_command_lines(page: Path) -> Iterator[list[str]]:
    """Yield every docnvil command line of a page, in code blocks or in backticks, as words after "docnvil"."""
    text = text_of(page).replace("\\\n", " ")
    code = [*re.findall(r"```[a-z]*\n(.*?)```", text, re.DOTALL), *re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)]
    code += re.findall(r"^    (.*)$", text, re.MULTILINE)
    for line in "\n".join(code).splitlines():
        if match := re.match(r"^(?:\$ )?(?:srun )?(?:torchrun .*-m )?docnvil ([a-z].*?)(?:  +#.*| &)?$", line.strip()):
            yield shlex.split(match[1].replace("...", ""))


def option_names(command: click.Command) -> set[str]:
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}


def find_command(words: list[str]) -> tuple[click.Command, list[str]]:
    """Return the command that a line calls, and the words that follow its name."""
    command, rest = main, words
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        name, *rest = rest
        command = command.get_command(click.Context(command), name)
        assert command is not None, f"docnvil has no command {name!r} in: {words}"
    return command, rest


@pytest.mark.parametrize("page", ALL_PAGES, ids=name_of)
def test_command_lines_name_existing_commands_and_options(page):
    for words in docnvil_command_lines(page):
        command, rest = find_command(words)
        known = option_names(command) | {"-h", "--help", "--version"}
        unknown = [word for word in rest if word.startswith("-") and word.partition("=")[0] not in known]
        assert not unknown, (words, unknown)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_options_in_the_text_exist(page):
    def all_options(command: click.Command) -> set[str]:
        names = option_names(command)
        if isinstance(command, click.Group):
            for name in command.list_commands(click.Context(command)):
                names |= all_options(command.get_command(click.Context(command), name))
        return names

    text = re.sub(r"<!--.*?-->|^#SBATCH.*$", "", text_of(page), flags=re.MULTILINE)
    mentioned = set(re.findall(r"(?<![\w-])(--[a-z][a-z0-9-]+)", text))
    assert mentioned <= all_options(main) | OTHER_OPTIONS | {"--help"}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_all_rows_of_a_table_have_as_many_cells(page):
    text = re.sub(r"^```.*?^```", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    for table in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        numbers = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
        assert len(numbers) == 1, table


def test_every_command_is_documented():
    documented = {words[0] for page in PAGES for words in docnvil_command_lines(page) if words}
    assert set(COMMANDS) <= documented


# --- Python


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text_of(page), re.DOTALL)


def test_readme_python_runs(folders, capsys):
    (code,) = python_blocks(README)
    exec(code.replace("seed=0", "seed=0, epochs=2"), {})
    assert "per word (elbo)" in capsys.readouterr().out


def test_python_page_runs(folders):
    names = {}
    for code in python_blocks(ROOT / "docs" / "python.md"):
        exec(code, names)
    assert (folders / "my-model" / "model.json").exists()


def test_comparison_python_runs(block_counts):
    from docnvil import Vocabulary

    lda = LatentDirichletAllocation(3, random_state=0).fit(block_counts)
    names = {"lda": lda, "vocabulary": Vocabulary.numbered(block_counts.shape[1]), "counts": block_counts}
    (code,) = python_blocks(ROOT / "docs" / "comparison.md")
    exec(code, {**names, "observed": block_counts, "held_out": block_counts})


# --- figures, links and names


def test_tables_and_figures_match_the_results(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import tables

    for page in tables.PAGES:
        assert tables.render(text_of(page)) == text_of(page), page
    for name, draw in tables.FIGURES.items():
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == draw(), name
    sys.modules.pop("tables")


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text_of(page), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", ALL_PAGES, ids=name_of)
def test_links_resolve(page):
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text_of(page)):
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_tree_of_contributing_is_complete():
    tree = text_of(ROOT / "CONTRIBUTING.md").split("docnvil/\n")[1].split("```")[0]
    for name in re.findall(r"([\w/]+(?:\.py|/))", tree):
        assert any((ROOT / folder / name).exists() for folder in (".", "docnvil", "tests")), name
    modules = {path.name for path in (ROOT / "docnvil").iterdir() if not path.name.startswith("_")} - {"py.typed"}
    assert modules == {name.rstrip("/") for name in re.findall(r"^[├└]── ([\w.]+)", tree, re.MULTILINE)}


@pytest.mark.parametrize("page", ALL_PAGES, ids=name_of)
def test_make_targets_and_scripts_exist(page):
    targets = set(re.findall(r"^([a-z0-9 -]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    targets = {name for line in targets for name in line.split()}
    code = "\n".join(re.findall(r"(?:^\$ |^    |`)(make [a-z0-9-]+)", text_of(page), re.MULTILINE))
    assert set(re.findall(r"make ([a-z0-9-]+)", code)) <= targets
    for script in re.findall(r"(?:benchmarks|corpora)/[\w/-]+\.py", text_of(page)):
        assert (ROOT / script).exists(), script
