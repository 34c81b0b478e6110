import pytest

from proxy.errors import UpstreamRefused, UpstreamStreamError
from proxy.providers.gemini.finish import ending_of, failed_finish, is_blocked, refused_prompt, supersedes


@pytest.mark.parametrize(
    ("reason", "ending"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("BLOCKLIST", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("SPII", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "failed"),
        ("UNEXPECTED_TOOL_CALL", "failed"),
        ("MISSING_THOUGHT_SIGNATURE", "failed"),
        ("OTHER", "vague"),
        ("NO_IMAGE", "vague"),
        ("SOMETHING_NEW", "vague"),
    ],
)
def test_reasons(reason, ending):
    assert ending_of(reason) == ending


@pytest.mark.parametrize(
    ("known", "reason", "counts"),
    [
        (None, "STOP", True),
        ("STOP", "SAFETY", True),
        ("STOP", "STOP", True),
        ("SAFETY", "STOP", False),
        ("MAX_TOKENS", "SAFETY", False),
        (None, "FINISH_REASON_UNSPECIFIED", False),
        (None, "", False),
    ],
)
def test_the_first_reason_counts_that_is_not_stop(known, reason, counts):
    assert supersedes(reason, known) is counts


@pytest.mark.parametrize(
    ("reason", "blocked"),
    [("SAFETY", True), ("NEW", True), ("", False), (None, False), ("BLOCK_REASON_UNSPECIFIED", False)],
)
def test_a_prompt_is_refused_only_for_a_reason(reason, blocked):
    assert is_blocked(reason) is blocked


def test_a_failed_finish_may_be_tried_again_and_says_why():
    error = failed_finish("MALFORMED_FUNCTION_CALL", "Malformed function call: print(default_api.f(")
    assert isinstance(error, UpstreamStreamError)
    assert (error.status, error.code, error.retryable) == (502, "server_error", True)
    assert str(error).endswith("MALFORMED_FUNCTION_CALL: Malformed function call: print(default_api.f(")


def test_a_refused_prompt_is_the_clients_and_nobody_elses():
    error = refused_prompt("PROHIBITED_CONTENT", None)
    assert isinstance(error, UpstreamRefused)
    assert error.to_dict() == {
        "message": "The prompt was refused by the upstream's content filter (PROHIBITED_CONTENT).",
        "type": "invalid_request_error",
        "param": None,
        "code": "content_filter",
    }
    assert (error.status, error.retry_same, error.fail_over) == (400, False, False)
