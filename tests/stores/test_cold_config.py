"""What the file may say of the cold store."""

from __future__ import annotations

import base64

import pytest

from proxy.config.decode import decode
from proxy.config.problems import Problems
from proxy.stores.config import StoresConfig, make_store
from proxy.stores.sqlite import SqliteStore
from proxy.stores.tiered import TieredStore
from tests.support.config_nodes import NOTHING, found, node_of

OWN = base64.b64encode(bytes(32)).decode()


def read(cold: str, responses: str = "{kind: sqlite}") -> tuple[StoresConfig | None, list[str]]:
    problems = Problems("f")
    text = f"{{responses: {responses}, cold: {{kind: s3, bucket: kept{cold}}}}}"
    return decode(node_of(text), StoresConfig, "stores", problems, NOTHING), found(problems)


def test_a_bucket_makes_a_store_of_two_tiers(tmp_path) -> None:
    config, _ = read(", prefix: a/b, after: 2h, backlog: 1MiB, content: none, flush: 3s, region: eu-west-1")
    assert config is not None
    assert config.cold is not None
    store = make_store(config.responses, tmp_path, config.cold)
    assert isinstance(store, TieredStore)
    assert isinstance(store.local, SqliteStore)
    assert store.bucket.where == "s3://kept/a/b"
    assert isinstance(make_store(config.responses, tmp_path), SqliteStore)


def test_what_it_says_by_itself() -> None:
    config, _ = read("")
    assert config is not None
    assert config.cold is not None
    assert (config.cold.after, config.cold.content, config.cold.prefix) == (86400, "full", "")


@pytest.mark.parametrize(
    ("cold", "what"),
    [
        (", access_key_id: a", "access_key_id and secret_access_key belong together"),
        (", kms_key: k", "kms_key is for encryption: aws:kms"),
        (", kms_key: k, encryption: AES256", "kms_key is for encryption: aws:kms"),
        (f", customer_key: {OWN}, encryption: AES256", "exclude each other"),
        (", customer_key: c2hvcnQ=", "not 32 bytes in base64"),
        (", customer_key: '*'", "not 32 bytes in base64"),
        (", storage_class: GLACIER", "cannot be read at once"),
        (", timeout: 0s", "timeout is 0"),
        (", after: 30d", "nothing would ever leave"),
        (", endpoint_url: minio:9000", "endpoint_url"),
        (", content: some", "content"),
        (", befor: 1d", 'unknown field "befor"'),
    ],
)
def test_mistakes_are_named(cold: str, what: str) -> None:
    config, problems = read(cold)
    assert config is None
    assert what in " ".join(problems)
    assert OWN not in " ".join(problems)


@pytest.mark.parametrize("responses", ["{kind: memory}", "{kind: none}"])
def test_it_needs_a_disk(responses: str) -> None:
    config, problems = read("", responses)
    assert config is None
    assert "cold needs responses on disk" in problems[0]
