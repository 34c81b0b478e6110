import json

import pytest

from proxy.api.chat.request import ChatRequest
from proxy.errors import BadRequest
from proxy.providers.gemini.from_chat import responses_request
from proxy.providers.gemini.state import image_key, state_of
from proxy.providers.provider import TranslateOptions
from tests.support.gemini import MADE_BY, MODEL, build
from tests.support.strict_gemini import check

ENTRY = state_of("c2ln", MADE_BY, "call", id="call_1").state["details"][0]


def converted(*messages, **fields):
    """Returns the Gemini request of a chat request."""
    ignored = []
    chat = ChatRequest.parse(
        json.dumps({"model": "m", "messages": list(messages) or [{"role": "user", "content": "hi"}], **fields}).encode()
    )
    before = dict(chat.fields)
    made, signatures = responses_request(chat, MODEL, MADE_BY, TranslateOptions(), ignored.append)
    assert chat.fields == before
    built = build(made, signatures=signatures)
    check(built.raw, signed=True)
    return built, ignored


def called(details):
    return [
        {"role": "user", "content": "?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            "reasoning_details": details,
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "done"},
    ]


def signature(details):
    return converted(*called(details))[0].contents[1]["parts"][0]["thoughtSignature"]


def test_fields_that_both_apis_have():
    built, ignored = converted(
        {"role": "system", "content": "be"},
        {"role": "user", "content": "hi"},
        max_tokens=9,
        reasoning_effort="low",
        response_format={"type": "json_object"},
        tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    )
    assert built.body["systemInstruction"] == {"parts": [{"text": "be"}]}
    assert built.generation == {
        "maxOutputTokens": 9,
        "responseMimeType": "application/json",
        "thinkingConfig": {"thinkingLevel": "low", "includeThoughts": True},
    }
    assert built.body["tools"] == [{"functionDeclarations": [{"name": "f"}]}]
    assert ignored == built.ignored == []


def test_fields_that_gemini_has_and_the_responses_api_has_not():
    built, ignored = converted(stop=["a"], seed=3, top_k=4)
    assert built.generation == {"stopSequences": ["a"], "seed": 3, "topK": 4}
    assert ignored == []


def test_hints_without_effect_are_named():
    assert converted(logit_bias={"1": 2})[1] == ["logit_bias"]


def test_signatures_that_the_client_gave_back():
    assert signature([ENTRY]) == "c2ln"


def test_images_that_the_client_gave_back():
    entry = state_of("c2ln", MADE_BY, "image", id=image_key("iVBORw0=")).state["details"][0]
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0="}, "index": 0}
    drawn = {"role": "assistant", "content": "Here:", "images": [image], "reasoning_details": [entry]}
    built, ignored = converted({"role": "user", "content": "?"}, drawn, {"role": "user", "content": "bluer"})
    assert built.contents[1]["parts"] == [
        {"text": "Here:"},
        {"inlineData": {"mimeType": "image/png", "data": "iVBORw0="}, "thoughtSignature": "c2ln"},
    ]
    assert ignored == built.ignored == []


@pytest.mark.parametrize(
    "details",
    [None, [], "x", [{**ENTRY, "made_by": "gemini/other"}], [{**ENTRY, "format": "x"}], [{**ENTRY, "on": "text"}]],
)
def test_what_is_not_of_this_model_is_not_read(details):
    assert signature(details) == "skip_thought_signature_validator"


@pytest.mark.parametrize(("fields", "param"), [({"n": 2}, "n"), ({"temperature": 3}, "temperature")])
def test_what_cannot_be_asked_is_refused(fields, param):
    with pytest.raises(BadRequest) as caught:
        converted(**fields)
    assert caught.value.param == param
