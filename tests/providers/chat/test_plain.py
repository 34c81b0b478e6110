"""Whole answers that are one text: what the short way reads is what the decoder reads."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from proxy.events import Event, Finish, PlainAnswer, TextDelta, Usage
from proxy.providers.chat.decoder import ChatDecoder
from proxy.providers.chat.plain import plain_answer

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def body(message: Any = None, choice: Any = None, **fields: Any) -> bytes:
    """Returns a completion whose one choice says `hi`, but for what is given."""
    said = {"role": "assistant", "content": "hi", **(message or {})}
    chosen = {"index": 0, "message": said, "finish_reason": "stop", "logprobs": None, **(choice or {})}
    return msgspec.json.encode({"id": "c", "object": "chat.completion", "choices": [chosen], "usage": USAGE, **fields})


def events_of(answer: PlainAnswer) -> list[Event]:
    """Returns the events that say the same."""
    usage = [answer.usage] if answer.usage is not None else []
    return [TextDelta(answer.text), *usage, Finish(answer.reason, answer.service_tier)]


PLAIN = {
    "text": body(),
    "what is not ASCII": body({"content": "Grüße 🙂 \u2028\n"}),
    "white space around it": b"\n " + body({"content": " hi "}) + b"\r\n",
    "empty fields": body({"tool_calls": [], "refusal": None, "annotations": [], "reasoning_content": ""}),
    "all kinds of usage": body(usage={**USAGE, "prompt_tokens_details": {"cached_tokens": 2}}),
    "no usage": body(usage=None),
    "a tier": body(service_tier="flex"),
    "an empty tier": body(service_tier=""),
    "a limit": body(choice={"finish_reason": "length"}),
    "a filter, in capitals": body(choice={"finish_reason": "SAFETY"}),
    "a word that nobody knows": body(choice={"finish_reason": "eos"}),
    "empty logprobs": body(choice={"logprobs": {"content": []}}),
    "no index": body(choice={"index": None}),
}


@pytest.mark.parametrize("answer", PLAIN.values(), ids=PLAIN)
def test_a_plain_answer_is_what_the_decoder_makes_of_it(answer: bytes) -> None:
    plain = plain_answer(answer)
    assert plain is not None
    assert events_of(plain) == ChatDecoder().whole(answer)


def test_what_it_says_is_all_there() -> None:
    assert plain_answer(body(service_tier="flex")) == PlainAnswer("hi", "stop", Usage(3, 2, total_tokens=5), "flex")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"no JSON",
        b"[DONE]",
        b"[]",
        b'{"error": {"message": "no"}}',
        body()[:-1],
        body().replace(b'"hi"', b'"\\ud83d x"'),
        body({"content": None}),
        body({"content": ""}),
        body({"content": " \n"}),
        body({"content": [{"type": "text", "text": "hi"}]}),
        body({"tool_calls": [CALL]}),
        body({"function_call": {"name": "f", "arguments": "{}"}}),
        body({"refusal": "no"}),
        body({"reasoning_content": "hm"}),
        body({"reasoning": "hm"}),
        body({"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}),
        body({"thinking": "hm"}),
        body({"thinking_blocks": [{"type": "thinking", "thinking": "hm"}]}),
        body({"annotations": [{"type": "url_citation", "url_citation": {"url": "https://a"}}]}),
        body({"audio": {"transcript": "hi"}}),
        body({"images": [{"image_url": {"url": "data:,"}}]}),
        body(choice={"logprobs": {"content": [{"token": "hi", "logprob": -1.0, "bytes": None, "top_logprobs": []}]}}),
        body(choice={"finish_reason": None}),
        body(choice={"finish_reason": "error"}),
        body(choice={"error": {"message": "no"}}),
        body(choice={"index": 1}),
        body(choice={"delta": {"content": "hi"}}),
        body(choice={"message": None}),
        body(choices=[]),
        body(error={"message": "no"}),
        body(citations=["https://a"]),
        body(search_results=[]),
        body(x_groq={"usage": USAGE}),
        body(usage="many"),
    ],
)
def test_whatever_else_there_may_be_is_left_to_the_decoder(answer: bytes) -> None:
    assert plain_answer(answer) is None


def test_a_second_choice_is_left_to_the_decoder() -> None:
    whole = msgspec.json.decode(body())
    assert plain_answer(msgspec.json.encode({**whole, "choices": whole["choices"] * 2})) is None
