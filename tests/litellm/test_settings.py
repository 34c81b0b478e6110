"""The tables of what has no place here: each option stands in one of them."""

from __future__ import annotations

from proxy.litellm import settings
from proxy.litellm.settings import REDIS, ROUTING, S3
from proxy.stores.cold_config import ColdConfig


def test_each_option_stands_in_one_table() -> None:
    for section in ("ROUTER", "LITELLM", "GENERAL"):
        hints, lost = (getattr(settings, f"{section}_{kind}") for kind in ("HINTS", "LOST"))
        assert not set(hints) & set(lost), section
        assert not {*hints, *lost} & {*ROUTING, *REDIS}, section
        assert all(lost.values()), section


def test_the_bucket_is_told_in_our_words() -> None:
    assert set(S3.values()) <= set(ColdConfig.__struct_fields__)
