"""What an exchange asks, whichever dialect its client speaks, and what is left out of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.api.chat.request import ChatRequest
from proxy.exchange import Attempt, Client, Exchange
from proxy.providers.anthropic.asked import asked, keeps_state
from proxy.providers.anthropic.errors import INVALID_STRICT, INVALID_THINKING
from proxy.providers.provider import TranslateOptions
from tests.support.asked import request


def exchange(made: Any, **translate: Any) -> Exchange:
    """Returns an exchange about a request."""
    one = Exchange("ex_1", Client("127.0.0.1", {}), made)
    one.translate = TranslateOptions(**translate)
    return one


def chat() -> ChatRequest:
    """Returns a request of a chat client."""
    return ChatRequest.parse(json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).encode())


def test_a_chat_request_becomes_one_of_the_responses_api() -> None:
    said = asked(exchange(chat()), "up", "m")
    assert [message["content"] for message in said.request.get("input")] == ["hi"]
    made = request()
    assert asked(exchange(made), "up", "m").request is made


@pytest.mark.parametrize(
    ("made", "reasoning", "shown"),
    [
        (request(), "auto", False),
        (request(), "summary", True),
        (request(), "content", True),
        (request(), "drop", False),
        (chat(), "auto", True),
        (chat(), "drop", False),
    ],
)
def test_thinking_is_shown_to_who_would_read_it(made: Any, reasoning: str, shown: bool) -> None:
    assert asked(exchange(made, reasoning=reasoning), "up", "m").show_thinking is shown


def test_what_this_upstream_has_refused_is_left_out() -> None:
    one = exchange(request())
    one.attempts += [Attempt("up", "m", 0.0, error=INVALID_THINKING), Attempt("other", "m", 0.0, error=INVALID_STRICT)]
    here, there, nowhere = (asked(one, upstream, "m") for upstream in ("up", "other", "third"))
    assert (here.thoughts, here.strict) == (False, True)
    assert (there.thoughts, there.strict) == (True, False)
    assert (nowhere.thoughts, nowhere.strict) == (True, True)


def test_state_is_kept_for_who_can_give_it_back() -> None:
    assert not keeps_state(exchange(request()))
    assert not keeps_state(exchange(chat()))
    assert keeps_state(exchange(request(include=["reasoning.encrypted_content"])))
    one = exchange(request())
    one.keeps = True
    assert keeps_state(one)
