"""Who serves models, as a table of facts: where, by which API, and which variable everybody keeps the key in.

Sources are the vendors' documentations as summed up in the wire reference (`upstreams.md`, section 2), for the names of
variables and prefixes also those that LiteLLM reads, so that a script moves here without being changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..patterns import stands_for


class Vendor(msgspec.Struct, frozen=True, kw_only=True):
    """One who serves models under names that begin with `prefix` and a slash, or with one of `also`.

    `kind` is the upstream's kind, `base_url` where its API begins if the kind does not know; one of `url_variables` may
    say otherwise. One of `variables` must be set for its models to be served, if there are any; where it holds a key
    (`sends_key`), that is the upstream's `api_key`. One that `needs_url` has no place of its own: its variable must be
    set, too. `bare` are patterns of names that need no prefix.
    """

    prefix: str
    kind: str = "openai-compatible"
    base_url: str | None = None
    variables: tuple[str, ...] = ()
    url_variables: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    bare: tuple[str, ...] = ()
    sends_key: bool = True
    needs_url: bool = False

    @property
    def in_environment(self) -> bool:
        """Whether variables can say all that is needed to reach it."""
        return bool(self.variables or self.url_variables)

    def missing(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        """Returns the variables that must be set before its models can be served."""
        missing = self.variables[:1] if _first_set(self.variables, environ, names=True) is None else ()
        if self.needs_url or not self.variables:
            unplaced = _first_set(self.url_variables, environ, names=True) is None
            missing += self.url_variables[:1] if unplaced else ()
        return missing

    def settings(
        self, environ: Mapping[str, str], *, base_url: str | None = None, api_key: str | None = None
    ) -> dict[str, Any]:
        """Returns the upstream as it would stand in a file, where what is given stands for what the environment says.

        Without a key it requires the variable that is set, else the usual one; at a given base URL it requires none.
        """
        settings: dict[str, Any] = {"kind": self.kind}
        url = base_url or _first_set(self.url_variables, environ, names=False) or self.base_url
        if url:
            settings["base_url"] = url
        if api_key is not None:
            settings["api_key"] = api_key
            return settings
        variable = _first_set(self.variables, environ, names=True)
        if variable is None and self.variables and not base_url:
            variable = self.variables[0]
        if variable is not None:
            settings["requires_env"] = variable
            if self.sends_key:
                settings["api_key"] = f"env:{variable}"
        return settings


def _first_set(variables: tuple[str, ...], environ: Mapping[str, str], *, names: bool) -> str | None:
    """Returns the first variable that is set, by its name or its value; None when none is."""
    for variable in variables:
        if value := environ.get(variable, "").strip():
            return variable if names else value
    return None


VENDORS: tuple[Vendor, ...] = (
    Vendor(
        prefix="openai",
        kind="openai",
        variables=("OPENAI_API_KEY",),
        url_variables=("OPENAI_BASE_URL", "OPENAI_API_BASE"),
        bare=("gpt-*", "chatgpt-*", "o1*", "o3*", "o4*", "codex-*", "computer-use-*", "ft:gpt-*"),
    ),
    Vendor(
        prefix="anthropic",
        kind="anthropic",
        variables=("ANTHROPIC_API_KEY",),
        url_variables=("ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE"),
        bare=("claude-*",),
    ),
    Vendor(
        prefix="gemini",
        kind="gemini",
        variables=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        url_variables=("GEMINI_API_BASE",),
        bare=("gemini-*",),
    ),
    Vendor(
        prefix="vertex",
        kind="vertex",
        variables=("GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "GOOGLE_APPLICATION_CREDENTIALS"),
        also=("vertex_ai",),
        sends_key=False,
    ),
    Vendor(
        prefix="bedrock",
        kind="bedrock",
        variables=(
            "AWS_BEARER_TOKEN_BEDROCK",
            "AWS_ACCESS_KEY_ID",
            "AWS_PROFILE",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        ),
        sends_key=False,
    ),
    Vendor(
        prefix="azure",
        kind="azure-openai",
        variables=("AZURE_API_KEY", "AZURE_OPENAI_API_KEY"),
        url_variables=("AZURE_API_BASE", "AZURE_OPENAI_ENDPOINT"),
        needs_url=True,
    ),
    Vendor(
        prefix="azure_ai",
        kind="azure-ai",
        variables=("AZURE_AI_API_KEY",),
        url_variables=("AZURE_AI_API_BASE",),
        needs_url=True,
    ),
    Vendor(
        prefix="cerebras",
        base_url="https://api.cerebras.ai/v1",
        variables=("CEREBRAS_API_KEY",),
    ),
    Vendor(
        prefix="dashscope",
        base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        variables=("DASHSCOPE_API_KEY",),
        url_variables=("DASHSCOPE_API_BASE",),
    ),
    Vendor(
        prefix="deepinfra",
        base_url="https://api.deepinfra.com/v1/openai",
        variables=("DEEPINFRA_API_KEY",),
    ),
    Vendor(
        prefix="deepseek",
        base_url="https://api.deepseek.com",
        variables=("DEEPSEEK_API_KEY",),
    ),
    Vendor(
        prefix="fireworks",
        base_url="https://api.fireworks.ai/inference/v1",
        variables=("FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY"),
        also=("fireworks_ai",),
    ),
    Vendor(
        prefix="groq",
        base_url="https://api.groq.com/openai/v1",
        variables=("GROQ_API_KEY",),
    ),
    Vendor(
        prefix="hyperbolic",
        base_url="https://api.hyperbolic.xyz/v1",
        variables=("HYPERBOLIC_API_KEY",),
    ),
    Vendor(
        prefix="minimax",
        base_url="https://api.minimax.io/v1",
        variables=("MINIMAX_API_KEY",),
    ),
    Vendor(
        prefix="mistral",
        base_url="https://api.mistral.ai/v1",
        variables=("MISTRAL_API_KEY",),
    ),
    Vendor(
        prefix="moonshot",
        base_url="https://api.moonshot.ai/v1",
        variables=("MOONSHOT_API_KEY",),
    ),
    Vendor(
        prefix="nebius",
        base_url="https://api.studio.nebius.ai/v1",
        variables=("NEBIUS_API_KEY",),
    ),
    Vendor(
        prefix="novita",
        base_url="https://api.novita.ai/v3/openai",
        variables=("NOVITA_API_KEY",),
    ),
    Vendor(
        prefix="nvidia",
        base_url="https://integrate.api.nvidia.com/v1",
        variables=("NVIDIA_API_KEY", "NVIDIA_NIM_API_KEY"),
        also=("nvidia_nim",),
    ),
    Vendor(
        prefix="openrouter",
        base_url="https://openrouter.ai/api/v1",
        variables=("OPENROUTER_API_KEY",),
    ),
    Vendor(
        prefix="perplexity",
        base_url="https://api.perplexity.ai",
        variables=("PERPLEXITY_API_KEY", "PERPLEXITYAI_API_KEY"),
    ),
    Vendor(
        prefix="sambanova",
        base_url="https://api.sambanova.ai/v1",
        variables=("SAMBANOVA_API_KEY",),
    ),
    Vendor(
        prefix="together",
        base_url="https://api.together.xyz/v1",
        variables=("TOGETHER_API_KEY", "TOGETHERAI_API_KEY"),
        also=("together_ai",),
    ),
    Vendor(
        prefix="xai",
        base_url="https://api.x.ai/v1",
        variables=("XAI_API_KEY",),
    ),
    Vendor(
        prefix="zai",
        base_url="https://api.z.ai/api/paas/v4",
        variables=("ZAI_API_KEY",),
    ),
    Vendor(
        prefix="ollama",
        base_url="http://127.0.0.1:11434/v1",
        url_variables=("OLLAMA_API_BASE",),
        also=("ollama_chat",),
    ),
    Vendor(
        prefix="lm_studio",
        base_url="http://127.0.0.1:1234/v1",
        url_variables=("LM_STUDIO_API_BASE",),
    ),
    Vendor(
        prefix="llamacpp",
        base_url="http://127.0.0.1:8080/v1",
        url_variables=("LLAMACPP_API_BASE",),
    ),
    Vendor(
        prefix="vllm",
        base_url="http://127.0.0.1:8000/v1",
        url_variables=("VLLM_API_BASE", "HOSTED_VLLM_API_BASE"),
        also=("hosted_vllm",),
    ),
    Vendor(prefix="openai-compatible", also=("custom_openai",)),
    Vendor(prefix="echo", kind="echo"),
)

COMPATIBLE = next(vendor for vendor in VENDORS if vendor.prefix == "openai-compatible")
"""Whoever speaks chat completions at a base URL that is given with the request."""

_BY_PREFIX = {prefix: vendor for vendor in VENDORS for prefix in (vendor.prefix, *vendor.also)}


def of_prefix(prefix: str) -> Vendor | None:
    """Returns the vendor of a prefix, or None."""
    return _BY_PREFIX.get(prefix)


def of_model(name: str) -> tuple[Vendor, str] | None:
    """Returns whose model a name is and what the vendor calls it; None where neither prefix nor pattern tells."""
    prefix, slash, model = name.partition("/")
    if slash and model and (vendor := _BY_PREFIX.get(prefix)) is not None:
        return vendor, model
    for vendor in VENDORS:
        if any(stands_for(pattern, name) for pattern in vendor.bare):
            return vendor, name
    return None
