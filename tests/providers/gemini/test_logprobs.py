import json

import pytest

from proxy.api.raw import ABSENT, Raw
from proxy.providers.gemini.logprobs import read_logprobs


def test_chosen_tokens_with_those_that_might_have_been():
    result = {
        "chosenCandidates": [{"token": "é", "logProbability": -0.5}, {"token": "b"}],
        "topCandidates": [
            {"candidates": [{"token": "é", "logProbability": -0.5}, {"token": "a", "logProbability": -1}]}
        ],
    }
    assert read_logprobs(Raw(json.dumps(result).encode())) == [
        {
            "token": "é",
            "bytes": [195, 169],
            "logprob": -0.5,
            "top_logprobs": [
                {"token": "é", "bytes": [195, 169], "logprob": -0.5},
                {"token": "a", "bytes": [97], "logprob": -1.0},
            ],
        },
        {"token": "b", "bytes": [98], "logprob": 0.0, "top_logprobs": []},
    ]


def test_a_token_without_any_probability_has_openais_number_for_it():
    (entry,) = read_logprobs(Raw(b'{"chosenCandidates":[{"token":"a","logProbability":-1e999}]}'))
    assert entry["logprob"] == -9999.0


@pytest.mark.parametrize("raw", [ABSENT, Raw(b"{}"), Raw(b"[]"), Raw(b'{"chosenCandidates":[]}')])
def test_without_any_there_are_none(raw):
    assert read_logprobs(raw) is None
