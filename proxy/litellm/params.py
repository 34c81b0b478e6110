"""What LiteLLM's `litellm_params` may say of a deployment, and what becomes of each: a table of facts.

Source: LiteLLM's documentation of its Router and of `model_list` (docs.litellm.ai, routing and proxy configuration).
"""

from __future__ import annotations

UPSTREAM = {
    "api_version": "api_version",
    "organization": "organization",
    "extra_headers": "headers",
    "max_parallel_requests": "max_connections",
    "aws_region_name": "region",
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
    "aws_profile_name": "aws_profile",
    "vertex_project": "project",
    "vertex_location": "location",
    "vertex_credentials": "credentials",
}
"""What is a setting of the upstream, by its name there."""
ALSO = {
    "base_url": "api_base",
    "aws_bedrock_runtime_endpoint": "api_base",
    "vertex_ai_project": "vertex_project",
    "vertex_ai_location": "vertex_location",
    "vertex_ai_credentials": "vertex_credentials",
    "headers": "extra_headers",
}
"""Other names for the same."""
ROLE = {"aws_role_name": "arn", "aws_session_name": "session_name", "aws_external_id": "external_id"}
"""What makes the setting `role` of Bedrock."""
ENTRA = {"tenant_id": "tenant_id", "client_id": "client_id", "client_secret": "client_secret"}
"""What makes the setting `entra` of Azure."""
ENVIRONMENT: dict[str, dict[str, tuple[str, ...]]] = {
    "bedrock": {"region": ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_REGION_NAME", "us-west-2")},
    "vertex": {
        "project": ("VERTEXAI_PROJECT", "VERTEX_PROJECT", ""),
        "location": ("VERTEXAI_LOCATION", "VERTEX_LOCATION", "us-central1"),
    },
    "azure-openai": {"api_version": ("AZURE_API_VERSION", "")},
}
"""Settings of upstreams that LiteLLM takes from variables, and what it takes without them."""
SHARES = ("weight", "rpm", "tpm")
"""What says how many of a group's requests a deployment gets; of several the first one that is there."""
NUMBERS = ("timeout", "stream_timeout", "order", "max_parallel_requests", *SHARES)
SECRETS = (
    "api_key",
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "aws_external_id",
    "client_secret",
)
"""What stays written as it is: the file looks `os.environ/NAME` up by itself, and never shows the value."""
TEXTS = (
    "model",
    "api_base",
    "api_version",
    "aws_region_name",
    "custom_llm_provider",
    "litellm_credential_name",
    "vertex_location",
    "vertex_project",
    *SECRETS,
)
PRICES = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
}
"""Dollars a token; the file has them for a million."""
DEFAULTS = (
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "max_completion_tokens",
    "frequency_penalty",
    "presence_penalty",
    "reasoning_effort",
    "seed",
    "stop",
    "user",
    "thinking",
    "response_format",
    "service_tier",
    "parallel_tool_calls",
)
"""Parameters of requests that do not set them."""
CONTROLS = ("extra_body", "additional_drop_params", "use_chat_completions_api", "litellm_credential_name")
KNOWN = (
    "model",
    "api_key",
    "api_base",
    "custom_llm_provider",
    "timeout",
    "stream_timeout",
    "order",
    *SHARES,
    *UPSTREAM,
    *ALSO,
    *ROLE,
    *ENTRA,
    *PRICES,
    *DEFAULTS,
    *CONTROLS,
)

WITHOUT_EFFECT = {
    "max_retries": "how often is tried again is said for all (num_retries)",
    "num_retries": "how often is tried again is said for all (num_retries)",
    "tags": "deployments are not chosen by tags",
    "region_name": "where the deployment is says its api_base",
    "cooldown_time": "how long a deployment is put aside is said for all (cooldown_time)",
    "metadata": "it is for LiteLLM's own log",
    "model_info": "it belongs beside litellm_params",
    "use_in_pass_through": "what is passed on finds its upstream by itself",
    "use_litellm_proxy": "the prefix of the model says where it is",
    "drop_params": "hints that a model does not take are dropped, and named in x-penstock-ignored-params",
    "merge_reasoning_content_in_choices": "thinking has a field of its own",
    "rpm_limit": "shares are by weight, rpm or tpm",
    "supports_system_message": "who takes none is known",
}
"""What changes no answer and is left out, with the reason or what says it here."""
NOT_CARRIED = {
    "mock_response": "models of the upstream echo stand in for others",
    "max_budget": "budgets are those of the stage budget, for keys, teams and users",
    "budget_duration": "budgets are those of the stage budget, for keys, teams and users",
    "azure_ad_token": "give tenant_id, client_id and client_secret",
    "azure_ad_token_provider": "give tenant_id, client_id and client_secret",
    "aws_web_identity_token": "AWS_WEB_IDENTITY_TOKEN_FILE is looked at without being named",
    "configurable_clientside_auth_params": "deployments have one key",
    "cache_control_injection_points": "clients say what is to be cached",
    "ssl_verify": "write tls: in upstreams",
    "input_cost_per_second": "write prices: by tokens or requests",
    "output_cost_per_second": "write prices: by tokens or requests",
    "vector_store_ids": "vector stores are not served",
    "guardrails": "write a stage guardrail",
    "prompt_id": "prompts are the stage transform's: system",
}
"""What would change answers and is not done here, with what to do instead."""
