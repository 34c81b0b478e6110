"""What models take, by their ids."""

from __future__ import annotations

import pytest

from proxy.providers.bedrock.families import bare, family_of, maker, region_of

SONNET = "anthropic.claude-sonnet-4-5-20250929-v1:0"
PROFILE = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu." + SONNET
UNNAMED = "arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/a1b2c3"


@pytest.mark.parametrize("model", [SONNET, "us." + SONNET, "global." + SONNET, PROFILE, SONNET.upper()])
def test_a_model_is_known_wherever_it_is(model: str) -> None:
    assert bare(model) == SONNET
    assert maker(model) == "anthropic"
    family = family_of(model)
    assert family.traits.thinking == "budget"
    assert (family.effort, family.schemas, family.summaries) == ("thinking", True, True)
    assert family.cache == ("tools", "system", "messages")


@pytest.mark.parametrize(
    ("model", "made_by"),
    [
        ("us.amazon.nova-2-lite-v1:0", "amazon"),
        ("openai.gpt-oss-120b-1:0", "openai"),
        ("meta.llama3-3-70b-instruct-v1:0", "meta"),
        ("us-gov.anthropic.claude-3-haiku-20240307-v1:0", "anthropic"),
        (UNNAMED, "a1b2c3"),
        ("claude-opus-5", "anthropic"),
    ],
)
def test_makers(model: str, made_by: str) -> None:
    assert maker(model) == made_by


@pytest.mark.parametrize(
    ("model", "effort"),
    [
        ("us.anthropic.claude-3-5-sonnet-20241022-v2:0", "none"),
        ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", "thinking"),
        ("anthropic.claude-opus-4-6-v1", "thinking"),
        ("us.amazon.nova-2-lite-v1:0", "reasoning_config"),
        ("us.amazon.nova-micro-v1:0", "none"),
        ("openai.gpt-oss-20b-1:0", "reasoning_effort"),
        ("openai.gpt-5.5", "reasoning"),
        ("us.deepseek.r1-v1:0", "none"),
        ("qwen.qwen3-32b-v1:0", "none"),
    ],
)
def test_how_models_are_told_to_think(model: str, effort: str) -> None:
    assert family_of(model).effort == effort


def test_what_open_models_take() -> None:
    assert family_of("us.amazon.nova-micro-v1:0").cache == ("system", "messages")
    assert not family_of("us.deepseek.r1-v1:0").tools
    assert not family_of("amazon.titan-text-express-v1").tools
    assert family_of("meta.llama3-1-70b-instruct-v1:0").tools
    assert family_of("mistral.mistral-large-2407-v1:0").nine
    assert family_of("openai.gpt-oss-120b-1:0").schemas
    assert not family_of("us.amazon.nova-lite-v1:0").schemas
    assert not family_of(UNNAMED).schemas


@pytest.mark.parametrize(
    ("model", "region"),
    [
        (PROFILE, "eu-west-1"),
        (UNNAMED, "us-west-2"),
        ("arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:provisioned-model/x", "us-gov-west-1"),
        ("arn:aws:sagemaker:us-east-2:123456789012:endpoint/mine", "us-east-2"),
        ("arn:aws:bedrock:::foundation-model/x", None),
        (SONNET, None),
        ("arn:aws:s3:::bucket", None),
    ],
)
def test_regions_of_arns(model: str, region: str | None) -> None:
    assert region_of(model) == region
