import json

import pytest

from proxy.api.raw import ABSENT, Raw
from proxy.events import Usage
from proxy.providers.gemini.usage import read_usage


def read(**counts):
    return read_usage(Raw(json.dumps(counts).encode()))


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        (
            {"promptTokenCount": 7, "candidatesTokenCount": 8, "totalTokenCount": 15},
            Usage(input_tokens=7, output_tokens=8, total_tokens=15),
        ),
        (
            {
                "promptTokenCount": 34,
                "candidatesTokenCount": 469,
                "thoughtsTokenCount": 787,
                "totalTokenCount": 1290,
                "cachedContentTokenCount": 30,
            },
            Usage(input_tokens=34, output_tokens=1256, cached_tokens=30, reasoning_tokens=787, total_tokens=1290),
        ),
        (
            {"promptTokenCount": 10, "candidatesTokenCount": 50, "thoughtsTokenCount": 20, "totalTokenCount": 60},
            Usage(input_tokens=10, output_tokens=50, reasoning_tokens=20, total_tokens=60),
        ),
        (
            {
                "promptTokenCount": 147,
                "toolUsePromptTokenCount": 360,
                "candidatesTokenCount": 108,
                "thoughtsTokenCount": 168,
                "totalTokenCount": 783,
            },
            Usage(input_tokens=507, output_tokens=276, reasoning_tokens=168, total_tokens=783),
        ),
        ({"promptTokenCount": 7, "totalTokenCount": 7}, Usage(input_tokens=7, total_tokens=7)),
    ],
    ids=["plain", "thoughts on top", "thoughts among the candidates", "tools", "nothing was said"],
)
def test_counts(counts, usage):
    assert read(**counts) == (usage, None)


@pytest.mark.parametrize(
    ("word", "tier"),
    [("standard", "default"), ("SERVICE_TIER_FLEX", "flex"), ("priority", "priority"), ("batch", None), ("", None)],
)
def test_the_tier_is_told_in_openais_words(word, tier):
    assert read(promptTokenCount=1, serviceTier=word)[1] == tier


def test_vertex_ai_tells_the_tier_by_the_kind_of_traffic():
    assert read(promptTokenCount=1, trafficType="ON_DEMAND_PRIORITY")[1] == "priority"
    assert read(promptTokenCount=1, trafficType="ON_DEMAND")[1] is None


@pytest.mark.parametrize("raw", [ABSENT, Raw(b"null"), Raw(b"{}"), Raw(b'{"trafficType":"ON_DEMAND"}'), Raw(b"[]")])
def test_nothing_counted_is_no_usage(raw):
    assert read_usage(raw) == (None, None)


def test_audio_is_counted_apart_where_it_was_not_read_from_the_cache():
    usage, _ = read(
        promptTokenCount=100,
        cachedContentTokenCount=30,
        candidatesTokenCount=50,
        promptTokensDetails=[{"modality": "TEXT", "tokenCount": 20}, {"modality": "AUDIO", "tokenCount": 80}],
        cacheTokensDetails=[{"modality": "AUDIO", "tokenCount": 30}],
        candidatesTokensDetails=[{"modality": "AUDIO", "tokenCount": 40}, {"modality": 5}],
    )
    assert (usage.audio_input_tokens, usage.audio_output_tokens) == (50, 40)


def test_what_fits_of_bad_counts_is_taken():
    usage, _ = read(promptTokenCount=5, candidatesTokenCount="many", thoughtsTokenCount=-3)
    assert usage == Usage(input_tokens=5, total_tokens=5)
