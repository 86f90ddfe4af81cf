"""Text and positions of one file."""

import ast
import codecs
import tokenize
from io import BytesIO, TextIOWrapper

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flake8_mongo_threads.source import DecodeError, Source, decode, split_lines


@pytest.mark.parametrize(
    ("data", "encoding", "bom"),
    [
        (b"a = 1\n", "utf-8", False),
        (b"", "utf-8", False),
        (codecs.BOM_UTF8 + "é = 1\n".encode(), "utf-8", True),
        (codecs.BOM_UTF8 + b"# coding: utf-8\n", "utf-8", True),
        ("# -*- coding: latin-1 -*-\né = 1\n".encode("latin-1"), "iso8859-1", False),
        ("#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\n'€'\n".encode("cp1252"), "cp1252", False),
        (b"a = 1\n# coding: latin-1\n'\xc3\xa9'\n", "utf-8", False),
        (b"a = 1\r\nb = 2\rc = 3\n", "utf-8", False),
        (b"a = 1\x0c\nb = 2", "utf-8", False),
    ],
)
def test_round_trip(data: bytes, encoding: str, bom: bool) -> None:
    decoded = decode(data)
    assert (decoded.encoding, decoded.bom) == (encoding, bom)
    assert decoded.encode(decoded.text) == data
    assert not decoded.text.startswith("\ufeff")
    # The interpreter's own reading agrees.
    with TextIOWrapper(BytesIO(data), tokenize.detect_encoding(BytesIO(data).readline)[0], newline="") as stream:
        assert stream.read() == decoded.text


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"a = '\xff'\n", "not valid utf-8"),
        (b"# coding: nonsense\n", "unknown encoding: nonsense"),
        (b"# coding: rot13\n", "rot13 is not a text encoding"),
        (b"a = 1\x00\n", "null bytes"),
        (codecs.BOM_UTF8 + b"# coding: latin-1\n", "contradicts the byte order mark"),
        (b"# coding: ascii\n'\xc3\xa9'\n", "not valid ascii"),
    ],
)
def test_refusals_are_one_line(data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError) as raised:
        decode(data)
    assert reason in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_text_that_the_encoding_cannot_hold() -> None:
    decoded = decode(b"# coding: latin-1\n")
    with pytest.raises(UnicodeEncodeError):
        decoded.encode("# coding: latin-1\n'\u20ac'\n")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("a", ["a"]),
        ("a\nb\r\nc\rd", ["a\n", "b\r\n", "c\r", "d"]),
        ("a\x0cb\u2028c\x1cd\x85e\n", ["a\x0cb\u2028c\x1cd\x85e\n"]),
        ("\r\r\n\n", ["\r", "\r\n", "\n"]),
    ],
)
def test_split_lines(text: str, lines: list[str]) -> None:
    assert split_lines(text) == lines


@given(st.text(alphabet="ab\n\r\x0c\u2028é😀"))
def test_split_lines_loses_nothing(text: str) -> None:
    lines = split_lines(text)
    assert "".join(lines) == text
    assert len(lines) == len(text.replace("\r\n", "\n").replace("\r", "\n").splitlines() if not set("\x0c\u2028") & set(text) else lines)
    assert all(line.rstrip("\r\n").count("\n") == 0 for line in lines)


def call(text: str) -> tuple[Source, ast.Call]:
    tree = ast.parse(text)
    return Source.from_text("a.py", text), next(node for node in ast.walk(tree) if isinstance(node, ast.Call))


def test_name_span_is_the_called_name() -> None:
    source, node = call("x = (client\n    .shop\n    .orders\n    .find_one(\n        {}\n    ))\n")
    assert source.name_span(node) == (4, 5, 4, 13)
    source, node = call("é = '😀'; MongoClient()\n")
    assert source.name_span(node) == (1, 9, 1, 20)
    source, node = call("clients['a'](1)\n")
    assert source.name_span(node) == (1, 0, 1, 7)


def test_byte_order_mark_in_the_lines_is_no_column() -> None:
    source = Source("a.py", ["\ufeffé = f()\n"])
    node = ast.parse("é = f()\n").body[0]
    assert isinstance(node, ast.Assign)
    assert source.span(node.value) == (1, 4, 1, 7)
    assert source.text == "é = f()\n"


@given(st.lists(st.sampled_from(["é", "😀", "a", "漢"]), min_size=0, max_size=8))
def test_columns_count_characters(letters: list[str]) -> None:
    text = f"x = {''.join(letters)!r}; call()\n"
    source, node = call(text)
    span = source.span(node)
    assert text[span.col : span.end_col] == "call()"


def test_location_is_the_real_path() -> None:
    assert Source.from_text("shown.py", "").location == "shown.py"
    assert Source.from_text("shown.py", "", "/real/path.py").location == "/real/path.py"
