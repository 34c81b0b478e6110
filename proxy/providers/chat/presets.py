"""Profiles of servers that everybody knows, by host, so that the file need not spell them out.

Sources are the servers' documentations as summed up in the wire reference (`upstreams.md`, section 2).
"""

from __future__ import annotations

from collections.abc import Mapping

from .profile import ChatProfile

_BY_HOST: Mapping[str, ChatProfile] = {
    "api.cerebras.ai": ChatProfile(token_limit="max_completion_tokens"),
    "api.deepseek.com": ChatProfile(
        structured_output="json_object", replay_reasoning="reasoning_content", reasoning_effort="drop", user=False
    ),
    "api.groq.com": ChatProfile(token_limit="max_completion_tokens", service_tier=True, replay_reasoning="never"),
    "api.mistral.ai": ChatProfile(
        required_tool="any", tool_call_ids="nine", replay_reasoning="never", reasoning_effort="drop", user=False
    ),
    "api.perplexity.ai": ChatProfile(alternate=True, merge_system="all", replay_reasoning="never"),
    "openrouter.ai": ChatProfile(files=True, reasoning_effort="reasoning"),
}
_PLAIN = ChatProfile()


def profile_for_host(host: str | None) -> ChatProfile:
    """Returns the profile of a well-known host, else the one that suits most servers."""
    return _BY_HOST.get(host or "", _PLAIN)
