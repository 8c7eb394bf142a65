"""Messages: Python names in Python, options on the command line; warnings of the library on stderr."""

import ast
import pickle
import re
import warnings
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import click
import pytest
from commands import run

import docnvil
from docnvil.commands.console import ErrorReportingGroup, Termination, printing_warnings
from docnvil.corpus.process_pool import ProcessPool
from docnvil.errors import CorpusError, DocnvilWarning, OutputExistsError, warn

PACKAGE = Path(docnvil.__file__).parent


def test_messages_have_python_names_and_options_of_the_command_line():
    message = "x.csv has no column 'a--b'. Choose one with --text-column, or pass --no-header and --encoding."
    error = CorpusError(message)
    assert str(error) == "x.csv has no column 'a--b'. Choose one with text_column, or pass header=False and encoding."
    assert error.command_line_message == message
    assert pickle.loads(pickle.dumps(error)).command_line_message == message
    assert str(OutputExistsError("Pass --force, or another --out.")) == "Pass force=True, or another path."


def test_commands_name_the_option(tmp_path):
    (tmp_path / "x.csv").write_text("id,body\n1,cat\n", encoding="utf-8")
    run("corpus", "build", tmp_path / "x.csv", "--out", tmp_path / "o", status=1, stderr="--text-column")


def test_commands_print_each_warning_once(capsys):
    with printing_warnings():
        for _ in range(2):
            warn("Pass --encoding.")
        with pytest.warns(RuntimeWarning, match="other"):
            warnings.warn("other", RuntimeWarning, stacklevel=1)
    assert capsys.readouterr().err == "Warning: Pass --encoding.\n"
    with pytest.warns(DocnvilWarning, match=r"^Pass encoding\.$"):
        warn("Pass --encoding.")


def test_warnings_of_worker_processes_are_issued_again():
    with pytest.warns(DocnvilWarning, match=r"^Check encoding\.$"):
        assert list(ProcessPool(1).run_all(warn, [("Check --encoding.",)])) == [1]


@pytest.mark.parametrize(("interrupt", "status"), [(KeyboardInterrupt, 130), (Termination, 143)])
def test_an_interrupt_in_a_finalizer_ends_the_command_without_a_traceback(interrupt, status, capsys):
    class Bar:
        def __del__(self):
            raise interrupt

    @click.group(cls=ErrorReportingGroup)
    def group() -> None:
        pass

    @group.command()
    def draw() -> None:
        Bar()
        click.echo("complete")

    with pytest.raises(SystemExit) as end:
        group(["draw"])
    assert end.value.code == status
    output = capsys.readouterr()
    assert output.out == "complete\n"
    assert output.err.strip() == ("Interrupted." if status == 130 else "Terminated.")


NOUNS = "bytes characters columns counts documents edges epochs files ids labels names rows samples steps tokens topics"
NOUNS += " units values words"


def numbers_before_nouns(tree: ast.AST) -> Iterator[ast.FormattedValue]:
    """Yield the numbers of f-strings before the plural of a noun, as far as their names tell that they are numbers."""
    for node in ast.walk(tree):
        for value, text in pairwise(node.values) if isinstance(node, ast.JoinedStr) else ():
            if not (isinstance(value, ast.FormattedValue) and isinstance(text, ast.Constant)):
                continue
            is_number = re.match(r"len\(|.*\bn_\w+$|.*\.n_\w+$|.*shape\[\d\]$", ast.unparse(value.value))
            if is_number and re.match(rf" ({NOUNS.replace(' ', '|')})\b", str(text.value)):
                yield value


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_numbers_in_messages_have_separators_and_fit_their_nouns(path):
    for value in numbers_before_nouns(ast.parse(path.read_text(encoding="utf-8"))):
        assert value.format_spec is not None, f"{ast.unparse(value)}: write counted(number, noun)"


def test_a_number_without_separators_is_noticed():
    (value,) = numbers_before_nouns(ast.parse("f'{counted(3, x)} rows {n_rows} rows {n_rows} {name} words'"))
    assert value.format_spec is None
