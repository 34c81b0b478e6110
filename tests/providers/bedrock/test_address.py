"""Where Bedrock is asked."""

from __future__ import annotations

import pytest

from proxy.providers.bedrock.address import control_url, is_region, model_path, region_in, runtime_url
from proxy.upstream.address import parse_url


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("us-east-1", "bedrock-runtime.us-east-1.amazonaws.com"),
        ("us-gov-west-1", "bedrock-runtime.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "bedrock-runtime.cn-north-1.amazonaws.com.cn"),
        ("eusc-de-east-1", "bedrock-runtime.eusc-de-east-1.amazonaws.eu"),
        ("us-iso-east-1", "bedrock-runtime.us-iso-east-1.c2s.ic.gov"),
        ("us-isob-east-1", "bedrock-runtime.us-isob-east-1.sc2s.sgov.gov"),
    ],
)
def test_hosts(region: str, host: str) -> None:
    assert is_region(region)
    assert runtime_url(region) == f"https://{host}"
    assert region_in(f"https://{host}/model/x/converse") == region


def test_other_hosts() -> None:
    assert runtime_url("us-east-1", fips=True) == "https://bedrock-runtime-fips.us-east-1.amazonaws.com"
    assert control_url("us-east-1") == "https://bedrock.us-east-1.amazonaws.com"
    assert control_url("us-east-1", fips=True) == "https://bedrock-fips.us-east-1.amazonaws.com"


@pytest.mark.parametrize("name", ["us-east", "us_east_1", "US-EAST-1", "east-1", "", "us-east-1.evil.example"])
def test_what_is_no_region(name: str) -> None:
    assert not is_region(name)


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://vpce-0a1.bedrock-runtime.eu-west-1.vpce.amazonaws.com", "eu-west-1"),
        ("https://bedrock.internal.example", None),
        ("http://127.0.0.1:8000", None),
        ("http://[::1]:8000", None),
    ],
)
def test_regions_in_hosts(url: str, region: str | None) -> None:
    assert region_in(url) == region


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("us.amazon.nova-2-lite-v1:0", "/model/us.amazon.nova-2-lite-v1%3A0/converse"),
        (
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.x",
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.x/converse",
        ),
        ("a b?c#d%e", "/model/a%20b%3Fc%23d%25e/converse"),
    ],
)
def test_a_model_is_one_segment_and_stays_as_it_is_written(model: str, path: str) -> None:
    assert model_path(model, "converse") == path
    assert parse_url(f"https://h.example{path}").path == path
