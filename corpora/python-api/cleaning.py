"""Convert docstrings to prose, so that a topic model sees their subject and not their formatting.

The following is removed, in this order:

1. signature lines at the top (`add(input, other, *, out=None) -> Tensor`);
2. doctests with their output, and literal blocks (text indented below a line that ends in `::`);
3. footnotes, comments, link targets and directives with their content; notes, warnings and similar directives
   (`KEPT_DIRECTIVES`) lose only their heading;
4. the sections named in `DROPPED_SECTIONS` (references to papers, lists of methods), the headings of all other
   sections with their underlines, horizontal rules and table borders;
5. types: `axis : int, optional` and `axis (int, optional): ...` become `axis`, and `:type axis: int` is dropped;
6. inline markup: formulas, roles (:class:`X` becomes X), quotes, citations, URLs and memory addresses.

The result is a list of blocks, one per line: a paragraph, or a parameter with its description.
"""

import inspect
import re
from collections.abc import Iterable, Iterator

DROPPED_SECTIONS = frozenset({"references", "methods"})
TYPED_SECTIONS = frozenset({"attributes", "other parameters", "parameters", "properties", "receives", "see also"})
RESULT_SECTIONS = frozenset({"raises", "returns", "warns", "yields"})
# Headings are recognized by their underline; these also by a colon at the end (Google style).
GOOGLE_HEADINGS = frozenset(
    {"args", "arguments", "attributes", "example", "examples", "inputs", "keyword args", "keyword arguments", "note"}
    | {"notes", "outputs", "parameters", "raises", "return", "returns", "shape", "yields"}
)
KEPT_DIRECTIVES = frozenset({"admonition", "attention", "caution", "hint", "important", "note", "seealso", "tip"})
KEPT_DIRECTIVES |= {"warning"}

_SIGNATURE = re.compile(r"^[\w.]+\(.*\)(\s*->.*|\s*:)?$")
_UNDERLINE = re.compile(r"^\s*([-=~^*]){3,}\s*$")
_RULER = re.compile(r"^[\s=\-+|~^*#_.]*$")
_DIRECTIVE = re.compile(r"^(\s*)\.\.(?:\s+([\w:-]+?)::\s*(.*)|\s.*|)$")
_NUMPY_PARAMETER = re.compile(r"^(\*{0,2}[\w., *`\\]+?)\s*:(?:\s.*)?$")
_GOOGLE_PARAMETER = re.compile(r"^\s*(\*{0,2}\w+)\s*\([^()]*(?:\([^()]*\)[^()]*)*\)\s*:")
_FIELD = re.compile(r"^\s*[:@](param|parameter|arg|keyword|ivar|cvar|var|raises?|return|returns)\s*([\w ,*]*):")
_TYPE_FIELD = re.compile(r"^\s*[:@](type|rtype|vartype)\b[^:]*:")

_INLINE = (
    (re.compile(r":math:`[^`]*`"), " "),
    (re.compile(r":[\w:+-]+:\s?(?=`)"), ""),
    (re.compile(r"\$\$?[^$]+\$\$?"), " "),
    (re.compile(r"(?:https?|ftp)://\S+|www\.\S+|\bdoi:\s*\S+", re.IGNORECASE), " "),
    (re.compile(r"`([^`<]*?)\s*<[^`>]*>`_{0,2}"), r"\1"),  # `text <target>`
    (re.compile(r"`~[\w.]*?(\w+)`"), r"\1"),
    (re.compile(r"\[[\w*]+\]_"), " "),
    (re.compile(r"\bat 0x[0-9a-f]+", re.IGNORECASE), " "),
    (re.compile(r"[`*|\\]+"), ""),
    (re.compile(r"\s+"), " "),
)


def clean(docstring: str) -> list[str]:
    """Return the blocks of prose in a docstring, in their order, each without line breaks.

    Example:
        >>> clean('''add(x, y)
        ...
        ... Add two :class:`Tensor` objects [1]_.
        ...
        ... Parameters
        ... ----------
        ... x : array_like, optional
        ...     The first.
        ... ''')
        ['Add two Tensor objects .', 'x The first.']
    """
    lines = inspect.cleandoc(docstring).expandtabs().splitlines()
    lines = _drop_code(_drop_signature(lines))
    lines = _drop_directives(list(lines))
    blocks = _blocks(_drop_headings(list(lines)))
    return [block for block in map(_drop_markup, blocks) if re.search(r"[A-Za-z]{2}", block)]


def _drop_signature(lines: list[str]) -> list[str]:
    first = 0
    while first < len(lines) and (not lines[first].strip() or _SIGNATURE.match(lines[first].strip())):
        first += 1
    return lines[first:]


def _drop_code(lines: Iterable[str]) -> Iterator[str]:
    """Drop doctests up to the next empty line, and literal blocks, which follow a line that ends in `::`."""
    in_doctest = False
    literal_indent: int | None = None
    for line in lines:
        text = line.strip()
        if literal_indent is not None and (not text or _indent(line) > literal_indent):
            continue
        literal_indent = None
        in_doctest = bool(text) and (in_doctest or text.startswith(">>>"))
        if in_doctest:
            continue
        if text.endswith("::") and not text.startswith(".."):
            literal_indent = _indent(line)
            line = line.rstrip().removesuffix("::") + ":"
        yield line


def _drop_directives(lines: list[str]) -> Iterator[str]:
    dropped_indent: int | None = None
    for line in lines:
        if dropped_indent is not None and (not line.strip() or _indent(line) > dropped_indent):
            continue
        dropped_indent = None
        directive = _DIRECTIVE.match(line)
        if directive is None:
            yield line
        elif directive[2] in KEPT_DIRECTIVES:
            yield ""
            yield directive[1] + directive[3]
        else:
            dropped_indent = len(directive[1])
            yield ""


def _drop_headings(lines: list[str]) -> Iterator[str]:
    """Drop headings, sections and types, and put an empty line before each parameter."""
    section = ""
    for number, line in enumerate(lines):
        text = line.strip()
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if text and _UNDERLINE.match(following) and not _UNDERLINE.match(line):
            section = text.lower().rstrip(":")
        elif text.endswith(":") and text[:-1].lower() in GOOGLE_HEADINGS:
            section = ""
            yield ""
        elif section in DROPPED_SECTIONS or _RULER.match(line) or _TYPE_FIELD.match(line):
            yield ""
        else:
            has_description = bool(following.strip()) and _indent(following) > 0
            yield from _drop_type(line, section, has_description=has_description)


def _drop_type(line: str, section: str, *, has_description: bool) -> Iterator[str]:
    """Yield a line without the type of the parameter that it introduces, if it introduces one.

    Arguments:
        line: a line of a docstring.
        section: the title of its section, in lower case.
        has_description: whether an indented line follows.
    """
    if match := _GOOGLE_PARAMETER.match(line):
        yield from ("", f"{match[1]} {line[match.end() :]}")
    elif match := _FIELD.match(line):
        yield from ("", f"{match[2]} {line[match.end() :]}")
    elif section in TYPED_SECTIONS | RESULT_SECTIONS and _indent(line) == 0 and line:
        match = _NUMPY_PARAMETER.match(line)
        if section == "see also":
            yield line
        elif match and (has_description or section not in RESULT_SECTIONS):
            yield from ("", match[1])
        else:  # an unnamed result has only a type
            yield from ("", "" if has_description and section in RESULT_SECTIONS else line)
    else:
        yield line


def _blocks(lines: Iterable[str]) -> Iterator[str]:
    block: list[str] = []
    for line in (*lines, ""):
        if line.strip():
            block.append(line.strip())
        elif block:
            yield " ".join(block)
            block = []


def _drop_markup(block: str) -> str:
    for pattern, replacement in _INLINE:
        block = pattern.sub(replacement, block)
    return block.strip()


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
