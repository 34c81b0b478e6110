"""Whole files: the wrong ones with every message they give, the right ones with what comes of them.

Each file of `wrong/` holds one kind of mistake and ends in a comment with the exact output expected of it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from proxy.config.file import Config, DeploymentEntry, Limits, Skipped
from proxy.config.listen import Listen
from proxy.config.loader import load, load_text
from proxy.config.types import Sources
from proxy.errors import ConfigError, ConfigMissing
from tests.support.fake_registry import PROVIDERS, STAGES, Auth, Compatible, RateLimit

WRONG = sorted((Path(__file__).parent / "wrong").glob("*.yaml"))
SMALL = """\
upstreams:
  local: {kind: openai-compatible, base_url: http://127.0.0.1:11434/v1}
models:
  llama3.2: [local/llama3.2]
pipeline:
  - route
"""


def read(text: str, **environ: str) -> Config:
    return load_text(text, "pipeline.yaml", sources=Sources(environ), providers=PROVIDERS, stages=STAGES)


def mistakes(text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text, **environ)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("path", WRONG, ids=lambda path: path.stem)
def test_a_wrong_file_names_every_mistake(path: Path):
    text, _, expected = path.read_text().partition("\n# expected:\n")
    assert mistakes(text) == [line.removeprefix("# ") for line in expected.splitlines()]


def test_there_are_enough_wrong_files():
    assert len(WRONG) >= 60


def test_the_defaults_of_a_small_file():
    config = read(SMALL)
    assert (config.listen, config.workers, config.limits) == (Listen("127.0.0.1", 4000), 1, Limits())
    assert (config.limits.body, config.limits.keepalive_comment, config.limits.drain) == (33554432, 15, 600)
    assert config.upstreams["local"].provider is Compatible
    assert config.upstreams["local"].config.base_url == "http://127.0.0.1:11434/v1"
    assert config.models == {"llama3.2": (DeploymentEntry("local", "llama3.2", 1.0),)}
    assert [entry.name for entry in config.pipeline] == ["route"]
    assert (config.skipped, config.warnings, config.file) == ((), (), "pipeline.yaml")


RICH = """\
listen: "[::1]:0"
workers: auto
limits: {body: 1MiB, drain: 2m, max_requests: 100}
upstreams:
  local: &local
    kind: openai-compatible
    base_url: http://127.0.0.1:8000/v1
    idle: 30s
  other:
    <<: *local
    base_url: http://127.0.0.1:8001/v1
    api_key: env:TOKEN
  openai: {kind: openai, api_key: env:OPENAI_API_KEY, requires_env: OPENAI_API_KEY}
models:
  fast: local/qwen
  smart:
    - {use: local/big/one, weight: 3}
    - {use: other/two}
    - openai/three
  "local/*": local/*
  "gpt-*": [openai/gpt-*]
  gpt: openai/gpt
pipeline:
  - auth:
      keys: [a, b]
  - rate-limit: {requests_per_minute: 60, window: 1h}
  - transform:
  - route: {}
  - transform: {drop: [store]}
  - stream-translate
  - log
"""


def test_a_rich_file():
    config = read(RICH, TOKEN="t0ken", OPENAI_API_KEY="sk-1")
    assert (config.listen, config.limits) == (Listen("::1", 0), Limits(body=1048576, drain=120, max_requests=100))
    assert config.workers >= 1
    assert list(config.upstreams) == ["local", "other", "openai"]
    other = config.upstreams["other"].config
    assert (other.base_url, other.idle, other.api_key.reveal()) == ("http://127.0.0.1:8001/v1", 30, "t0ken")
    assert config.models["smart"] == (
        DeploymentEntry("local", "big/one", 3.0),
        DeploymentEntry("other", "two"),
        DeploymentEntry("openai", "three"),
    )
    assert config.models["local/*"] == (DeploymentEntry("local", "*"),)
    assert [entry.name for entry in config.pipeline] == [
        "auth", "rate-limit", "transform", "route", "transform", "stream-translate", "log",
    ]  # fmt: skip
    assert config.pipeline[0].config == Auth.Config(keys=("a", "b"))
    assert config.pipeline[1].config == RateLimit.Config(requests_per_minute=60, window=3600.0)
    assert config.asks_for_keys
    assert config.skipped == ()


def test_an_upstream_is_skipped_without_its_variable():
    config = read(RICH, TOKEN="t0ken")
    reason = "environment variable OPENAI_API_KEY is not set"
    assert config.skipped == (
        Skipped("upstream", "openai", reason),
        Skipped("model", "gpt-*", reason),
        Skipped("model", "gpt", reason),
    )
    assert list(config.models) == ["fast", "smart", "local/*"]
    assert [deployment.upstream for deployment in config.models["smart"]] == ["local", "other"]


def test_a_skipped_upstream_is_checked_all_the_same():
    text = SMALL.replace("models:", "  openai: {kind: openai, api_kee: env:NO_KEY, requires_env: NO_KEY}\nmodels:")
    assert mistakes(text) == [
        'pipeline.yaml:3:26: upstreams.openai: unknown field "api_kee"   (did you mean "api_key"?)'
    ]


def test_a_file_of_which_nothing_is_left_gives_a_warning():
    text = SMALL.replace("v1}", "v1, requires_env: NOT_SET}")
    (warning,) = read(text).warnings
    assert str(warning) == (
        "pipeline.yaml:4:3: warning: no model is left to serve   (set a variable that an upstream requires)"
    )


def test_a_surprising_order_gives_a_warning():
    text = SMALL + "  - guardrail: {rules: [{match: words, words: [no]}]}\n"
    assert [str(warning) for warning in read(text).warnings] == [
        'pipeline.yaml:7:5: warning: "guardrail" stands below "route" (line 6): it then runs once an attempt, '
        'not once a request   (move "guardrail" above "route")'
    ]


def test_with_keys_the_server_may_listen_everywhere():
    text = "listen: 0.0.0.0:80\n" + SMALL + "  - auth: {keys: keys.yaml}\n"
    assert read(text).listen == Listen("0.0.0.0", 80)


def test_a_misspelt_stage_may_be_the_one_that_is_missing():
    text = "listen: 0.0.0.0:80\n" + SMALL + "  - auht: {keys: keys.yaml}\n"
    assert mistakes(text) == ['pipeline.yaml:8:5: unknown stage "auht"   (did you mean "auth"?)']


def test_a_stage_of_the_users_own_stands_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "penstock_test_shout.py").write_text(
        "from proxy.stage import Stage, StageConfig\n"
        "class Shout(Stage):\n"
        "    name = 'shout'\n"
        "    class Config(StageConfig, kw_only=True, frozen=True):\n"
        "        loud: bool = False\n"
        "class Nameless(Stage): pass\n"
    )
    (tmp_path / "penstock_test_broken.py").write_text("raise OSError('no disk')\n")
    path = tmp_path / "pipeline.yaml"
    path.write_text(SMALL + "  - penstock_test_shout:Shout: {loud: true}\n")
    entry = load(path, providers=PROVIDERS, stages=STAGES).pipeline[-1]
    assert (entry.name, entry.stage.name, entry.config.loud) == ("penstock_test_shout:Shout", "shout", True)

    path.write_text(
        SMALL + "  - penstock_test_shout:Shuot\n  - penstock_test_shout:Nameless\n  - penstock_test_broken:Stage\n"
    )
    with pytest.raises(ConfigError) as caught:
        load(path, providers=PROVIDERS, stages=STAGES)
    assert [(problem.line, problem.what, problem.fix) for problem in caught.value.problems] == [
        (7, 'stage "penstock_test_shout:Shuot": penstock_test_shout has no Shuot', 'did you mean "Shout"?'),
        (
            8,
            'stage "penstock_test_shout:Nameless": Nameless is no stage',
            "derive it from proxy.stage.Stage and give it a name",
        ),
        (9, 'stage "penstock_test_broken:Stage": importing it raised OSError: no disk', "mend the module"),
    ]


def test_secrets_are_read_beside_the_file(tmp_path: Path):
    (tmp_path / "key").write_text("sk-file\n")
    path = tmp_path / "pipeline.yaml"
    path.write_text(SMALL.replace("v1}", "v1, api_key: file:key}"))
    config = load(path, providers=PROVIDERS, stages=STAGES)
    assert config.upstreams["local"].config.api_key.reveal() == "sk-file"
    assert config.file == str(path)
    assert "sk-file" not in repr(config)


def test_a_missing_file(tmp_path: Path):
    with pytest.raises(ConfigMissing) as caught:
        load(tmp_path / "none.yaml", providers=PROVIDERS, stages=STAGES)
    assert str(caught.value) == f"{tmp_path}/none.yaml:1:1: there is no such file   (check the path)"


def test_a_folder_is_no_file(tmp_path: Path):
    with pytest.raises(ConfigMissing, match=r"the file cannot be read: is a directory   \(check the path and its perm"):
        load(tmp_path, providers=PROVIDERS, stages=STAGES)


def test_a_file_in_another_encoding(tmp_path: Path):
    path = tmp_path / "pipeline.yaml"
    path.write_bytes("# stage\nmodels: é\n".encode("latin-1"))
    with pytest.raises(ConfigError) as caught:
        load(path, providers=PROVIDERS, stages=STAGES)
    assert str(caught.value) == f"{path}:2:9: byte 0xe9 is not UTF-8   (save the file as UTF-8)"
    assert not isinstance(caught.value, ConfigMissing)


def test_windows_line_ends_and_a_byte_order_mark(tmp_path: Path):
    path = tmp_path / "pipeline.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode())
    assert list(load(path, providers=PROVIDERS, stages=STAGES).models) == ["llama3.2"]


def test_no_secret_stands_in_a_message():
    text = SMALL.replace("v1}", "v1, api_key: [sk-planted], idle: env:PLANTED}") + "  - auth: {kees: sk-planted}\n"
    assert "planted" not in "\n".join(mistakes(text, PLANTED="planted")).replace("env:PLANTED", "").lower()


def test_variables_in_comments_are_not_wanted():
    assert read("# env:NOT_SET ${NOT_SET}\n" + SMALL).models
