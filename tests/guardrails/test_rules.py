"""What a rule may say, and what is refused with the fix beside it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.support.guarding import rule


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"match": "http"}, "nothing to look for"),
        ({"match": "openai-moderation"}, "nothing to look for"),
        ({"match": "model"}, "nothing to look for"),
        ({"match": "bedrock-guardrail", "upstream": "b"}, "nothing to look for"),
        ({"match": "http", "url": "ftp://x"}, "url: "),
        ({"words": ["x"], "url": "http://x"}, "url means nothing with match: words"),
        ({"words": ["x"], "mode": "end"}, "mode means nothing with match: words"),
        ({"match": "pii", "timeout": "2s"}, "timeout means nothing with match: pii"),
        ({"match": "pii", "kinds": ["credit_cart"]}, "Invalid enum value"),
        ({"match": "openai-moderation", "upstream": "o", "thresholds": {"hate": 2}}, "<= 1.0"),
        ({"words": ["x"], "on_timeout": "release"}, "never lets go"),
        ({"words": ["x"], "max_delay": "soon"}, "is no duration"),
    ],
)
def test_rules_that_make_no_sense_are_refused(fields: dict[str, Any], what: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=what):
        rule(**fields)


def test_what_follows_from_what_is_given() -> None:
    words = rule(words=["x"], action="redact", max_delay="100ms", on_timeout="release")
    assert (words.asks, words.masks, words.written_mask, words.lets_go_after) == (False, True, "[rule]", 0.1)
    hook = rule(match="http", url="http://127.0.0.1:9/", action="flag", max_delay="1s")
    assert (hook.asks, hook.streamed, hook.lets_go_after) == (True, "observe", None)
    assert rule(match="http", url="http://127.0.0.1:9/").streamed == "hold"
    assert rule(match="pii", presidio=["PERSON"], timeout="1s").asks


def test_headers_of_a_webhook_are_never_shown() -> None:
    hook = rule(match="http", url="http://127.0.0.1:9/", headers={"authorization": "Bearer planted"})
    assert "planted" not in repr(hook)
