"""What upstreams' words mean, and what is taken out of them."""

from __future__ import annotations

import time

import pytest

from proxy.providers.chat.wording import is_content_policy, is_context_overflow, is_overloaded, strip_secrets
from proxy.redact import protect


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens.",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "Your input exceeds the context window of this model.",
        "the request exceeds the available context size, try increasing it",
        "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
        "`inputs` tokens + `max_new_tokens` must be <= 4096".replace("`", ""),
        "Requested token count exceeds the model's maximum context length of 32768 tokens.",
        "context_length_exceeded",
    ],
)
def test_an_input_that_is_too_long_is_recognised(message: str) -> None:
    assert is_context_overflow(message)


@pytest.mark.parametrize(
    "message", ["Rate limit reached", "string_above_max_length: maximum context length", "model not found", ""]
)
def test_other_messages_are_no_overflow(message: str) -> None:
    assert not is_context_overflow(message)


def test_policies_and_load_are_recognised() -> None:
    assert is_content_policy("The response was filtered by Azure OpenAI's content management policy")
    assert is_content_policy("rejected by our safety system")
    assert not is_content_policy("content is required")
    assert is_overloaded("The engine is currently overloaded")
    assert is_overloaded("Model is loading: currently loading weights")
    assert not is_overloaded("Internal error")


@pytest.mark.parametrize(
    ("message", "stripped"),
    [
        ("Incorrect API key provided: sk-proj-abc123def456.", "Incorrect API key provided: ***."),
        ("header Authorization: Bearer abcdef.123456 refused", "header Authorization: Bearer *** refused"),
        ("AIzaSyA1234567890abcdefghijk is no key", "*** is no key"),
        ("Cannot reach http://10.0.0.7:8000/v1/chat (refused)", "Cannot reach (address) (refused)"),
        ("Organization org-abcdefgh1234 has no quota", "Organization org-*** has no quota"),
        ("token ya29.a0AfH6SMBx-y_z.1 of ASIAABCDEFGHIJKL", "token *** of ***"),
        (
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/2026/x, Signature=d135",
            "AWS4-HMAC-SHA256 Credential=***, Signature=***",
        ),
        ("nothing to hide: skill, api, key", "nothing to hide: skill, api, key"),
    ],
)
def test_keys_tokens_and_addresses_are_taken_out(message: str, stripped: str) -> None:
    assert strip_secrets(message) == stripped


def test_secrets_of_the_file_are_known_by_their_values() -> None:
    protect("0123456789abcdef0123456789abcdef")
    assert strip_secrets("Access denied: 0123456789abcdef0123456789abcdef, or x") == "Access denied: ***, or x"


def test_long_messages_are_cut() -> None:
    assert strip_secrets("x" * 5000) == "x" * 1999 + "…"
    assert strip_secrets("abcdef", limit=4) == "abc…"


def test_hostile_messages_cost_little() -> None:
    start = time.process_time()
    for piece in ("eyJ-", "sk-aaaaaa ", "http://", "bearer ", "?key="):
        strip_secrets(piece * 200_000)
        is_context_overflow(piece * 20_000)
    assert time.process_time() - start < 30  # a pattern that backtracks would take for ever
