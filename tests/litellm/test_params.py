"""The table of LiteLLM's parameters: each stands in it once, and leads to a setting that there is."""

from __future__ import annotations

import msgspec

from proxy.litellm.params import ALSO, ENTRA, KNOWN, NOT_CARRIED, NUMBERS, ROLE, SECRETS, UPSTREAM
from proxy.litellm.params import WITHOUT_EFFECT as LEFT_OUT
from proxy.providers.azure_openai.entra import Entra
from proxy.providers.bedrock.config import RoleSettings
from proxy.providers.registry import kinds

DOCUMENTED = (
    "api_base", "api_key", "api_version", "rpm", "tpm", "weight", "aws_region_name", "vertex_project",
    "vertex_location", "vertex_credentials", "timeout", "stream_timeout", "max_retries", "organization",
    "extra_headers", "tags", "order",
)  # fmt: skip


def test_each_parameter_stands_in_one_place() -> None:
    assert not set(KNOWN) & {*LEFT_OUT, *NOT_CARRIED}
    assert not set(LEFT_OUT) & set(NOT_CARRIED)
    assert set(DOCUMENTED) <= {*KNOWN, *LEFT_OUT}
    assert {*NUMBERS, *SECRETS} <= set(KNOWN)
    assert set(ALSO.values()) <= set(KNOWN)


def test_each_setting_is_one_of_an_upstream() -> None:
    fields = {field for provider in kinds().values() for field in provider.Config.__struct_fields__}
    assert set(UPSTREAM.values()) <= fields
    assert set(ROLE.values()) == {field.name for field in msgspec.structs.fields(RoleSettings)}
    assert set(ENTRA.values()) <= set(Entra.__struct_fields__)
