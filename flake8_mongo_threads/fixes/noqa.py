"""``# noqa`` comments: reading them as flake8 does, and adding them where flake8 looks for them."""

import io
import tokenize
from collections.abc import Callable, Sequence

from flake8_mongo_threads.findings import Finding
from flake8_mongo_threads.selection import Noqa, Selection
from flake8_mongo_threads.source import split_lines


def silenced_in(selection: Selection, path: str, text: str) -> Callable[[str, int], bool]:
    """A text's suppression comments as a question: whether they silence a code on a (1-based) line."""
    noqa = Noqa(selection, path, split_lines(text))
    return lambda code, line: noqa.whole_file or noqa.silences_line(code, line)


def add_noqa(text: str, findings: Sequence[Finding]) -> str:
    """The text with a comment for every finding, on the line that flake8 reads: a comment that lists codes is extended.

    A line inside a multi-line string or before a backslash cannot hold a comment; flake8 reads such lines as one, and the
    comment stands on the last of them.
    """
    from flake8.defaults import NOQA_INLINE_REGEXP

    lines = split_lines(text)
    ranges = _joined_lines(text)
    wanted: dict[range, set[str]] = {}
    for finding in findings:
        line = finding.span.line
        wanted.setdefault(ranges.get(line, range(line, line + 1)), set()).add(finding.code)
    for joined, codes in wanted.items():
        for number in joined:
            content = lines[number - 1]
            match = NOQA_INLINE_REGEXP.search(content)
            if match and match["codes"]:
                listed = ",".join(sorted(codes))
                end = match.start("codes") + len(match["codes"].rstrip(", \t\r\n"))
                lines[number - 1] = f"{content[:end]},{listed}{content[end:]}"
                break
        else:
            last = lines[joined[-1] - 1]
            body = last.rstrip("\r\n")
            lines[joined[-1] - 1] = f"{body.rstrip()}  # noqa: {','.join(sorted(codes))}{last[len(body) :]}"
    return "".join(lines)


def _joined_lines(text: str) -> dict[int, range]:
    """For each line that is continued by a string or a backslash, or continues one, the range of lines that flake8 reads as one."""
    joined: dict[int, range] = {}
    first, last = 0, 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type in (tokenize.ENDMARKER, tokenize.DEDENT):
                continue
            first = min(first or token.start[0], token.start[0])
            last = max(last, token.end[0])
            if token.type in (tokenize.NL, tokenize.NEWLINE):
                joined.update(dict.fromkeys(range(first, last + 1), range(first, last + 1)))
                first, last = 0, 0
    except (tokenize.TokenError, SyntaxError):
        return {}
    return joined
