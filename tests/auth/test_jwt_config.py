"""What the file may say of tokens."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from proxy.auth.jwt_config import JwtConfig, is_safe
from proxy.config.types import Duration

GOOD = {"issuer": "https://login.example.com/", "audience": "penstock"}


def read(**fields: Any) -> JwtConfig:
    return msgspec.convert({**GOOD, **fields}, JwtConfig, dec_hook=lambda kind, value: Duration(value))


def test_what_the_file_may_say():
    assert read().audience == "penstock"
    assert read(audience=["a", "b"], issuer="anyone", keys_file="k.pem").audience == ("a", "b")
    assert read(issuer="anyone", jwks_url="http://127.0.0.1:1/keys").jwks_url


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"jwks_url": "https://a/", "keys_file": "b"}, "both set"),
        ({"jwks_url": "http://login.internal/keys"}, "no https URL"),
        ({"issuer": "login"}, "no https URL"),
        ({"audience": []}, "audience is empty"),
        ({"audience": ""}, "audience is empty"),
        ({"leeway": 3600}, "longer than ten minutes"),
        ({"algorithms": []}, "algorithms"),
        ({"algorithms": ["HS256"]}, "HS256"),
        ({"algorithms": ["none"]}, "none"),
    ],
)
def test_what_would_let_anybody_in_is_refused(fields: dict[str, Any], what: str):
    with pytest.raises(msgspec.ValidationError, match=what):
        read(**fields)


@pytest.mark.parametrize("url", ["http://[::1]:1/", "http://localhost/", "https://x/"])
def test_urls_that_nobody_can_change_on_the_way(url: str):
    assert is_safe(url)


@pytest.mark.parametrize("url", ["http://x/", "ftp://x/", "https://", "http://[", "file:///etc/keys", ""])
def test_urls_that_somebody_may_change(url: str):
    assert not is_safe(url)
