"""Where the Python code of a page stands: fenced and indented blocks, directives, prompts of interactive sessions.

Markdown and reStructuredText are read line by line, as far as code blocks need it. A block keeps the numbers of its lines on
the page and what stands before the code of each line (indentation, quote marks, a prompt), so that every position can be told,
and every line written back, where it came from.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Row(NamedTuple):
    """One line of code: what stands before it on the page's line, and the code without its line break."""

    prefix: str
    code: str


class Block(NamedTuple):
    """One block of code. ``rows`` are its lines by their 1-based numbers; of a session only what was typed."""

    first: int
    rows: dict[int, Row]
    tagged: bool
    """Whether the page says that it is Python."""
    prompts: bool = False


PYTHON = frozenset(
    (
        "python", "py", "python3", "py3", "python2", "py2", "ipython", "ipython3", "ipy", "pycon", "pycon3", "python-console",
        "python-repl", "doctest", "testcode", "pyodide",
    )
)  # fmt: skip
"""Names of languages, in fences and directives, that mean Python."""
_RELEASE = re.compile(r"py(?:thon)?\d+(?:\.\d+)+$")
"""``python3.12``."""
_BARE_DIRECTIVES = frozenset(("testcode", "testsetup", "testcleanup", "doctest", "ipython", "jupyter-execute", "plot", "code-cell"))
"""Directives whose content is Python whatever their argument says."""
_CODE_DIRECTIVES = frozenset(("code-block", "code", "sourcecode", "highlight"))

_FENCE = re.compile(r"^(?P<lead>(?:[ \t]*>)*[ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*)(?P<fence>`{3,}|~{3,})(?P<info>.*)$")
_LIQUID = re.compile(r"^[ \t]*\{%-?\s*highlight\s+(?P<info>[\w+-]+)[^%]*%\}[ \t]*$")
_LIQUID_END = re.compile(r"^[ \t]*\{%-?\s*endhighlight\s*-?%\}[ \t]*$")
_LIST_ITEM = re.compile(r"^(?P<lead>[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+)\S")
_DIRECTIVE = re.compile(r"^(?P<indent>[ \t]*)\.\.[ \t]+(?P<name>[\w:+.-]+)::[ \t]*(?P<argument>.*)$")
_OPTION = re.compile(r"^[ \t]*:[\w-]+:")
_EXPLICIT = re.compile(r"^(?P<indent>[ \t]*)\.\.(?:[ \t]+(?P<text>\S.*))?$")
_EXAMPLE = re.compile(r"^[ \t]*(?:(?:code )?examples?|example usage|sample usage|usage)[ \t]*:[ \t]*$", re.IGNORECASE)
"""The heading of a section of code in docstrings of Google's style."""
_NO_COMMENT = re.compile(r"_|__[ \t]|\[[^\]]+\]|\||[\w:+.-]+::")
"""What stands behind the two dots of a target, an anonymous target, a footnote or citation, a substitution, a directive."""
_PROMPT = re.compile(r"^(?P<prefix>[ \t]*(?:>>>|In \[\d*\]:)(?:[ \t]|$))(?P<code>.*)$")
_GOES_ON = re.compile(r"^(?P<prefix>[ \t]*(?:\.\.\.|\.{3,}:)(?: |$))(?P<code>.*)$")


def markdown(lines: Sequence[str]) -> list[Block]:
    """The blocks of a Markdown page, given as lines with or without their breaks."""
    plain = [line.rstrip("\r\n") for line in lines]
    return sorted(_markdown(plain, _front_matter(plain)), key=lambda block: block.first)


def restructuredtext(lines: Sequence[str]) -> list[Block]:
    """The blocks of a reStructuredText page."""
    return sorted(_restructuredtext([line.rstrip("\r\n") for line in lines], fences=False), key=lambda block: block.first)


def docstrings(lines: Sequence[str], tree: ast.Module) -> list[Block]:
    """The blocks in the docstrings of a module: sessions, directives and literal blocks, fences.

    Where the quotes do not say ``r``, a block with a backslash is left out: its text is not what stands in the file.
    """
    found: list[Block] = []
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        todo.extend(child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt))
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) or not node.body:
            continue
        first = node.body[0]
        if not (isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)):
            continue
        start, end = first.lineno, first.end_lineno or first.lineno
        if end == start:
            continue
        raw = "r" in lines[start - 1].lstrip()[:2].lower().partition('"')[0].partition("'")[0]
        # The line of the closing quotes stays out: what stands before them is hardly ever code.
        shown = ["" if number < start or number >= end else line.rstrip("\r\n") for number, line in enumerate(lines, 1)]
        for block in _restructuredtext(shown, fences=True):
            if raw or not any("\\" in row.code for row in block.rows.values()):
                found.append(block)
    return sorted(found, key=lambda block: block.first)


def _front_matter(lines: Sequence[str]) -> int:
    """The number of lines of the YAML or TOML header at the top."""
    if not lines or lines[0].rstrip() not in ("---", "+++"):
        return 0
    if lines[0].startswith("-") and len(lines) > 1 and not lines[1].strip():
        return 0  # a line across the page
    ends = ("---", "...") if lines[0].startswith("-") else ("+++",)
    for number, line in enumerate(lines[1:], 2):
        if line.rstrip() in ends:
            return number
    return 0


def language(info: str) -> tuple[str, bool]:
    """The language that the text after a fence names, in lower case, and whether it stands in braces, as MyST's directives do."""
    info = info.strip()
    match = re.match(r"\{([^}]*)\}\s*(\S*)", info)
    if match:
        inside, argument = match[1].strip(), match[2]
        if inside.startswith((".", "#")):
            classes = [word[1:].lower() for word in inside.split() if word.startswith(".")]
            return next((name for name in classes if name in PYTHON), classes[0] if classes else ""), False
        name = inside.split()[0].lower() if inside else ""
        if name in _BARE_DIRECTIVES and argument.lower() in ("", *PYTHON):
            return "python", True
        if name in _CODE_DIRECTIVES:
            return argument.lower(), True
        return name, True
    # HackMD numbers the lines of ``python=``.
    word = re.split(r"[\s,:{=]", info, maxsplit=1)[0].lower()
    return "python" if _RELEASE.match(word) else word, False


def _markdown(lines: Sequence[str], start: int) -> Iterator[Block]:
    index = start
    item = 0  # how far the content of the list item that we are in is indented
    blank = True
    while index < len(lines):
        line = lines[index]
        fence = _FENCE.match(line)
        if fence and not ("`" in fence["fence"] and "`" in fence["info"]):
            block, index = _fenced(lines, index, fence)
            if block:
                yield block
            blank = False
            continue
        liquid = _LIQUID.match(line)
        if liquid:
            end = next((number for number in range(index + 1, len(lines)) if _LIQUID_END.match(lines[number])), len(lines))
            if liquid["info"].lower() in PYTHON:
                yield from _made(index + 2, lines[index + 1 : end], tagged=True)
            index = end + 1
            continue
        if line.lstrip().startswith("<!--") and _width(line) < item + 4:
            # What is commented out is not on the page. A comment that never ends is none.
            index = next((number + 1 for number in range(index, len(lines)) if "-->" in lines[number]), index + 1)
            blank = True
            continue
        if not line.strip():
            blank = True
            index += 1
            continue
        listed = _LIST_ITEM.match(line)
        width = _width(line)
        if blank and width >= item + 4 and not (listed and item):
            end = index
            while end < len(lines) and (not lines[end].strip() or _width(lines[end]) >= item + 4):
                end += 1
            yield from _made(index + 1, lines[index:end], tagged=False)
            index = end
            continue
        if listed:
            item = len(listed["lead"].expandtabs(4))
        elif blank and width < item:
            item = 0
        blank = False
        index += 1


def _fenced(lines: Sequence[str], index: int, fence: "re.Match[str]") -> tuple[Block | None, int]:
    """The block that a fence opens, when it is to be read, and the index of the line behind it."""
    lead, mark = fence["lead"], fence["fence"]
    quotes = lead.count(">")
    inner = lead.rpartition(">")[2]
    # One space behind the quote mark belongs to the mark.
    indent = len((inner[1:] if quotes and inner.startswith(" ") else inner).expandtabs(4))
    close = re.compile(rf"^[ \t]*{re.escape(mark[0])}{{{len(mark)},}}[ \t]*$")
    rows: list[Row] = []
    end = index + 1
    while end < len(lines):
        prefix = _quoted(lines[end], quotes)
        if prefix is None:
            break
        rest = lines[end][len(prefix) :]
        if close.match(rest):
            break
        taken = 0
        while taken < len(rest) and rest[taken] in " \t" and len(rest[: taken + 1].expandtabs(4)) <= indent:
            taken += 1
        rows.append(Row(prefix + rest[:taken], rest[taken:]))
        end += 1
    # The line that ends a quotation is not part of the block.
    closed = end < len(lines) and _quoted(lines[end], quotes) is not None
    name, directive = language(fence["info"])
    behind = end + 1 if closed else end
    if name and name not in PYTHON:
        return None, behind
    first = index + 2
    if directive:
        while rows and _OPTION.match(rows[0].code):
            rows, first = rows[1:], first + 1
    block = next(_from_rows(first, rows, tagged=bool(name)), None)
    return block, behind


def _quoted(line: str, quotes: int) -> str | None:
    """The quote marks at the start of a line; None when there are fewer than asked for."""
    if not quotes:
        return ""
    match = re.match(rf"(?:[ \t]*>){{{quotes}}}[ ]?", line)
    return match[0] if match else None


def _width(line: str) -> int:
    return len(line) - len(line.lstrip(" \t")) if "\t" not in line else len(line[: len(line) - len(line.lstrip(" \t"))].expandtabs(4))


def _made(first: int, lines: Sequence[str], tagged: bool) -> Iterator[Block]:
    """A block of whole lines, without their common indentation."""
    return _from_rows(first, [Row("", line) for line in lines], tagged)


def _from_rows(first: int, rows: Sequence[Row], tagged: bool) -> Iterator[Block]:
    """A block of rows, the first with the number ``first``: common indentation removed, prompts taken off."""
    numbered = {first + offset: row for offset, row in enumerate(rows)}
    filled = [row for row in rows if row.code.strip()]
    if not filled:
        return
    if _PROMPT.match(filled[0].code):
        typed = _typed(numbered)
        yield Block(min(typed), typed, True, True)
        return
    margin = _margin([row.code for row in filled])
    out = {}
    for number, row in numbered.items():
        cut = len(margin) if row.code.startswith(margin) else len(row.code) - len(row.code.lstrip())
        out[number] = Row(row.prefix + row.code[:cut], row.code[cut:])
    for number in sorted(out, reverse=True):
        if out[number].code.strip():
            break
        del out[number]
    yield Block(min(out), out, tagged)


def _margin(codes: Sequence[str]) -> str:
    margin = codes[0][: len(codes[0]) - len(codes[0].lstrip())]
    for code in codes[1:]:
        while not code.startswith(margin):
            margin = margin[:-1]
    return margin


def _typed(rows: dict[int, Row]) -> dict[int, Row]:
    """What was typed in a session: the lines with prompts."""
    typed: dict[int, Row] = {}
    last = 0
    for number, row in sorted(rows.items()):
        match = _PROMPT.match(row.code) or (_GOES_ON.match(row.code) if number == last + 1 and last else None)
        if match:
            typed[number] = Row(row.prefix + match["prefix"], match["code"])
            last = number
    return typed


def _restructuredtext(lines: Sequence[str], fences: bool) -> Iterator[Block]:
    index = 0
    blank = True
    while index < len(lines):
        line = lines[index]
        directive = _DIRECTIVE.match(line)
        if directive:
            name, argument = directive["name"].rpartition(":")[2].lower(), directive["argument"].strip().lower()
            if name in _BARE_DIRECTIVES or (name in _CODE_DIRECTIVES and argument in ("", *PYTHON)):
                end = _indented(lines, index + 1, len(directive["indent"]))
                start = index + 1
                while start < end and (not lines[start].strip() or _OPTION.match(lines[start])):
                    start += 1
                yield from _made(start + 1, lines[start:end], tagged=name in _BARE_DIRECTIVES or argument in PYTHON)
                index = end
            elif name in _CODE_DIRECTIVES:
                index = _indented(lines, index + 1, len(directive["indent"]))
            else:
                index += 1
            blank = False
            continue
        explicit = _EXPLICIT.match(line)
        if explicit and not fences and not _NO_COMMENT.match(explicit["text"] or ""):
            index = _comment(lines, index, len(explicit["indent"]), empty=not explicit["text"])
            blank = True
            continue
        fence = _FENCE.match(line) if fences else None
        if fence and not ("`" in fence["fence"] and "`" in fence["info"]):
            block, index = _fenced(lines, index, fence)
            if block:
                yield block
            continue
        if _PROMPT.match(line) and (blank or ">>>" in line):
            end = index
            while end < len(lines) and lines[end].strip():
                end += 1
            yield from _made(index + 1, lines[index:end], tagged=True)
            index = end
            blank = True
            continue
        section = fences and bool(_EXAMPLE.match(line))
        if section or line.rstrip().endswith("::"):
            end = _indented(lines, index + 1, _width(line))
            start = index + 1
            while start < end and not lines[start].strip():
                start += 1
            # Sessions and directives in what is indented are found on their own.
            if (section or index + 1 < start) and start < end and not _PROMPT.match(lines[start]) and not _DIRECTIVE.match(lines[start]):
                yield from _made(start + 1, lines[start:end], tagged=False)
                index = end
                continue
        blank = not line.strip()
        index += 1


def _comment(lines: Sequence[str], index: int, indent: int, empty: bool) -> int:
    """The index behind a comment; one that is ``empty`` and followed by a blank line consumes nothing."""
    if empty and (index + 1 >= len(lines) or not lines[index + 1].strip()):
        return index + 1
    return _indented(lines, index + 1, indent)


def _indented(lines: Sequence[str], index: int, indent: int) -> int:
    """The index behind the lines that are blank or indented more than ``indent``, blank ones at the end left out."""
    end = index
    while index < len(lines) and (not lines[index].strip() or _width(lines[index]) > indent):
        index += 1
        if lines[index - 1].strip():
            end = index
    return end
