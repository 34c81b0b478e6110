"""What all clients of S3 have in common. What they do with it is tested where they are."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.config.types import Mistake, Secret
from proxy.logs.config import S3Config
from proxy.s3 import make_client, put_options
from proxy.stores.cold_config import ColdConfig


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ({"access_key_id": Secret("AKIA")}, "access_key_id and secret_access_key belong together"),
        ({"secret_access_key": Secret("planted")}, "access_key_id and secret_access_key belong together"),
        ({"kms_key": "alias/logs"}, "kms_key is for encryption: aws:kms"),
        ({"kms_key": "alias/logs", "encryption": "AES256"}, "kms_key is for encryption: aws:kms"),
        ({"kms_key": "alias/logs", "encryption": "aws:kms"}, None),
        ({"kms_key": "alias/logs", "encryption": "aws:kms:dsse"}, None),
    ],
)
@pytest.mark.parametrize("make", [S3Config, lambda **said: ColdConfig(bucket="archive", **said)])
def test_every_bucket_has_the_same_rules(make: Any, said: dict[str, Any], refused: str | None) -> None:
    if refused is None:
        make(**said)
        return
    with pytest.raises(Mistake, match=refused):
        make(**said)


def test_puts_say_only_what_the_settings_say() -> None:
    assert put_options(S3Config()) == {}
    said = S3Config(encryption="aws:kms", kms_key="alias/logs", storage_class="STANDARD_IA")
    assert put_options(said) == {
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "alias/logs",
        "StorageClass": "STANDARD_IA",
    }


@pytest.mark.parametrize(
    ("endpoint_url", "checksums", "style"),
    [(None, "when_supported", "auto"), ("http://127.0.0.1:9", "when_required", "path")],
)
async def test_other_servers_are_asked_for_nothing_that_they_do_not_know(
    endpoint_url: str | None, checksums: str, style: str
) -> None:
    key, secret = Secret("AKIA"), Secret("planted")
    access = S3Config(region="eu-west-1", endpoint_url=endpoint_url, access_key_id=key, secret_access_key=secret)
    async with make_client(access, connect_s=1.0, read_s=2.0) as client:
        config = client.meta.config
        assert (config.request_checksum_calculation, config.response_checksum_validation) == (checksums, checksums)
        assert config.s3["addressing_style"] == style
        assert config.retries["total_max_attempts"] == 1
