import json

import pytest

from proxy.api.responses.fields import FIELDS
from proxy.api.responses.request import ResponsesRequest
from proxy.errors import BadRequest
from proxy.providers.gemini.build import _KEPT_HERE, _TABLE
from proxy.providers.gemini.settings import AskSettings, SafetySettings, ThinkingBudgets
from tests.support.asked import function, request
from tests.support.captured import CAPTURED, for_each
from tests.support.gemini import MODEL, OLD_MODEL, asked, build
from tests.support.strict_gemini import check

SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "pattern": "x"}}, "required": ["a"]}
FORM = {"type": "json_schema", "name": "answer", "schema": SCHEMA, "strict": True}


@pytest.mark.parametrize(
    ("fields", "generation"),
    [
        ({"max_output_tokens": 100}, {"maxOutputTokens": 100}),
        ({"max_tokens": 100}, {"maxOutputTokens": 100}),
        ({"temperature": 0.5, "top_p": 0.9}, {"temperature": 0.5, "topP": 0.9}),
        ({"stop": "END", "seed": 7, "top_k": 40}, {"stopSequences": ["END"], "seed": 7, "topK": 40}),
        ({"stop": ["a", "b"]}, {"stopSequences": ["a", "b"]}),
        ({"stop": []}, {}),
        ({"top_logprobs": 3}, {"responseLogprobs": True, "logprobs": 3}),
        ({"top_logprobs": 0}, {}),
        ({"include": ["message.output_text.logprobs"]}, {"responseLogprobs": True}),
        ({"reasoning": {"effort": "low"}}, {"thinkingConfig": {"thinkingLevel": "low"}}),
        (
            {"reasoning": {"effort": "high", "summary": "auto"}},
            {"thinkingConfig": {"thinkingLevel": "high", "includeThoughts": True}},
        ),
        ({"reasoning": {"generate_summary": "concise"}}, {"thinkingConfig": {"includeThoughts": True}}),
        ({"text": {"format": {"type": "json_object"}}}, {"responseMimeType": "application/json"}),
        ({"text": {"format": {"type": "text"}}}, {}),
        (
            {"text": {"format": FORM}},
            {
                "responseMimeType": "application/json",
                "responseJsonSchema": {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
            },
        ),
        ({"temperature": None, "top_p": None, "reasoning": None, "text": None}, {}),
    ],
)
def test_what_becomes_of_each_field(fields, generation):
    built = asked(**fields)
    check(built.raw)
    assert (built.generation, built.ignored) == (generation, [])


@pytest.mark.parametrize(
    "fields",
    [
        {"user": "u"},
        {"safety_identifier": "s"},
        {"service_tier": "scale"},
        {"prompt_cache_retention": "24h"},
        {"frequency_penalty": 1},
        {"presence_penalty": 0.5},
        {"text": {"verbosity": "low"}},
        {"reasoning": {"mode": "pro"}},
        {"logit_bias": {}},
    ],
)
def test_hints_without_effect_are_named_and_refused_when_that_is_wanted(fields):
    ((name, _),) = fields.items()
    inner = {"text": ".verbosity", "reasoning": ".mode"}.get(name, "")
    built = asked(**fields)
    assert built.ignored == [name + inner]
    assert set(built.body) == {"contents"}
    with pytest.raises(BadRequest) as caught:
        build(request(**fields), params="strict")
    assert (caught.value.param, caught.value.code) == (name + inner, "unsupported_parameter")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"stop": 5}, "stop"),
        ({"stop": ["a", 5]}, "stop"),
        ({"stop": list("abcdef")}, "stop"),
        ({"seed": "x"}, "seed"),
        ({"seed": True}, "seed"),
        ({"n": 2}, "n"),
        ({"text": {"format": {**FORM, "schema": {"a": 1}}}, "temperature": 3}, "temperature"),
    ],
)
def test_what_cannot_be_asked_is_refused(fields, param):
    with pytest.raises(BadRequest) as caught:
        asked(**fields)
    assert caught.value.param == param


def test_models_of_old_take_penalties():
    built = asked("gemini-2.0-flash", frequency_penalty=0.5, presence_penalty=-1)
    assert built.generation == {"frequencyPenalty": 0.5, "presencePenalty": -1.0}
    assert asked(frequency_penalty=0).ignored == []


@pytest.mark.parametrize(("effort", "ignored"), [("none", []), ("high", ["reasoning.effort"])])
def test_a_model_that_does_not_think(effort, ignored):
    built = asked("gemini-2.0-flash", reasoning={"effort": effort})
    assert (built.generation, built.ignored) == ({}, ignored)


@pytest.mark.parametrize(
    ("tier", "word"), [("auto", None), ("default", "standard"), ("flex", "flex"), ("priority", "priority")]
)
def test_service_tiers(tier, word):
    assert asked(service_tier=tier).body.get("serviceTier") == word
    other = build(request(service_tier=tier), settings=AskSettings(service_tiers=False))
    assert "serviceTier" not in other.body
    assert other.ignored == []


def test_beside_functions_older_models_are_told_the_form_in_words():
    built = asked(OLD_MODEL, text={"format": FORM}, tools=[function("f")], instructions="be")
    check(built.raw)
    assert built.generation == {}
    assert built.ignored == ["text.format"]
    first, note = built.body["systemInstruction"]["parts"]
    assert first == {"text": "be"}
    assert json.loads(note["text"].partition("\n")[2]) == SCHEMA
    assert asked(text={"format": FORM}, tools=[function("f")]).generation["responseMimeType"] == "application/json"
    in_words = asked(OLD_MODEL, text={"format": {"type": "json_object"}}, tools=[function("f")])
    assert in_words.body["systemInstruction"]["parts"] == [{"text": "Answer with one JSON object."}]


def test_what_the_file_says():
    settings = AskSettings(
        safety=SafetySettings(hate_speech="BLOCK_NONE"),
        thinking_budgets=ThinkingBudgets(low=77),
        include_thoughts=True,
    )
    built = build(request(reasoning={"effort": "low"}), OLD_MODEL, settings=settings)
    check(built.raw)
    assert built.body["safetySettings"] == [{"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "BLOCK_NONE"}]
    assert built.generation == {"thinkingConfig": {"thinkingBudget": 77, "includeThoughts": True}}


def test_no_field_of_the_api_is_forgotten():
    refused = {"access_programs", "prompt"}
    assert set(FIELDS) - refused <= _KEPT_HERE | set(_TABLE)


def test_names_of_fields_can_be_shown_in_a_header():
    built = asked(**{"naïve\n": 1, "x" * 200: 2})
    assert built.ignored == ["na?ve?", "x" * 80]
    assert len(asked(**{f"x{index}": 1 for index in range(50)}).ignored) == 20


@for_each(one for one in CAPTURED if one.needs_store is None)
def test_requests_of_real_clients(captured):
    for model in (MODEL, OLD_MODEL, "gemini-2.0-flash", "gemma-3-27b-it"):
        check_captured(captured, model)


def check_captured(captured, model):
    built = build(ResponsesRequest.parse(captured.raw), model)
    body = check(built.raw, signed=model == MODEL, system=not model.startswith("gemma"))
    again = build(ResponsesRequest.parse(captured.raw), model)
    assert again.raw == built.raw
    said = json.dumps(captured.body, ensure_ascii=False)
    for content in body["contents"]:
        for part in content["parts"]:
            text = part.get("text", "").strip()
            assert json.dumps(text, ensure_ascii=False)[1:-1] in said or "systemInstruction" not in body


CACHES = ["cachedContents/a-1", "projects/p-1/locations/us-central1/cachedContents/123"]


@pytest.mark.parametrize("name", CACHES)
def test_what_google_keeps_stands_in_front(name):
    built = asked(cached_content=name)
    check(built.raw)
    assert (built.body["cachedContent"], built.ignored) == (name, [])


@pytest.mark.parametrize("name", ["", 5, "files/x", "cachedContents/../x", "projects/p/cachedContents/1"])
def test_what_names_nothing_that_google_keeps(name):
    with pytest.raises(BadRequest) as caught:
        asked(cached_content=name)
    assert caught.value.param == "cached_content"
