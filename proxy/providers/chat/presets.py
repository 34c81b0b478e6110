"""How well-known servers differ, so that the file need not spell it out: by the name of a preset, or by host.

Where each is and where its key is kept stands in the table of vendors. Sources of what is said here are the servers'
documentations as summed up in the wire reference (`upstreams.md`, section 2), and what was recorded of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args
from urllib.parse import urlsplit

from ..vendors import VENDORS, of_prefix
from .profile import ChatProfile

Preset = Literal[
    "cerebras",
    "dashscope",
    "deepinfra",
    "deepseek",
    "fireworks",
    "groq",
    "hyperbolic",
    "llamacpp",
    "lm_studio",
    "minimax",
    "mistral",
    "moonshot",
    "nebius",
    "novita",
    "nvidia",
    "ollama",
    "openrouter",
    "perplexity",
    "sambanova",
    "together",
    "vllm",
    "xai",
    "zai",
]
PRESETS: tuple[Preset, ...] = get_args(Preset)

_SAMPLING = ("stop", "seed", "logit_bias", "top_k", "min_p", "repetition_penalty")
"""What servers of open models take beyond OpenAI's parameters."""

_PROFILES: Mapping[str, ChatProfile] = {
    "cerebras": ChatProfile(
        token_limit="max_completion_tokens", replay_reasoning="never", pass_params=("stop", "seed")
    ),
    "deepseek": ChatProfile(
        structured_output="json_object",
        replay_reasoning="reasoning_content",
        reasoning_effort="thinking",
        user=False,
        pass_params=("stop",),
    ),
    "fireworks": ChatProfile(replay_reasoning="never"),
    "groq": ChatProfile(
        token_limit="max_completion_tokens",
        service_tier=True,
        replay_reasoning="never",
        pass_params=("stop", "seed"),
    ),
    "llamacpp": ChatProfile(pass_params=_SAMPLING),
    "mistral": ChatProfile(
        required_tool="any",
        tool_call_ids="nine",
        replay_reasoning="never",
        reasoning_effort="drop",
        user=False,
        seed_name="random_seed",
        pass_params=("stop", "seed"),
    ),
    "openrouter": ChatProfile(files=True, reasoning_effort="reasoning"),
    "perplexity": ChatProfile(alternate=True, merge_system="all", replay_reasoning="never"),
    "sambanova": ChatProfile(replay_reasoning="never"),
    "together": ChatProfile(replay_reasoning="never", reasoning_effort="reasoning"),
    "vllm": ChatProfile(tokenizer="vllm", videos=True, pass_params=(*_SAMPLING, "chat_template_kwargs")),
    "xai": ChatProfile(replay_reasoning="never"),
}
"""What is not here is as most servers are."""

_PLAIN = ChatProfile()
_LOCAL = ("127.0.0.1",)
_BY_HOST: Mapping[str, str] = {
    **{
        host: vendor.prefix
        for vendor in VENDORS
        if vendor.base_url is not None and (host := urlsplit(vendor.base_url).hostname) and host not in _LOCAL
    },
    "api.together.ai": "together",
    "ollama.com": "ollama",
}


def profile_of(preset: Preset) -> ChatProfile:
    """Returns the profile of a preset."""
    return _PROFILES.get(preset, _PLAIN)


def profile_for_host(host: str | None) -> ChatProfile:
    """Returns the profile of a well-known host, else the one that suits most servers."""
    return _PROFILES.get(_BY_HOST.get(host or "", ""), _PLAIN)


def place_of(preset: Preset) -> str:
    """Returns where the API of a preset begins."""
    vendor = of_prefix(preset)
    assert vendor is not None
    assert vendor.base_url is not None
    return vendor.base_url


def key_of(preset: Preset, environ: Mapping[str, str]) -> str | None:
    """Returns the variable that a preset's key is kept in, the one that is set if there are several."""
    vendor = of_prefix(preset)
    if vendor is None or not vendor.variables:
        return None
    return next((name for name in vendor.variables if environ.get(name, "").strip()), vendor.variables[0])
