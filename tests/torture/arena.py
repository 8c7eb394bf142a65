"""The place of an attack: a scratch folder with small inputs, two versions of each, and commands that are run there."""

import csv
import hashlib
import json
import random
import re
import shutil
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from torture import forking
from torture.forking import Finished

Item = TypeVar("Item")
SUBJECTS = (
    "mast sail wind keel anchor tide",
    "onion salt oven butter flour garlic",
    "goal match team ball coach score",
)
GROUPS = ("sea", "food", "sport")
# Names that the system or docnvil chooses at random.
_RANDOM_NAME = re.compile(r"\.[a-z0-9_]{8}\.part")
_TIMES = re.compile(rb'"(?:[a-z_]*seconds)": (?:[-0-9.e]+|\[[^]]*\]),?')


class Arena:
    """Scratch folder, random choices and commands of one attack.

    Arguments:
        folder: a folder that only this attack uses.
        seed: of all random choices.
        n_tries: the number of tries that are wanted; None for all.
    """

    def __init__(self, folder: Path, seed: int = 0, n_tries: int | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.seed, self.n_tries = folder, seed, n_tries
        self.cases: dict[Any, Any] = {}  # see `cases.case_of`

    def random(self, purpose: str) -> random.Random:
        """Return a generator that depends on the seed and the purpose."""
        return random.Random(f"{self.seed} {purpose}")

    def choose(self, items: Sequence[Item], purpose: str = "") -> list[Item]:
        """Return as many of the items as tries are wanted, in their order."""
        if self.n_tries is None or self.n_tries >= len(items):
            return list(items)
        numbers = self.random(f"choose {purpose}").sample(range(len(items)), self.n_tries)
        return [items[number] for number in sorted(numbers)]

    def run(self, *arguments: object, before: Callable[[], None] | None = None, timeout: float = 120.0) -> Finished:
        """Run a command of docnvil in a forked child.

        Arguments:
            arguments: of the command line.
            before: is called first in the child.
            timeout: in seconds.
        """
        return forking.wait(self.start(*arguments, before=before), self._log, timeout)

    def start(self, *arguments: object, before: Callable[[], None] | None = None) -> int:
        """Start a command of docnvil in a forked child, and return its process id."""
        self._ready()

        def work() -> None:
            if before is not None:
                before()
            forking.run_docnvil(arguments)

        self.temporary.mkdir(exist_ok=True)
        return forking.start(work, self._log, environment={"TMPDIR": str(self.temporary)})

    def wait(self, child: int, timeout: float = 120.0) -> Finished:
        """Wait for a started command."""
        return forking.wait(child, self._log, timeout)

    @cached_property
    def inputs(self) -> Path:
        """The folder with the inputs `new` and `old`: texts, a corpus and a model."""
        for number, version in enumerate(("new", "old")):
            folder = self.folder / "case" / "in" / version
            folder.mkdir(parents=True)
            write_posts(folder / "posts.jsonl", n_documents=60, seed=number)
            write_posts(folder / "more.jsonl", n_documents=20, seed=number + 2)
            write_texts(folder / "texts", folder / "posts.jsonl")
            self.must_run("fit", folder / "posts.jsonl", "--units", 2, "--epochs", 2, "--out", folder / "model")
            self.must_run("corpus", "build", folder / "posts.jsonl", "--out", folder / "corpus")
            np.save(folder / "bits.npy", np.random.default_rng(number).integers(0, 2, size=(30, 9), dtype=np.uint8))
            self.must_run("fit", folder / "bits.npy", "--units", 2, "--epochs", 1, "--out", folder / "images")
        return self.folder / "case" / "in"

    @property
    def temporary(self) -> Path:
        """The folder for temporary files of commands."""
        return self.folder / "case" / "tmp"

    def must_run(self, *arguments: object) -> Finished:
        """Run a command that must succeed, and import what it imports here, so that its next runs are faster."""
        self._ready()
        modules = self.folder / "modules"
        self.temporary.mkdir(exist_ok=True)
        environment = {"TMPDIR": str(self.temporary)}
        child = forking.start(
            partial(forking.run_and_list_modules, arguments, modules), self._log, environment=environment
        )
        finished = forking.wait(child, self._log)
        if finished.status:
            raise RuntimeError(f"docnvil {' '.join(map(str, arguments))} failed:\n{finished.stderr}")
        forking.import_listed(modules)
        return finished

    @property
    def _log(self) -> Path:
        return self.folder / "log"

    def _ready(self) -> None:
        (self.folder / "case").mkdir(exist_ok=True)
        if not Arena._is_preloaded:
            forking.preload()
            Arena._is_preloaded = True

    _is_preloaded = False


def write_posts(path: Path, n_documents: int, seed: int) -> None:
    """Write documents on three subjects, with a group and a date, as JSON lines."""
    generator = random.Random(seed)
    rows: list[dict[str, Any]] = [
        {
            "id": f"d{number}",
            "text": " ".join(generator.choices(SUBJECTS[number % 3].split(), k=12)),
            "group": GROUPS[number % 3],
            "date": f"{2020 + number % 4}-0{1 + number % 9}-11",
        }
        for number in range(n_documents)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_texts(folder: Path, posts: Path) -> None:
    """Write the same documents as files in two subfolders."""
    for number, line in enumerate(posts.read_text(encoding="utf-8").splitlines()[:12]):
        path = folder / GROUPS[number % 2] / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.loads(line)["text"], encoding="utf-8")


def snapshot(folder: Path) -> dict[str, str]:
    """Return a digest of every file below a folder, and "" for empty folders; names are those without random parts.

    Measured times do not count.
    """
    digests: dict[str, str] = {}
    if not folder.exists():
        return digests
    for path in sorted(folder.rglob("*")):
        name = _RANDOM_NAME.sub(".RANDOM.part", path.relative_to(folder).as_posix())
        if path.is_dir():
            if not any(path.iterdir()):
                digests[name] = ""
        else:
            digests[name] = hashlib.sha256(without_times(path)).hexdigest()[:16]
    return digests


def without_times(path: Path) -> bytes:
    """Return the content of a file without measured times and what depends on them."""
    content = path.read_bytes()
    if path.name == "run.json" or path.suffix == ".lock":
        return b""
    if path.name == "manifest.json":
        try:
            manifest = json.loads(content)
            manifest["files"].pop("run.json", None)
            return json.dumps(manifest).encode()
        except (ValueError, KeyError, TypeError):  # a part of a file
            return content
    if path.suffix == ".csv" and b"seconds" in content.partition(b"\n")[0]:
        return without_columns(content.decode(), ("second", "mebibytes"))
    return _TIMES.sub(b"", content) if path.suffix == ".json" else content


def without_columns(text: str, parts: Sequence[str]) -> bytes:
    """Return the rows of a CSV file without the columns whose names contain one of the parts."""
    rows = list(csv.reader(text.splitlines()))
    kept = [number for number, name in enumerate(rows[0]) if not any(part in name for part in parts)]
    return json.dumps([[row[number] for number in kept if number < len(row)] for row in rows]).encode()


def size_of(folder: Path, name: str) -> int:
    """Return the size of a file below a folder in bytes, 0 if it is missing."""
    path = folder / name
    return path.stat().st_size if path.is_file() else 0


def replace_tree(source: Path | None, target: Path) -> None:
    """Make `target` a copy of a folder, or an empty folder."""
    shutil.rmtree(target, ignore_errors=True)
    if source is None:
        target.mkdir(parents=True)
    else:
        shutil.copytree(source, target)
