"""LiteLLM's files as they stand: served, or written as ours; wrong ones by line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from proxy.config.loader import load_text
from proxy.config.types import Sources
from proxy.errors import ConfigError
from proxy.litellm.loading import import_litellm, load_litellm
from proxy.stores.config import MemoryConfig
from tests.support.everything_set import EverythingIsSet

RIGHT = """\
environment_variables: {AZURE_BASE: https://eu.example}
model_list:
  - model_name: smart
    litellm_params:
      model: azure/gpt-4o
      api_base: os.environ/AZURE_BASE
      api_key: planted-secret-1
      temperature: 0.2
  - model_name: smart
    litellm_params: {model: groq/llama, api_key: os.environ/GROQ_KEY, extra_body: {min_p: 0.1}}
general_settings:
  master_key: planted-secret-2
  alerting: [slack]
"""
WRONG = """\
model_list:
  - model_name: smart
    litellm_params: {model: echo/x, timeout: 5}
  - model_name: fast
    litellm_params:
      model: groq/llama
      api_key: os.environ/NOT_SET_ANYWHERE
  - model_name: near
    litellm_params: {model: x, api_base: "ftp://x"}
"""


def put(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text)
    return path


def test_it_is_served_as_it_stands(tmp_path: Path) -> None:
    loaded = load_litellm(put(tmp_path, RIGHT), environ={"GROQ_KEY": "g"})
    config = loaded.config
    assert (config.compat, config.listen.written, loaded.environ) == (
        "litellm",
        "0.0.0.0:4000",
        {"AZURE_BASE": "https://eu.example"},
    )
    assert [entry.name for entry in config.pipeline] == ["auth", "route", "transform", "stream-translate", "transform"]
    assert [one.upstream for one in config.models["smart"]] == ["azure", "groq"]
    (warning,) = config.warnings
    assert (warning.line, warning.warning, warning.what) == (13, True, "general_settings.alerting: is not carried over")


def test_the_imported_file_is_right_and_holds_no_secret(tmp_path: Path) -> None:
    imported = import_litellm(put(tmp_path, RIGHT), environ={})
    text = imported.written.text
    assert "planted-secret" not in text + str(imported)
    config = load_text(text, str(tmp_path / "pipeline.yaml"), sources=Sources(EverythingIsSet(), tmp_path))
    assert list(config.models) == ["smart"]
    assert [one.line for one in imported.lost] == [13]
    assert sorted(imported.written.variables) == ["LITELLM_AZURE_API_KEY", "LITELLM_MASTER_KEY"]
    assert "  azure:  # line 3\n" in text


def test_what_variables_hold_is_not_written(tmp_path: Path) -> None:
    params = "model: groq/x, api_key: os.environ/A, extra_headers: {x-a: os.environ/B}, extra_body: {c: os.environ/C}"
    path = put(tmp_path, f"model_list: [{{model_name: m, litellm_params: {{{params}}}}}]\n")
    imported = import_litellm(path, environ=dict.fromkeys("ABC", "planted-secret"))
    assert "planted-secret" not in str(imported)
    assert "headers: {x-a: env:B}" in imported.written.text
    assert [one.what.partition(": ")[2] for one in imported.lost] == ["variables in it are not looked up"]


def test_mistakes_are_told_where_they_stand(tmp_path: Path) -> None:
    path = put(tmp_path, WRONG)
    with pytest.raises(ConfigError) as wrong:
        load_litellm(path, environ={})
    assert [(one.file, one.line, one.what[:40]) for one in wrong.value.problems] == [
        (str(path), 4, "upstreams.groq.api_key: environment vari"),
        (str(path), 8, "upstreams.openai-compatible: base_url: a"),
    ]


def test_where_nothing_can_be_written_responses_are_kept_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)  # root may write everywhere
    text = "model_list: [{model_name: m, litellm_params: {model: echo/m}}]\ngeneral_settings: {master_key: k}\n"
    config = load_litellm(put(tmp_path, text), environ={}).config
    assert isinstance(config.stores.responses, MemoryConfig)
    assert [one.id for one in config.pipeline[0].config.every_key()] == ["master"]  # type: ignore[attr-defined]


def test_a_provider_that_nobody_knows_keeps_no_other_from_being_served(tmp_path: Path) -> None:
    one = "{model_name: a, litellm_params: {model: sagemaker/x}}"
    two = "{model_name: b, litellm_params: {model: echo/x}}"
    text = f"model_list: [{one}, {two}]"
    config = load_litellm(put(tmp_path, text), environ={}).config
    assert list(config.models) == ["b"]
    (warning,) = config.warnings
    assert warning.what == "model_list[0].litellm_params.model: 'sagemaker/x' names no provider"
    with pytest.raises(ConfigError, match="names no provider"):
        load_litellm(put(tmp_path, f"model_list: [{one}]"), environ={})
