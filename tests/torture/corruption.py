"""Every truncation and every flipped bit of every file of a model, a corpus, an unfinished training and an index.

A damaged file must be refused with a message that names the file or its folder, or give the same result.
"""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from torture import forking
from torture.arena import Arena
from torture.registry import Outcome, Try, failure

if TYPE_CHECKING:
    from docnvil.training.fitted_model import FittedModel

BYTES_PER_TRY = 64
LENGTHS_PER_TRY = 256
CHECKPOINT = "m.unfinished"


@dataclass(frozen=True)
class Target:
    """Something that is read from disk.

    Arguments:
        name: its name in keys.
        path: its folder or file.
        read: reads all of it, and returns a digest of the result.
    """

    name: str
    path: Path
    read: Callable[[], str]

    def files(self) -> list[Path]:
        """Return all files, in the order of their names."""
        return [self.path] if self.path.is_file() else sorted(each for each in self.path.rglob("*") if each.is_file())


def tries(arena: Arena) -> Iterator[Try]:
    """Yield a try for every block of bytes, all of whose bits are flipped, and for every block of lengths."""
    keys = []
    for target in make_targets(arena):
        for file in target.files():
            size = file.stat().st_size
            keys += [(target, file, flip, start) for start in range(0, size, BYTES_PER_TRY)]
            keys += [(target, file, truncate, start) for start in range(0, size, LENGTHS_PER_TRY)]
    for target, file, damage, start in arena.choose(keys):
        name = file.relative_to(target.path.parent).as_posix()
        yield Try(
            f"{target.name}: {damage.__name__} {name} from {start}", partial(attack, arena, target, file, damage, start)
        )


def flip(content: bytes, start: int) -> Iterator[tuple[str, bytes]]:
    """Yield a file with each bit of a block flipped."""
    for position in range(start, min(start + BYTES_PER_TRY, len(content))):
        for bit in range(8):
            changed = bytes([content[position] ^ (1 << bit)])
            yield f"bit {bit} of byte {position}", content[:position] + changed + content[position + 1 :]


def truncate(content: bytes, start: int) -> Iterator[tuple[str, bytes]]:
    """Yield a file cut off at each length of a block."""
    for length in range(start, min(start + LENGTHS_PER_TRY, len(content))):
        yield f"length {length}", content[:length]


def attack(arena: Arena, target: Target, file: Path, damage: Callable, start: int) -> Outcome:
    """Read a target with each damage of a block, in one forked child, and count what happens."""
    content, log = file.read_bytes(), arena.folder / "damage"
    expected = target.read()

    def work() -> None:
        results: Counter[str] = Counter()
        details = []
        for place, damaged in damage(content, start):
            file.write_bytes(damaged)
            result = result_of(target, expected)
            results[result] += 1
            if result not in ("refused", "same"):
                details.append(f"{place}: {result}")
        print(json.dumps([results, details[:5]]))

    try:
        finished = forking.wait(forking.start(work, log), log, timeout=300)
    finally:
        file.write_bytes(content)
    if finished.status:
        return failure(f"the process ends with status {finished.status}: {finished.stderr[-1500:]}")
    results, details = json.loads(finished.stdout)
    n_tries = sum(results.values())
    failures = n_tries - results.get("refused", 0) - results.get("same", 0)
    main = max(results, key=results.get)
    return Outcome(main, n_tries, failures, detail="\n".join(details))


def result_of(target: Target, expected: str) -> str:
    """Return "same", "refused", or what is wrong."""
    from docnvil.errors import DocnvilError

    try:
        return "same" if target.read() == expected else "another result"
    except DocnvilError as error:
        return "refused" if target.path.name in str(error) else f"refused without a name: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def make_targets(arena: Arena) -> list[Target]:
    """Return a small model, corpus, unfinished training and index."""
    inputs = arena.inputs / "new"
    folder = arena.folder / "damaged"
    folder.mkdir()
    posts, options = folder / "posts.jsonl", ("--stop-words", "none")
    posts.write_text("".join((inputs / "posts.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)[:30]))
    fit = ("fit", posts, *options, "--units", 2, "--epochs", 2, "--out")
    arena.must_run(*fit, folder / "m")
    arena.must_run("corpus", "build", posts, *options, "--out", folder / "c")
    arena.must_run("search", folder / "m", posts, "sail", "--index", folder / "i")
    child = arena.start(*fit, folder / "unfinished", before=interrupt_before_saving)
    arena.wait(child)
    shutil.move(folder / "unfinished.unfinished", folder / CHECKPOINT)
    readers = {"model": read_model, "corpus": read_corpus, "index": partial(read_index, folder / "m", posts)}
    targets = [Target(name, folder / name[0], partial(read, folder / name[0])) for name, read in readers.items()]
    return [*targets, Target("unfinished training", folder / CHECKPOINT, partial(read_checkpoint, folder / CHECKPOINT))]


def interrupt_before_saving() -> None:
    """Let `fit` end when it would save the model."""
    from docnvil.storage import model_folder

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    model_folder.save_model = interrupt


def digest(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode("utf-8", "surrogatepass")).hexdigest()


def read_model(path: Path) -> str:
    from docnvil.storage.model_folder import load_model

    model = load_model(path, "cpu")
    parameters = {name: value.tolist() for name, value in model.network.state_dict().items()}
    statistics = {
        name: getattr(value, "tolist", lambda value=value: value)() for name, value in vars(model.statistics).items()
    }
    topics = [topic.words for topic in model.topics()]
    return digest(
        parameters, statistics, topics, model.vocabulary.words, model.token_rules, model.history, model.training
    )


def read_corpus(path: Path) -> str:
    from docnvil.corpus.reading import read_corpus

    corpus = read_corpus(path)
    metadata = {name: list(values) for name, values in corpus.metadata.items()}
    counts = corpus.counts
    parts = counts.indptr.tolist(), counts.indices.tolist(), counts.data.tolist()
    return digest(*parts, list(corpus.ids), metadata, corpus.vocabulary.words, corpus.rules)


def read_checkpoint(path: Path) -> str:
    from docnvil.storage.checkpoints import read_checkpoint

    checkpoint = read_checkpoint(path)
    tensors = {name: value.tolist() for name, value in checkpoint.tensors.items()}
    return digest(
        sorted(tensors.items()), checkpoint.model, checkpoint.training, checkpoint.history, checkpoint.fingerprint
    )


@cache
def load_once(path: Path) -> "FittedModel":
    """Return a model that is not damaged."""
    from docnvil.storage.model_folder import load_model

    return load_model(path, "cpu")


def read_index(model: Path, source: Path, path: Path) -> str:
    import numpy as np
    from scipy.sparse import csr_array

    from docnvil.search.index import open_index
    from docnvil.search.query import search_words
    from docnvil.text.settings import SourceOptions

    fitted = load_once(model)
    index = open_index(path, fitted, source, SourceOptions())
    query = csr_array((np.ones(2, np.int64), [0, 5], [0, 2]), shape=(1, len(fitted.vocabulary)))
    return digest(search_words(index, query, 30))
