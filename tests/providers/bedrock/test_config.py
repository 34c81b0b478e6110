"""What the file may say of Bedrock, and what is wrong with it by line."""

from __future__ import annotations

import pytest

from proxy.config.loader import load_text
from proxy.errors import ConfigError
from proxy.providers.bedrock.config import BedrockConfig

ALL = ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_BEARER_TOKEN_BEDROCK")


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ALL:
        monkeypatch.delenv(name, raising=False)


def loaded(settings: str) -> BedrockConfig:
    """Returns the upstream of a file that says this of it."""
    text = f"upstreams:\n  aws: {{kind: bedrock, {settings}}}\nmodels: {{m: [aws/x]}}\npipeline: [route]\n"
    config = load_text(text, "test.yaml").upstreams["aws"].config
    assert isinstance(config, BedrockConfig)
    return config


def mistakes(settings: str) -> str:
    """Returns what is wrong with such a file."""
    with pytest.raises(ConfigError) as caught:
        loaded(settings)
    return str(caught.value)


def test_a_region_is_enough() -> None:
    config = loaded("region: us-east-1")
    assert config.home_region == "us-east-1"
    assert not config.is_bearer
    assert config.api == "converse"


@pytest.mark.parametrize(
    ("settings", "environment", "region"),
    [
        ("region: eu-west-1", {"AWS_REGION": "us-east-1"}, "eu-west-1"),
        ("fips: true", {"AWS_REGION": "us-east-1"}, "us-east-1"),
        ("fips: true", {"AWS_DEFAULT_REGION": "us-west-2"}, "us-west-2"),
        ("base_url: 'https://bedrock-runtime.ap-south-1.amazonaws.com'", {"AWS_REGION": "us-east-1"}, "ap-south-1"),
        ("base_url: 'http://127.0.0.1:8000', region: us-east-1", {}, "us-east-1"),
        ("base_url: 'http://127.0.0.1:8000', api_key: k", {}, None),
    ],
)
def test_where_the_region_is_from(
    settings: str, environment: dict[str, str], region: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert loaded(settings).home_region == region


def test_which_credentials_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "from-env")
    bearer = loaded("region: us-east-1").bearer
    assert bearer is not None
    assert (bearer.reveal(), bearer.source) == ("from-env", "env:AWS_BEARER_TOKEN_BEDROCK")
    own = loaded("region: us-east-1, api_key: mine").bearer
    assert own is not None
    assert own.reveal() == "mine"
    for keys in ("access_key_id: a, secret_access_key: b", "aws_profile: work", "role: {arn: 'arn:aws:iam::1:role/r'}"):
        assert not loaded(f"region: us-east-1, {keys}").is_bearer


def test_a_role_as_sts_is_asked() -> None:
    role = loaded("region: us-east-1, role: {arn: 'arn:x', external_id: them}").role
    assert role is not None
    assert role.for_sts() == {"RoleArn": "arn:x", "RoleSessionName": "penstock", "ExternalId": "them"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("api: converse", "the region is not known"),
        ("base_url: 'http://127.0.0.1:8000'", "the region is not known"),
        ("region: frankfurt", '"frankfurt" is no region'),
        ("region: us-east-1, base_url: 'ftp://x'", "base_url"),
        ("region: us-east-1, base_url: 'https://x.example/v1'", "base_url has a path"),
        ("region: us-east-1, access_key_id: a", "go together"),
        ("region: us-east-1, secret_access_key: a", "go together"),
        ("region: us-east-1, session_token: a", "belongs to an access key"),
        ("region: us-east-1, access_key_id: a, secret_access_key: b, aws_profile: p", "two sources"),
        ("region: us-east-1, api_key: k, aws_profile: p", "two ways"),
        ("region: us-east-1, profile: {model_fields: {thinking: {}}}", 'cannot hold "thinking"'),
        ("region: us-east-1, api: messages", "invalid value"),
        ("region: us-east-1, odd: 1", "unknown field"),
    ],
)
def test_mistakes(settings: str, said: str) -> None:
    found = mistakes(settings)
    assert said in found
    assert found.startswith("test.yaml:2:")


def test_without_botocore_only_a_key_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.providers.bedrock.config.find_spec", lambda name: None)
    assert "pip install 'penstock[aws]'" in mistakes("region: us-east-1")
    assert loaded("region: us-east-1, api_key: k").is_bearer


def test_secrets_are_never_printed() -> None:
    config = loaded("region: us-east-1, access_key_id: AKIAXYZ, secret_access_key: hush, session_token: quiet")
    for secret in ("AKIAXYZ", "hush", "quiet"):
        assert secret not in repr(config)
