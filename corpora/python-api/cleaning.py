"""Turn a docstring into prose by stated rules, so that a topic model sees what it is about and not how it is set.

Dropped, in this order:

1. signature lines at the top (`add(input, other, *, out=None) -> Tensor`);
2. doctests with their output, and literal blocks (what is indented below a line that ends in `::`);
3. footnotes, comments, link targets and every directive with its block, except notes, warnings and their kind,
   which lose only their heading;
4. whole sections named in `DROPPED_SECTIONS` (titles and authors of papers, lists of methods), all other section
   headings with their underlines, and rulers and table borders;
5. types: of a parameter `axis : int, optional`, `axis (int, optional): ...` or `:type axis: int` only `axis` stays;
6. mark-up within lines: formulas, roles (:class:`X` becomes X), quoting, citations, web addresses, memory addresses.

What is left is a list of blocks: paragraphs, or a parameter with its description, each on a line of its own.
"""

import inspect
import re
from collections.abc import Iterable, Iterator

DROPPED_SECTIONS = frozenset({"references", "methods"})
TYPED_SECTIONS = frozenset({"attributes", "other parameters", "parameters", "properties", "receives", "see also"})
RESULT_SECTIONS = frozenset({"raises", "returns", "warns", "yields"})
# Headings are recognized by their underline; these also without one, followed by a colon, as Google's style has them.
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
    """Return the blocks of prose in a docstring, in their order and each on one line.

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
    lines = _without_code(_without_signature(lines))
    lines = _without_directives(list(lines))
    blocks = _blocks(_by_section(list(lines)))
    return [block for block in map(_without_markup, blocks) if re.search(r"[A-Za-z]{2}", block)]


def _without_signature(lines: list[str]) -> list[str]:
    first = 0
    while first < len(lines) and (not lines[first].strip() or _SIGNATURE.match(lines[first].strip())):
        first += 1
    return lines[first:]


def _without_code(lines: Iterable[str]) -> Iterator[str]:
    """Drop doctests up to the next empty line, and blocks indented below a line that ends in `::`."""
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


def _without_directives(lines: list[str]) -> Iterator[str]:
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


def _by_section(lines: list[str]) -> Iterator[str]:
    """Drop headings and whole sections, cut the types; an empty line goes before each parameter."""
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
            yield from _without_type(line, section, describes=bool(following.strip()) and _indent(following) > 0)


def _without_type(line: str, section: str, *, describes: bool) -> Iterator[str]:
    """Yield a line without the type of the parameter it may introduce; `describes` if an indented line follows."""
    if named := _GOOGLE_PARAMETER.match(line):
        yield from ("", f"{named[1]} {line[named.end() :]}")
    elif named := _FIELD.match(line):
        yield from ("", f"{named[2]} {line[named.end() :]}")
    elif section in TYPED_SECTIONS | RESULT_SECTIONS and _indent(line) == 0 and line:
        named = _NUMPY_PARAMETER.match(line)
        if section == "see also":
            yield line
        elif named and (describes or section not in RESULT_SECTIONS):
            yield from ("", named[1])
        else:  # a result without a name is only a type
            yield from ("", "" if describes and section in RESULT_SECTIONS else line)
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


def _without_markup(block: str) -> str:
    for pattern, replacement in _INLINE:
        block = pattern.sub(replacement, block)
    return block.strip()


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
