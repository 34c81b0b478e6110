"""Settings that do not belong together are refused when the file is loaded."""

from __future__ import annotations

import re

import pytest

from proxy.config.loader import load_text
from proxy.config.types import Sources
from proxy.errors import ConfigError

FILE = "upstreams: {echo: {kind: echo}}\nmodels: {m: [echo/m]}\npipeline:\n  - route\n  - log: %s\n"


def load(log: str) -> None:
    load_text(FILE % log, "p.yaml", sources=Sources({"KEY": "a secret"}))


@pytest.mark.parametrize(
    "log",
    [
        "{to: ./a.jsonl, rotate: {size: 100MB, every: 1d, files: 3}, audit: {key: 'env:KEY', sync: true}}",
        "{to: ./a.jsonl, audit: {}, content: redacted, content_limit: 8KiB}",
        "{to: 's3://b', s3: {endpoint_url: 'http://m', access_key_id: 'env:KEY', secret_access_key: 'env:KEY'}}",
        "{to: 's3://b', s3: {encryption: 'aws:kms', kms_key: k}, delivery: {rows: 5, spill: null}, sample: 0.5}",
        "{to: 'https://h/x', webhook: {secret: 'env:KEY', headers: {authorization: 'env:KEY'}}}",
    ],
)
def test_what_belongs_together(log: str) -> None:
    load(log)


@pytest.mark.parametrize(
    ("log", "what"),
    [
        ("{to: stdout, rotate: {size: 1MB}}", "rotate is for rows that go to a file"),
        ("{to: 's3://b/p', audit: {}}", "audit is for rows that go to a file"),
        ("{to: ./a, s3: {}}", "s3 is for rows that go to s3://BUCKET/PREFIX"),
        ("{to: 's3://b', webhook: {}}", "webhook is for rows that go to a URL"),
        ("{to: ./a, delivery: {}}", "delivery is for rows that go to S3 or to a URL"),
        ("{to: 's3:///p'}", "names no bucket"),
        ("{to: ./a, audit: {}, sample: 0.5}", "an audit has all exchanges"),
        ("{to: ./a, rotate: {files: 3}}", "nothing says when a new file begins"),
        ("{to: ./a, rotate: {size: 10}}", "a file of less than 1 KiB holds no row"),
        ("{to: ./a, rotate: {every: 10ms}}", "a file a second is too much"),
        ("{to: 's3://b', s3: {access_key_id: 'env:KEY'}}", "access_key_id and secret_access_key belong together"),
        ("{to: 's3://b', s3: {kms_key: k}}", "kms_key is for encryption: aws:kms"),
        ("{to: 's3://b', s3: {endpoint_url: minio}}", "endpoint_url"),
        ("{sample: 0}", "sample"),
    ],
)
def test_what_does_not(log: str, what: str) -> None:
    with pytest.raises(ConfigError, match=rf"(?s)p\.yaml:5:.*{re.escape(what)}"):
        load(log)
