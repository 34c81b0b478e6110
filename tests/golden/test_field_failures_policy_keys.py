"""Field failures of sections 7 to 12, as far as keys are their place: each must not happen here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from proxy.auth.key_store import KeyStore
from proxy.cli import main
from proxy.config.loader import load_text
from proxy.config.types import Sources
from proxy.errors import ConfigError

FILE = """\
upstreams: {{echo: {{kind: echo}}}}
models: {{echo: [echo/echo]}}
admin: {{key: {admin}}}
pipeline:
  - auth: {{keys: [{{id: a, key: "{key}"}}]}}
  - route
  - stream-translate
"""


@pytest.mark.parametrize("where", ["admin", "key"])
@pytest.mark.parametrize("written", ["${MASTER_KEY}", "$MASTER_KEY", "env:MASTER_KEY", "os.environ/MASTER_KEY"])
def test_11_1_a_variable_that_is_not_there_is_no_key(where: str, written: str) -> None:
    text = FILE.format(**{"admin": "good-enough", "key": "good-enough", where: written})
    with pytest.raises(ConfigError) as caught:
        load_text(text, "pipeline.yaml", sources=Sources({}))
    (problem,) = caught.value.problems
    assert "MASTER_KEY" in str(problem)
    assert problem.line == {"admin": 3, "key": 5}[where]


def test_11_2_a_file_that_is_not_there_makes_no_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["keys", "create"]) == 2
    assert "there is no such file" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_12_3_a_message_about_a_key_shows_its_id_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline.yaml").write_text("pipeline: [{auth: {keys: store}}, route]\n")
    secrets = []
    for arguments in (["create", "--id", "ci"], ["rotate", "ci", "--grace", "1h"]):
        assert main(["keys", *arguments]) == 0
        secrets.append(capsys.readouterr().out.strip())
    for arguments in (
        ["create", "--id", "ci"],
        ["list"],
        ["show", "ci"],
        ["list", "--json"],
        ["revoke", "ci"],
        ["rotate", "ci"],
    ):
        main(["keys", *arguments])
    said = "".join(capsys.readouterr()) + repr(KeyStore(tmp_path / "penstock-keys.db").every())
    assert "ci" in said
    assert [secret for secret in secrets if secret[9:] in said] == []
