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
}
"""Other names for the same."""
ROLE = {"aws_role_name": "arn", "aws_session_name": "session_name", "aws_external_id": "external_id"}
"""What makes the setting `role` of Bedrock."""
ENTRA = {"tenant_id": "tenant_id", "client_id": "client_id", "client_secret": "client_secret"}
"""What makes the setting `entra` of Azure."""
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
)

_PRICES = "write prices: in a file of your own (Penstock.from_file)"
WITHOUT_EFFECT = {
    "max_retries": "how often is tried again says num_retries of the Router",
    "tags": "deployments are not chosen by tags",
    "region_name": "where the deployment is says its api_base",
    "cooldown_time": "a deployment that has failed is not put aside",
    "input_cost_per_token": _PRICES,
    "output_cost_per_token": _PRICES,
}
"""What changes no answer and is left out, with the reason or what says it here."""
_EACH_CALL = "give it with each call"
NOT_CARRIED = {
    "mock_response": "models of the upstream echo stand in for others",
    "max_budget": "budgets are the stage budget's, in a file of your own",
    "budget_duration": "budgets are the stage budget's, in a file of your own",
    "azure_ad_token": "give tenant_id, client_id and client_secret",
    "azure_ad_token_provider": "give tenant_id, client_id and client_secret",
    "aws_web_identity_token": "AWS_WEB_IDENTITY_TOKEN_FILE is looked at without being named",
    "litellm_credential_name": "give the credentials themselves",
    "configurable_clientside_auth_params": "deployments have one key",
    "drop_params": "what a model cannot do is dropped as the stage stream-translate says",
    "extra_body": _EACH_CALL,
    "temperature": _EACH_CALL,
    "top_p": _EACH_CALL,
    "max_tokens": _EACH_CALL,
    "max_completion_tokens": _EACH_CALL,
    "reasoning_effort": _EACH_CALL,
    "thinking": _EACH_CALL,
    "seed": _EACH_CALL,
    "stop": _EACH_CALL,
    "user": _EACH_CALL,
    "metadata": _EACH_CALL,
}
"""What would change answers and is refused, with what to do instead."""
