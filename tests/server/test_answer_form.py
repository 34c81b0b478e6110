"""Answers in a form: every byte of them, and what may not stand in a value."""

from __future__ import annotations

import pytest

from proxy.server.own_answer import header_value
from tests.support.forms import Form, each_form

FIRST = "HTTP/1.1 200 OK"


@each_form
def test_an_answer_is_written_whole(form: Form) -> None:
    one = form.AnswerForm(FIRST, ("x-a", "x-b"))
    for body in (b"", b"{}", b"\x00\r\n\xff" * 1000):
        assert one.write({"x-a": "1", "x-b": ""}, "x-more: 2\r\n", "today", body) == (
            b"HTTP/1.1 200 OK\r\nx-a: 1\r\nx-b: \r\nserver: penstock\r\nx-more: 2\r\n"
            b"date: today\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
        )


@each_form
def test_who_serves_is_said_once(form: Form) -> None:
    assert form.AnswerForm(FIRST, ("server",)).write({"server": "me"}, "", "now", b"x") == (
        b"HTTP/1.1 200 OK\r\nserver: me\r\ndate: now\r\ncontent-length: 1\r\n\r\nx"
    )
    assert form.AnswerForm(FIRST, ()).write({}, "", "now", b"x") == (
        b"HTTP/1.1 200 OK\r\nserver: penstock\r\ndate: now\r\ncontent-length: 1\r\n\r\nx"
    )


@each_form
@pytest.mark.parametrize(
    "value",
    ["a\r\nx-evil: 1", "\0\x01\x1f\x7f", "a\tb", " a ", "~!%s\\", "é", "日本", "😀", "\x80\xa0", "\ud800", "a\u2028b"],
)
def test_a_value_cannot_begin_another_header(form: Form, value: str) -> None:
    written = form.AnswerForm(FIRST, ("x-a", "x-b")).write({"x-a": value, "x-b": "b"}, "", "now", b"")
    assert written.split(b"\r\n")[1:3] == [f"x-a: {header_value(value)}".encode(), b"x-b: b"]


@each_form
@pytest.mark.parametrize("headers", [{"x-a": "1"}, {"x-a": "1", "x-b": "2", "x-c": "3"}])
def test_there_are_as_many_values_as_names(form: Form, headers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="size"):
        form.AnswerForm(FIRST, ("x-a", "x-b")).write(headers, "", "now", b"")
