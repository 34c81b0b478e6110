"""`penstock import litellm`: the file to stdout or to a file, what is lost to stderr, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxy.cli import main

TEXT = """\
model_list: [{model_name: m, litellm_params: {model: groq/x, api_key: planted-secret}}]
litellm_settings: {cache: true, drop_params: true}
"""


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(TEXT)


def test_the_file_goes_to_stdout_and_the_rest_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "litellm", "config.yaml"]) == 0
    printed = capsys.readouterr()
    assert "planted-secret" not in printed.out + printed.err
    assert printed.out.startswith("# yaml-language-server: $schema=")
    assert "config.yaml:2:20: warning: litellm_settings.cache: answers are not cached\n" in printed.err
    assert "into the variable LITELLM_GROQ_API_KEY\n" in printed.err


def test_a_file_is_not_written_over_by_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "litellm", "config.yaml", "--to", "p.yaml", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["line"] for one in told["lost"]] == [2]
    assert main(["check", "p.yaml"]) == 1  # the variable is not set
    assert "LITELLM_GROQ_API_KEY is not set" in capsys.readouterr().err
    before = Path("p.yaml").read_text()
    assert main(["import", "litellm", "config.yaml", "--to", "p.yaml"]) == 1
    assert "is there already" in capsys.readouterr().err
    assert main(["import", "litellm", "config.yaml", "--to", "p.yaml", "--force"]) == 0
    assert Path("p.yaml").read_text() == before
    assert main(["import", "litellm", "config.yaml", "--to", "no/such/p.yaml"]) == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["litellm", "none.yaml"], 2),
        (["litellm", "wrong.yaml"], 1),
        (["other", "config.yaml"], 2),
        (["litellm", "config.yaml", "--json"], 2),
    ],
)
def test_exit_codes(arguments: list[str], code: int) -> None:
    Path("wrong.yaml").write_text("model_list: [{model_name: m, litellm_params: {model: echo/x, timeout: soon}}]")
    assert main(["import", *arguments]) == code
