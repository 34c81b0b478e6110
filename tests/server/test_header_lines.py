"""Lines of headers: what is plain is read, and both forms read the same."""

from __future__ import annotations

import random

import pytest

from tests.support.forms import FORMS, Form, each_form

PLAIN = b'Host: here:80\r\nX_Under-1: a: b, c\r\nACCEPT: */*\r\nq: "{|}~!\\'


@each_form
def test_plain_lines_are_read(form: Form) -> None:
    lines = form.HeaderLines(frozenset(("te",)))
    assert lines.read(PLAIN) == {"host": "here:80", "x_under-1": "a: b, c", "accept": "*/*", "q": '"{|}~!\\'}
    assert lines.read(b"a: b") == {"a": "b"}
    most = b"\r\n".join(b"a%d: b" % n for n in range(64))
    assert len(lines.read(most)) == 64
    assert lines.read(most + b"\r\nb: b") is None
    assert list(lines.read(b"%b: %b" % (b"a" * 64, b"b" * 9000))) == ["a" * 64]
    assert lines.read(b"%b: b" % (b"a" * 65)) is None


@each_form
@pytest.mark.parametrize(
    "lines",
    [
        *(b"", b"a", b"a:", b"a: ", b"a:b", b"a : b", b" a: b", b"a:  b", b"a: b ", b": b", b"a: b\r\n", b"\r\na: b"),
        *(
            b"a: b\r\n\r\nc: d",
            b"a: b\nc: d",
            b"a: b\rc: d",
            b"a: b\r\n c",
            b"a: b\tc",
            b"a: b\0",
            b"a: b\x7f",
            b"a: \xe9",
        ),
        *(
            b"a.b: c",
            b"a\xe9: c",
            b"a: b\r\nA: b",
            b"Te: a",
            b"a: b\r\nTE: a",
            b"a: b\r",
            b"a:\r\nb: c",
            b"a: \r\nb: c",
        ),
    ],
)
def test_what_is_not_plain_is_not_read(form: Form, lines: bytes) -> None:
    assert form.HeaderLines(frozenset(("te",))).read(lines) is None


def test_both_forms_read_the_same() -> None:
    chance = random.Random(7)
    read = 0
    for _ in range(2000):
        lines = bytearray(PLAIN)
        for _ in range(chance.randrange(3)):
            lines[chance.randrange(len(lines))] = chance.choice((chance.randrange(256), *b"\r\n: _aA"))
        found = [form.HeaderLines(frozenset()).read(bytes(lines)) for form in FORMS]
        assert found[0] == found[-1], lines
        read += found[0] is not None
    assert 600 < read < 1900
