"""Where the key store is."""

from __future__ import annotations

from pathlib import Path

from proxy.auth.store_config import KeysConfig


def test_a_relative_path_begins_beside_the_file():
    assert KeysConfig().file(Path("/etc/penstock")) == Path("/etc/penstock/penstock-keys.db")
    assert KeysConfig(path="/var/keys.db").file(Path("/etc")) == Path("/var/keys.db")
