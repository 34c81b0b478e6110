"""Replies that are refusals become exceptions of the tree."""

from __future__ import annotations

import pytest

from proxy.errors import ExchangeError, Forbidden, RateLimited
from proxy.inprocess.refused import raise_refusal
from proxy.reply import Reply


def test_a_good_reply_raises_nothing() -> None:
    raise_refusal(Reply.json({"error": None}))


def test_the_error_of_a_reply_is_raised_itself() -> None:
    error = RateLimited("wait", retry_after_s=3)
    with pytest.raises(RateLimited) as raised:
        raise_refusal(Reply.from_error(error))
    assert raised.value is error


def test_what_a_stage_has_written_itself_is_read() -> None:
    body = {"error": {"message": "no", "type": "house_rule", "param": "input", "code": 7}}
    with pytest.raises(Forbidden) as raised:
        raise_refusal(Reply.json(body, 403))
    assert raised.value.to_dict() == {"message": "no", "type": "house_rule", "param": "input", "code": "7"}


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": "text"}', b"\xff"])
def test_a_refusal_without_words_has_its_status(body: bytes) -> None:
    with pytest.raises(ExchangeError) as raised:
        raise_refusal(Reply(418, body))
    assert raised.value.status == 418
    assert "418" in raised.value.message
