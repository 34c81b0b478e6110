import json

import pytest

from proxy.errors import UpstreamGarbled
from proxy.providers.openai_compatible.token_count import input_tokens_body, read_count, tokenize_body, tokenize_url


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("http://h:8000/v1", "http://h:8000/tokenize"),
        ("http://h:8000/some/v1", "http://h:8000/some/tokenize"),
        ("http://h:8000/other", "http://h:8000/other/tokenize"),
    ],
)
def test_the_endpoint_stands_beside_v1(url, found):
    assert tokenize_url(url) == found


def test_of_a_chat_request_what_makes_the_prompt_is_sent():
    body = {"model": "m", "messages": [], "tools": [], "stream": True, "max_tokens": 1, "chat_template_kwargs": {}}
    asked = json.loads(tokenize_body(json.dumps(body).encode()))
    assert asked == {"model": "m", "messages": [], "tools": [], "chat_template_kwargs": {}}


def test_of_a_create_what_openai_counts_is_sent():
    body = {"model": "m", "input": "x", "store": False, "stream": True, "metadata": {}, "instructions": "y"}
    asked = json.loads(input_tokens_body(json.dumps(body).encode()))
    assert asked == {"model": "m", "input": "x", "instructions": "y"}


def test_both_kinds_of_answer_are_read():
    assert read_count("u", b'{"count":3,"max_model_len":9,"tokens":[1,2,3]}') == 3
    assert read_count("u", b'{"object":"response.input_tokens","input_tokens":4}') == 4


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"count":"x"}', b"\xff"])
def test_an_answer_without_a_count_is_garbled(body):
    with pytest.raises(UpstreamGarbled, match='upstream "u" has answered without a count'):
        read_count("u", body)
