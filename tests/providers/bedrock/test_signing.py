"""Signatures: those of botocore's own client, those of AWS's description, and over the bytes that are sent."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from proxy.providers.bedrock.address import model_path, runtime_url
from proxy.providers.bedrock.credentials import Keys
from proxy.providers.bedrock.signing import signed
from proxy.upstream.client import UpstreamRequest

AT = datetime(2026, 11, 21, 12, 34, 56, tzinfo=UTC)
REGION = "eu-central-1"
KEYS = Keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
TEMPORARY = Keys("ASIAEXAMPLE", "secret/with+signs=", "FwoGZXIvYXdzEXAMPLE//token==")
MODELS = (
    "anthropic.claude-3-haiku-20240307-v1:0",
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "global.anthropic.claude-opus-4-6-v1",
    "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a1b2c3d4",
    "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "arn:aws:sagemaker:eu-central-1:123456789012:endpoint/my-endpoint",
    "odd name?#%",
)


def request(model: str = MODELS[0], body: bytes = b'{"messages":[]}', **headers: str) -> UpstreamRequest:
    """Returns a request that is not signed."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return UpstreamRequest(
        method="POST",
        url=runtime_url(REGION) + model_path(model, "converse-stream"),
        headers={"content-type": "application/json", **given},
        body=body,
    )


def by_botocore(model: str, keys: Keys, body: bytes, monkeypatch: pytest.MonkeyPatch) -> str:
    """Returns the signature as botocore's own client makes it."""
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: AT)
    url = f"{runtime_url(REGION)}/model/{quote(model, safe='')}/converse-stream"
    form = AWSRequest("POST", url, data=body, headers={"Content-Type": "application/json"})
    SigV4Auth(ReadOnlyCredentials(keys.access_key, keys.secret_key, keys.token), "bedrock", REGION).add_auth(form)
    return str(form.headers["Authorization"])


def by_description(request: UpstreamRequest, keys: Keys, host: str) -> str:
    """Returns the signature as AWS describes it (wire reference, section 8.3)."""

    def step(key: bytes, text: str) -> bytes:
        return hmac.digest(key, text.encode(), hashlib.sha256)

    path = request.url.partition(host)[2]
    named = {"content-type": "application/json", "host": host, "x-amz-date": "20261121T123456Z"}
    if keys.token:
        named["x-amz-security-token"] = keys.token
    names = ";".join(named)
    lines = "".join(f"{name}:{value}\n" for name, value in named.items())
    twice = "/".join(quote(segment, safe="") for segment in path.split("/"))
    canonical = f"POST\n{twice}\n\n{lines}\n{names}\n{hashlib.sha256(request.body).hexdigest()}"
    scope = f"20261121/{REGION}/bedrock/aws4_request"
    text = f"AWS4-HMAC-SHA256\n20261121T123456Z\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{keys.secret_key}".encode()
    for part in scope.split("/"):
        key = step(key, part)
    signature = step(key, text).hex()
    return f"AWS4-HMAC-SHA256 Credential={keys.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("keys", [KEYS, TEMPORARY], ids=["lasting", "temporary"])
@pytest.mark.parametrize("body", [b'{"messages":[]}', "ö☂".encode(), b""], ids=["json", "bytes", "empty"])
def test_the_signature_is_botocores_and_the_descriptions(
    model: str, keys: Keys, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = signed(request(model, body), keys, REGION, AT)
    assert made.headers["authorization"] == by_botocore(model, keys, body, monkeypatch)
    host = f"bedrock-runtime.{REGION}.amazonaws.com"
    assert made.headers["authorization"] == by_description(made, keys, host)


def test_a_known_signature() -> None:
    made = signed(request(), KEYS, REGION, AT)
    assert made.headers["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261121/eu-central-1/bedrock/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, "
        "Signature=df649fd58a8ab16c1f9402fcbcebc487bd8fc7971c4c0f120d40ea5bee502dbb"
    )
    assert made.headers["x-amz-date"] == "20261121T123456Z"
    assert "x-amz-security-token" not in made.headers
    assert "host" not in made.headers


def test_the_request_stays_as_it_was() -> None:
    plain = request(x_more="1", accept="application/vnd.amazon.eventstream")
    made = signed(plain, TEMPORARY, REGION, AT)
    assert (made.method, made.url, made.body) == (plain.method, plain.url, plain.body)
    assert plain.headers.items() <= made.headers.items()
    assert made.headers["x-amz-security-token"] == TEMPORARY.token
    assert "authorization" not in plain.headers


@pytest.mark.parametrize(
    "change", [{"accept": "x"}, {"user_agent": "x"}, {"traceparent": "x"}, {"accept_encoding": "identity"}]
)
def test_headers_that_may_change_on_the_way_are_not_signed(change: dict[str, str]) -> None:
    plain, other = (signed(request(**more), KEYS, REGION, AT) for more in ({}, change))
    assert plain.headers["authorization"] == other.headers["authorization"]


@pytest.mark.parametrize(
    "other",
    [
        {"model": MODELS[1]},
        {"body": b'{"messages":[ ]}'},
        {"content_type": "application/json; charset=utf-8"},
    ],
)
def test_what_matters_is_signed(other: dict[str, Any]) -> None:
    plain, changed = (signed(request(**more), KEYS, REGION, AT) for more in ({}, other))
    assert plain.headers["authorization"] != changed.headers["authorization"]


def test_a_port_is_part_of_the_host() -> None:
    local = UpstreamRequest(method="POST", url="http://127.0.0.1:8000/model/x/converse", headers={}, body=b"{}")
    form = AWSRequest(
        "POST", local.url, data=b"{}", headers={"host": "127.0.0.1:8000", "x-amz-date": "20261121T123456Z"}
    )
    form.context["timestamp"] = "20261121T123456Z"
    auth = SigV4Auth(ReadOnlyCredentials(KEYS.access_key, KEYS.secret_key, None), "bedrock", REGION)
    signature = auth.signature(auth.string_to_sign(form, auth.canonical_request(form)), form)
    assert signed(local, KEYS, REGION, AT).headers["authorization"].endswith(signature)
