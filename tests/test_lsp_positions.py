"""Positions of the Language Server Protocol, and changes made at them."""

from hypothesis import given
from hypothesis import strategies as st

from editor import utf16
from flake8_mongo_threads.findings import Span
from flake8_mongo_threads.lsp import positions
from flake8_mongo_threads.report import Replacement
from flake8_mongo_threads.source import split_lines


def reference(text: str, start: tuple[int, int], end: tuple[int, int], new: str) -> str:
    """The change of a region, worked out in UTF-16 code units on the bytes."""
    lines = [line.encode("utf-16-le") for line in split_lines(text)]

    def at(line: int, character: int) -> int:
        if line >= len(lines):
            return sum(map(len, lines))
        body = len(split_lines(text)[line].rstrip("\r\n").encode("utf-16-le"))
        return sum(map(len, lines[:line])) + min(character * 2, body)

    whole = b"".join(lines)
    return (whole[: at(*start)] + new.encode("utf-16-le") + whole[at(*end) :]).decode("utf-16-le")


TEXT = st.text("ab\n\r\f\u2028é😀", max_size=20)


@given(TEXT, TEXT, st.data())
def test_changes_land_where_they_were_made(text: str, new: str, data: st.DataObject) -> None:
    lines = split_lines(text)
    places = [(row, utf16(line[:col])) for row, line in enumerate(lines) for col in range(len(line.rstrip("\r\n")) + 1)]
    places.append((len(lines), 0))
    start, end = sorted((data.draw(st.sampled_from(places)), data.draw(st.sampled_from(places))))
    where = (positions.Place(*start), positions.Place(*end))
    assert positions.changed(text, where, new) == reference(text, start, end, new)
    assert positions.changed(text, None, new) == new


@given(TEXT, TEXT, st.data())
def test_trimmed_replacement_does_the_same(text: str, new: str, data: st.DataObject) -> None:
    lines = split_lines(text)
    first = data.draw(st.integers(1, len(lines) + 1))
    last = data.draw(st.integers(first, len(lines) + 1))
    whole = Replacement(Span(first, 0, last, 0), new)
    small = positions.trimmed(lines, whole)

    def after(replacement: Replacement) -> str:
        start, end = positions.region(lines, replacement.span)
        return positions.changed(text, (start, end), replacement.text)

    assert after(small) == after(whole)
    assert len(small.text) <= len(new)
