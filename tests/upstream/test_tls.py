"""TLS settings: what a context is made of, and which mistakes are named."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from proxy.upstream.tls import TlsSettings, make_context


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    authority = trustme.CA()
    leaf = authority.issue_cert("client.example")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    leaf.private_key_pem.write_to_path(tmp_path / "key.pem")
    leaf.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    leaf.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    trustme.CA().issue_cert("other.example").private_key_pem.write_to_path(tmp_path / "other.pem")
    key = serialization.load_pem_private_key(leaf.private_key_pem.bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"passphrase"),
    )
    (tmp_path / "locked.pem").write_bytes(locked)
    (tmp_path / "text.pem").write_text("not a certificate")
    return {path.stem: str(path) for path in tmp_path.iterdir()}


def test_verification_is_on_by_default() -> None:
    context = make_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_it_can_be_turned_off_in_so_many_words() -> None:
    context = make_context(TlsSettings(verify=False))
    assert context.verify_mode is ssl.CERT_NONE
    assert not context.check_hostname


def test_an_authority_of_ones_own_stands_instead_of_the_systems(files: dict[str, str]) -> None:
    assert make_context(TlsSettings(ca_file=files["ca"])).cert_store_stats()["x509_ca"] == 1


def test_a_client_certificate_in_one_file_or_two(files: dict[str, str]) -> None:
    make_context(TlsSettings(client_cert=files["both"]))
    make_context(TlsSettings(client_cert=files["cert"], client_key=files["key"]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ca_file": "missing"}, r'ca_file: there is no file ".*missing\.pem"'),
        ({"client_cert": "missing"}, r'client_cert: there is no file ".*missing\.pem"'),
        ({"client_cert": "cert", "client_key": "missing"}, r'client_key: there is no file ".*missing\.pem"'),
        ({"client_key": "key"}, "client_key is set without client_cert"),
        ({"ca_file": "text"}, r'ca_file: ".*text\.pem" cannot be used'),
        ({"client_cert": "text"}, r'client_cert: ".*text\.pem" cannot be used'),
        ({"client_cert": "cert"}, r'client_cert: ".*cert\.pem" cannot be used'),
        (
            {"client_cert": "cert", "client_key": "other"},
            r'client_cert: ".*" and ".*other\.pem" cannot be used: .*mismatch',
        ),
        ({"client_cert": "cert", "client_key": "locked"}, r'client_key: ".*locked\.pem" is locked by a passphrase'),
    ],
)
def test_mistakes_name_setting_and_file(
    files: dict[str, str], tmp_path: Path, settings: dict[str, str], message: str
) -> None:
    paths = {name: files.get(stem, str(tmp_path / "missing.pem")) for name, stem in settings.items()}
    with pytest.raises(ValueError, match=message):
        make_context(TlsSettings(**paths))
