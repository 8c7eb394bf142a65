"""Suffixes of output files: a name that promises another format than the one that is written is refused."""

from collections.abc import Sequence
from pathlib import Path

from docnvil.errors import ConfigurationError

CSV = (".csv",)
EMBEDDINGS = (".csv", ".npy", ".parquet")
TABLES = (".csv", ".parquet", ".xlsx")
HTML = (".html", ".htm")
SVG = (".svg",)
GRAPHS = (".json", ".dot", ".gv")

_SYNONYMS = {".htm", ".gv"}  # supported, but not named in messages
_FORMATS = {
    *(".csv", ".tsv", ".tab", ".json", ".jsonl", ".ndjson", ".yaml", ".yml", ".xml", ".xyz"),
    *(".xlsx", ".xlsm", ".xls", ".ods", ".parquet", ".feather", ".arrow", ".avro", ".orc"),
    *(".npy", ".npz", ".mat", ".mtx", ".h5", ".hdf5", ".hdf", ".nc", ".zarr", ".svmlight", ".libsvm"),
    *(".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".safetensors", ".onnx", ".tfrecord"),
    *(".db", ".sqlite", ".sqlite3", ".duckdb", ".dta", ".sav", ".rds", ".rda", ".rdata"),
    *(".html", ".htm", ".md", ".pdf", ".doc", ".docx", ".tex", ".ipynb", ".dot", ".gv"),
    *(".svg", ".png", ".jpg", ".jpeg", ".gif", ".webp", ".tif", ".tiff", ".bmp", ".eps", ".ps"),
    *(".gz", ".bz2", ".xz", ".zst", ".zip", ".7z", ".tar", ".tgz"),
}


def check_suffix(path: Path, supported: Sequence[str], option: str = "--out") -> None:
    """Raise a `ConfigurationError` if the suffix of an output is that of a format which is not written there.

    Other names, such as those without a suffix, are allowed and get the default format.

    Arguments:
        path: the output.
        supported: the suffixes of the formats that can be written.
        option: the option that names the output, for the message.

    Example:
        >>> check_suffix(Path("codes.npz"), EMBEDDINGS)
        Traceback (most recent call last):
        ...
        docnvil.errors.ConfigurationError: codes.npz would not be a .npz file. Choose a name for path that ends in .csv,
        .npy or .parquet.
    """
    suffix = path.suffix.lower()
    if suffix not in _FORMATS or suffix in supported:
        return
    *others, last = [each for each in supported if each not in _SYNONYMS]
    named = f"{', '.join(others)} or {last}" if others else last
    raise ConfigurationError(f"{path} would not be a {suffix} file. Choose a name for {option} that ends in {named}.")
