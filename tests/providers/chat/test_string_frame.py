"""Reads in a frame: what stands between the same bytes, if it is one JSON string."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from tests.support.forms import FORMS, Form, each_form

PREFIX, SUFFIX = b'data: {"content":', b"}\n\n"


def learned(form: Form) -> Any:
    """Returns a frame."""
    frame = form.StringFrame()
    frame.prefix, frame.suffix = PREFIX, SUFFIX
    return frame


@each_form
@pytest.mark.parametrize("text", ["a", "two words", 'a "quote"', "\\", "é", "日本", "😀", "\x7f", "x" * 3000])
def test_the_string_is_read_however_it_is_written(form: Form, text: str) -> None:
    frame = learned(form)
    assert not frame.seen
    for ascii_only in (False, True):
        assert frame.text(PREFIX + json.dumps(text, ensure_ascii=ascii_only).encode() + SUFFIX) == text
    assert frame.seen


@each_form
@pytest.mark.parametrize(
    "between",
    [
        b"",
        b'"',
        b'""',
        b"null",
        b'"a","b":"c"',
        b'"a" ,"b": "c"',
        b'"a\\"',
        b'"\\x"',
        b'"\\ud800"',
        b'"\x01"',
        b'"\n"',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\xc0\xaf"',
        b'\n"a"',
        b'"a"\r',
        b"a",
    ],
)
def test_what_is_no_string_or_an_empty_one_is_not_read(form: Form, between: bytes) -> None:
    frame = learned(form)
    assert frame.text(PREFIX + between + SUFFIX) == ""


@each_form
@pytest.mark.parametrize(
    "read", [b"", PREFIX, SUFFIX, PREFIX[:-1] + b' "a"' + SUFFIX, PREFIX + b'"a"' + SUFFIX + b"\n"]
)
def test_another_frame_is_not_read(form: Form, read: bytes) -> None:
    frame = learned(form)
    assert (frame.text(read), frame.seen) == ("", False)


@each_form
def test_without_a_frame_nothing_is_read(form: Form) -> None:
    frame = learned(form)
    frame.prefix = None
    assert frame.text(PREFIX + b'"a"' + SUFFIX) == ""


@pytest.mark.skipif(len(FORMS) < 2, reason="not compiled here: there is no C compiler, or PENSTOCK_PURE=1")
def test_both_forms_read_the_same() -> None:
    chance = random.Random(2)
    pure, compiled = map(learned, FORMS)
    pieces = [
        b"a",
        b"\\",
        b'"',
        b"\\n",
        b"\\u00e9",
        b"\xc3\xa9",
        b"\xc3",
        b"\xf0\x9f\x98\x80",
        b"\x00",
        b" ",
        b"\xed\xa0\x80",
    ]
    for _ in range(20_000):
        string = b'"' + b"".join(chance.choices(pieces, k=chance.randrange(6))) + b'"'
        read = PREFIX + string + SUFFIX
        assert pure.text(read) == compiled.text(read), read
    assert pure.seen


@each_form
def test_what_is_read_is_kept_where_there_is_a_list_for_it(form: Form) -> None:
    frame = learned(form)
    frame.kept = kept = ["before"]
    for said in (b'"a"', b'"\\n"', b'""', b"1"):
        frame.text(PREFIX + said + SUFFIX)
    assert kept == ["before", "a", "\n"]
