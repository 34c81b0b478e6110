"""What the command line says of the configuration counts at the start, and whenever the file is read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.cli.serve_config import Asked
from proxy.config.listen import Listen
from proxy.errors import ConfigError

FILE = """\
listen: 127.0.0.1:4001
workers: 3
upstreams: {echo: {kind: echo}}
models: {echo: [echo/echo]}
pipeline: [auth: {keys: [{id: a, hash: "sha256:HASH"}]}, route, stream-translate]
""".replace("HASH", "0" * 64)
OPEN = Listen("0.0.0.0", 4000)


def test_the_command_line_counts_more_than_the_file(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text(FILE)
    config = Asked(file=str(file)).config()
    assert (config.listen.written, config.workers) == ("127.0.0.1:4001", 3)
    config = Asked(file=str(file), host="0.0.0.0", port=0, workers=0).again(OPEN)
    assert (config.listen.written, config.workers) == ("0.0.0.0:0", 1)
    assert Asked(upstream="http://127.0.0.1:1/v1").config().models.keys() == {"*"}


def test_what_others_can_reach_does_not_lose_its_keys(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text(FILE)
    asked = Asked(file=str(file), host="0.0.0.0")
    assert asked.again(OPEN).asks_for_keys
    file.write_text(FILE.partition("pipeline:")[0] + "pipeline: [route, stream-translate]\n")
    with pytest.raises(ConfigError, match="no stage asks them for a key"):
        asked.again(OPEN)
    assert not asked.again(Listen()).asks_for_keys
