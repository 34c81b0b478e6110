import pytest

from proxy.providers.chat.presets import profile_for_host
from proxy.providers.chat.profile import ChatProfile


@pytest.mark.parametrize("host", [None, "", "127.0.0.1", "example.com", "mistral.ai"])
def test_unknown_hosts_get_what_suits_most(host):
    assert profile_for_host(host) == ChatProfile()


def test_well_known_hosts_get_their_own():
    assert profile_for_host("api.mistral.ai").tool_call_ids == "nine"
    assert profile_for_host("api.mistral.ai").required_tool == "any"
    assert profile_for_host("api.deepseek.com").replay_reasoning == "reasoning_content"
    assert profile_for_host("api.perplexity.ai").alternate
    assert profile_for_host("openrouter.ai").reasoning_effort == "reasoning"
    assert profile_for_host("api.groq.com").token_limit == "max_completion_tokens"
