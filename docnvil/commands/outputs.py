"""Checks of an output before work begins: it is not an input, and no other process writes it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from docnvil.commands.options import Output, Source, Texts
from docnvil.schema import settings_of
from docnvil.text.settings import SourceOptions


def claim_output(
    out: Path, *, others: Sequence[Path] = (), option: str | None = None, suffixes: Sequence[str] = ()
) -> None:
    """Lock an output until the command ends, and delete what killed processes left of it.

    The outputs are compared with all inputs of the command, which are its arguments and options that name files.

    Arguments:
        out: the file or folder that the command writes.
        others: further files or folders that the command writes.
        option: the option that names the outputs, for messages; None for the one that has the path as its value.
        suffixes: those that `out` may have, if other options exclude some of those of its option.

    Raises:
        OutputExistsError: an output is an input or one of its documents, is in a folder written by docnvil, or another
            process writes `out`.
        ConfigurationError: the suffix of an output is that of another format than the command writes.
    """
    from docnvil.errors import OutputExistsError
    from docnvil.runtime.disk import remove_abandoned_drafts
    from docnvil.runtime.folders import refuse_output_in_folder
    from docnvil.runtime.locks import lock_output
    from docnvil.runtime.paths import resolve, resolve_output
    from docnvil.storage.suffixes import check_suffix

    context = click.get_current_context()
    inputs = {resolve(path): name for name, path in _inputs(context)}
    named = {context.params.get(str(param.name)): param for param in _params(context, Output)}
    main = option or (named[out].opts[0] if out in named else "--out")
    places: dict[Path, str] = {}
    for param, path in _values(context, Output):
        if (other := places.setdefault(resolve_output(path), param.opts[0])) != param.opts[0]:
            raise click.UsageError(f"{other} and {param.opts[0]} name the same path. Choose two different ones.")
    outputs = {path: resolve_output(path) for path in (out, *others)}
    for path, place in outputs.items():
        choice = named[path].opts[0] if path in named else main
        refuse_output_in_folder(path, choice)
        if (name := inputs.get(place)) is not None:
            raise OutputExistsError(f"{path} is also the input{name}. Choose another {choice}.")
        is_folder = path in named and named[path].type.is_folder
        if not is_folder and (path in named or not (out in named and named[out].type.is_folder)):
            _refuse_document(context, path, choice)
    for param, path in _values(context, Output):
        if param.type.suffixes:
            check_suffix(path, (suffixes if path == out else ()) or param.type.suffixes, param.opts[0])
    context.with_resource(lock_output(out, main))
    for path in outputs.values():
        remove_abandoned_drafts(path.parent, path.name)


def _params(context: click.Context, *types: type) -> Iterator[Any]:
    return (param for param in context.command.params if isinstance(param.type, types))


def _values(context: click.Context, *types: type) -> Iterator[tuple[Any, Path]]:
    """Yield the local paths that are values of the parameters of some types, which may have several."""
    for param in _params(context, *types):
        value = context.params.get(str(param.name))
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, Path):
                yield param, each


def _inputs(context: click.Context) -> Iterator[tuple[str, Path]]:
    """Yield the paths that a command reads, each after the name of its option for messages, "" for an argument."""
    for param, path in _values(context, click.Path, Texts):
        name = f" of {param.opts[0]}" if isinstance(param, click.Option) else ""
        if not isinstance(param.type, Output):
            yield name, path
        if isinstance(param.type, Source | Texts):
            yield from ((name or " of CORPUS", file) for file in _companions(context, path))
    for part in str(context.params.get("stop_words") or "").split(","):
        if part.strip():
            yield " of --stop-words", Path(part.strip())
    for option in ("tokenizer", "namer"):
        if file := _module_file(context.params.get(option)):
            yield f" of --{option}", file


def _companions(context: click.Context, source: Path) -> Iterator[Path]:
    """Yield the files of words and ids beside a file of counts."""
    from docnvil.text.companion_files import ids_path, vocabulary_paths
    from docnvil.text.documents import TEXT_FORMATS

    if _format(context, source) not in (None, "corpus", *TEXT_FORMATS):
        yield ids_path(source)
        yield from (file for file in vocabulary_paths(source) if file.is_file())


def _module_file(function: str | None) -> Path | None:
    """Return the file of a function such as "package.module:function", if there is one; nothing is imported."""
    from importlib.machinery import PathFinder

    places, origin = None, None
    for name in (function or "").partition(":")[0].split("."):
        spec = PathFinder.find_spec(name, places) if name else None
        if spec is None:
            return None
        places, origin = spec.submodule_search_locations, spec.origin
    return origin and Path(origin)


def _refuse_document(context: click.Context, out: Path, option: str) -> None:
    """Raise `OutputExistsError` if a file in a folder of texts would be read as one of them later."""
    from docnvil.errors import OutputExistsError
    from docnvil.runtime.paths import resolve
    from docnvil.text.text_folders import is_document_name

    place = resolve(out)
    for _, source in _values(context, Source, Texts):
        folder = resolve(source)
        form = _format(context, source) if folder in place.parents else None
        if form == "folder" and not is_document_name(place.relative_to(folder).as_posix(), _source_options(context)):
            continue
        if form is not None:
            raise OutputExistsError(
                f"{out} would be read as a part of {source} later. Choose another {option}, outside of that folder."
            )


def _format(context: click.Context, source: Path) -> str | None:
    """Return the format of a source, or None if it is not clear, which is reported when the source is read."""
    from docnvil.errors import CorpusError
    from docnvil.text.documents import detect_format

    try:
        return detect_format(source, _source_options(context))
    except CorpusError:
        return None


def _source_options(context: click.Context) -> SourceOptions:
    return SourceOptions(
        **{name: context.params[name] for name in settings_of(SourceOptions) if name in context.params}
    )
