"""The kinds of upstream that ship."""

from __future__ import annotations

from proxy.config.fields import rows
from proxy.providers.provider import Provider, UpstreamConfig
from proxy.providers.registry import SHIPPED, kinds


def test_every_kind_has_one_provider_with_settings():
    assert len(kinds()) == len(SHIPPED)
    for kind, provider in kinds().items():
        assert issubclass(provider, Provider)
        assert provider.kind == kind
        assert issubclass(provider.Config, UpstreamConfig)
        assert provider.Config.__struct_config__.forbid_unknown_fields
        assert provider.__doc__


def test_every_setting_is_described():
    undescribed = [f"{kind}: {row.name}" for kind, provider in kinds().items() for row in rows(provider.Config)
                   if not row.description]  # fmt: skip
    assert undescribed == []
