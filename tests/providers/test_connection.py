import socket

import msgspec
import pytest

from proxy.config.types import Duration, Mistake, Secret
from proxy.errors import UpstreamError
from proxy.providers.connection import ConnectedConfig, TimeoutSettings, check_base_url
from proxy.upstream.client import Timeouts, UpstreamRequest
from proxy.upstream.pool import Http1Client
from proxy.upstream.proxied import ProxiedClient
from proxy.upstream.tls import TlsSettings


def test_the_defaults_are_those_of_the_client():
    assert TimeoutSettings().for_client() == Timeouts()


def test_limits_are_handed_on():
    made = TimeoutSettings(connect=Duration(1), idle=None, total=Duration(60)).for_client()
    assert (made.connect, made.idle, made.total, made.first_byte) == (1.0, None, 60.0, 300.0)


def test_every_limit_of_the_client_can_be_set():
    assert set(TimeoutSettings.__struct_fields__) == set(Timeouts.__struct_fields__)


def test_every_setting_is_documented():
    for kind in (ConnectedConfig, TimeoutSettings):
        for field in msgspec.inspect.type_info(kind).fields:
            assert isinstance(field.type, msgspec.inspect.Metadata), field.name
            assert field.type.extra_json_schema["description"]


async def test_a_client_of_our_own_or_one_for_a_proxy():
    own = ConnectedConfig(max_connections=3).make_client("up")
    proxied = ConnectedConfig(proxy=Secret("http://user:pw@127.0.0.1:3128")).make_client("up")
    assert isinstance(own, Http1Client)
    assert isinstance(proxied, ProxiedClient)
    await own.close()
    await proxied.close()


async def test_errors_name_the_upstream_and_no_address():
    """Clients are told of them; and a rule against addresses would withhold them."""
    with socket.socket() as taken:  # bound, and not listened at
        taken.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
        for config, url, said in (
            (ConnectedConfig(), nobody, 'upstream "up" cannot be reached: connection refused'),
            (
                ConnectedConfig(proxy=Secret(nobody)), "http://10.0.0.7:80",
                'the proxy of upstream "up" cannot be reached: connection refused',
            ),
        ):  # fmt: skip
            client = config.make_client("up")
            with pytest.raises(UpstreamError) as caught:
                await client.send(UpstreamRequest(method="GET", url=url, headers={}), Timeouts())
            assert str(caught.value) == said
            await client.close()


def test_tls_files_are_looked_for_when_it_is_made():
    with pytest.raises(ValueError, match="ca_file"):
        ConnectedConfig(tls=TlsSettings(ca_file="/nowhere/ca.pem")).make_client("up")


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "https://example.com/v1/", "http://[::1]:8000/v1"])
def test_good_base_urls(url):
    check_base_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8000",
        "ftp://x/v1",
        "http://",
        "http://user:pw@host/v1",
        "http://host/v1?key=1",
        "http://host:99999",
    ],
)
def test_bad_base_urls(url):
    with pytest.raises(Mistake, match="base_url"):
        check_base_url(url)
