"""All commands that write, with the files that belong together."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class WritingCommand:
    """A command that writes to a folder.

    Arguments:
        name: its name in keys.
        text: its arguments; {in} is the folder of inputs, {out} the folder of outputs.
        outputs: groups of names in {out}: of each, all files are old or all are new, and the first is the main one.
        is_incremental: whether the files of a folder are written one by one, to continue there.
        unfinished: a file in {out} from which --resume continues.
        kept: a folder in {out} from which the same command continues.
        max_tries: a limit for a command that takes seconds.
        shows_failures: whether its table, a CSV file, says in the column `error` which part of it failed.
        replacing: the options that replace an earlier output.
    """

    name: str
    text: str
    outputs: tuple[tuple[str, ...], ...]
    is_incremental: bool = False
    unfinished: str = ""
    kept: str = ""
    max_tries: int | None = None
    shows_failures: bool = False
    replacing: str = "--force"

    def arguments(self, inputs: Path, out: Path) -> list[str]:
        """Return the arguments for two folders."""
        return [word.format(**{"in": inputs, "out": out}) for word in self.text.split()]


QUICK = "--units 2 --epochs 2"
WRITING = (
    WritingCommand("fit", f"fit {{in}}/posts.jsonl {QUICK} --out {{out}}/m", (("m",),), unfinished="m.unfinished"),
    WritingCommand(
        "fit --from", "fit {in}/posts.jsonl --from {in}/model --out {out}/m", (("m",),), unfinished="m.unfinished"
    ),
    WritingCommand("corpus build", "corpus build {in}/posts.jsonl --out {out}/c", (("c",),), kept="c.building"),
    WritingCommand("corpus build of files", "corpus build {in}/texts --out {out}/c", (("c",),), kept="c.building"),
    WritingCommand(
        "corpus build --held-out",
        "corpus build {in}/posts.jsonl --held-out 0.3 --out {out}/c",
        (("c/train", "c/test"),),
    ),
    WritingCommand("edit", "edit {in}/model --name 0=Sea --out {out}/m", (("m",),)),
    WritingCommand("sample", "sample {in}/model --documents 9 --lengths-of {in}/corpus --out {out}/s", (("s",),)),
    WritingCommand("embed npy", "embed {in}/model {in}/posts.jsonl --out {out}/e.npy", (("e.npy", "e.ids.txt"),)),
    WritingCommand("embed csv", "embed {in}/model {in}/corpus --out {out}/e.csv", (("e.csv",),)),
    WritingCommand("embed parquet", "embed {in}/model {in}/corpus --out {out}/e.parquet", (("e.parquet",),)),
    WritingCommand("embed --table", "embed {in}/model {in}/posts.jsonl --table --out {out}/t.csv", (("t.csv",),)),
    WritingCommand("embed --table xlsx", "embed {in}/model {in}/corpus --table --out {out}/t.xlsx", (("t.xlsx",),)),
    WritingCommand("topics --graph", "topics {in}/model --graph {out}/g.json", (("g.json",),)),
    WritingCommand(
        "report",
        "report {in}/model {in}/posts.jsonl --out {out}/r.html --overview {out}/o.svg",
        (("r.html",), ("o.svg",)),
    ),
    WritingCommand("explain", "explain {in}/model {in}/posts.jsonl --out {out}/x.csv", (("x.csv",),)),
    WritingCommand(
        "search",
        "search {in}/model {in}/posts.jsonl sail --index {out}/i --out {out}/s.csv",
        (("i",), ("s.csv",)),
        replacing="--force --rebuild",
    ),
    WritingCommand(
        "effects",
        "effects {in}/model {in}/posts.jsonl --by group --samples 2 --draws 2 --out {out}/f.csv --plot {out}/f.svg",
        (("f.csv", "f.prevalence.csv", "f.svg"),),
    ),
    WritingCommand(
        "sweep",
        f"sweep {{in}}/posts.jsonl {QUICK} --seeds 1 --bound-samples 2 --out {{out}}/w --plot {{out}}/w.svg",
        (("w",), ("w.svg",)),
        is_incremental=True,
        max_tries=60,
    ),
    WritingCommand(
        "compare",
        "compare {in}/posts.jsonl {in}/posts.jsonl --models {in}/model --out {out}/k.csv",
        (("k.csv",),),
        max_tries=40,
        shows_failures=True,
    ),
    WritingCommand(
        "outliers", "outliers {in}/model {in}/posts.jsonl --reference {in}/posts.jsonl --out {out}/o.csv", (("o.csv",),)
    ),
    WritingCommand("perplexity", "perplexity {in}/model {in}/posts.jsonl --out {out}/p.csv", (("p.csv",),)),
    WritingCommand(
        "completion", "completion {in}/model {in}/posts.jsonl --samples 2 --sweeps 1 --out {out}/q.csv", (("q.csv",),)
    ),
    WritingCommand("draw", "draw {in}/images --samples 4 --out {out}/d", (("d/samples.png", "d/filters.png"),)),
)
