"""One test for each failure reported from the field that concerns files and parameters, where stages and imported
configurations are in it; what providers make of parameters is tested in test_field_failures_providers.py.

The numbers are those of the review list `field-failures.md`, section 11.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from proxy import Router
from proxy.cli import main
from proxy.config.loader import load_text
from proxy.errors import ConfigError
from proxy.litellm.loading import load_litellm
from stages.transform import Transform
from tests.support.house import house
from tests.support.talking import Talks

ECHO = "model_list: [{model_name: m, litellm_params: {model: echo/m}}]\n"
CHAT_KEYS = {"model", "messages", "stream", "stream_options", "temperature", "max_tokens", "max_completion_tokens"}


@pytest.mark.parametrize("written", ["${MASTER_KEY}", "$MASTER_KEY", "os.environ/MASTER_KEY"])
def test_11_1_a_variable_that_is_not_replaced_is_no_master_key(written: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"{ECHO}general_settings:\n  master_key: {written}\n")
    with pytest.raises(ConfigError) as wrong:
        load_litellm(path, environ={})
    assert {(one.file, one.line) for one in wrong.value.problems} == {(str(path), 3)}
    assert all("MASTER_KEY" in one.what for one in wrong.value.problems)


@pytest.mark.parametrize(
    "command", [["serve", "--litellm-config"], ["serve", "--config"], ["import", "litellm"], ["check"]]
)
def test_11_2_a_file_that_is_not_there_is_the_end(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml:1:1: there is no such file" in capsys.readouterr().err


def test_11_3_nobody_asks_for_variables_in_comments(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"# api_key: os.environ/NOT_SET_1 ${{NOT_SET_2}}\n{ECHO}  # env:NOT_SET_3\n")
    assert list(load_litellm(path, environ={}).config.models) == ["m"]
    text = "# env:NOT_SET ${NOT_SET}\nupstreams: {e: {kind: echo}}\nmodels: {m: [e/m]}\npipeline: [route]  # env:NO\n"
    assert list(load_text(text, "test").models) == ["m"]


async def test_11_4_what_is_for_the_proxy_stays_in_it() -> None:
    async with Talks({"content": "Hello."}) as up:
        params: dict[str, Any] = {"model": "hosted_vllm/up", "api_base": up.origin, "api_key": "k", "temperature": 0.5}
        params |= {"extra_headers": {"x-team": "a"}, "rpm": 5, "timeout": 20, "stream_timeout": 20, "order": 1}
        entry = {"model_name": "m", "litellm_params": params, "model_info": {"id": "1", "mode": "chat"}}
        async with Router([entry], model_group_alias={"gpt-4": "m"}, num_retries=0) as router:
            made: Any = await router.aresponses("hi", "gpt-4", store=False, max_output_tokens=5)
            assert made.store is False
        (body,) = up.requests
        assert set(body) <= CHAT_KEYS
        assert (body["model"], body["temperature"], body.get("max_tokens")) == ("up", 0.5, 5)


async def test_11_5_a_schema_that_a_stage_sets_is_not_forgotten() -> None:
    form = "{type: json_schema, name: city, schema: {type: object, properties: {}, additionalProperties: false}}"
    async with Talks({"content": "{}"}) as up:
        text = f"upstreams: {{u: {{kind: openai-compatible, base_url: {up.origin}}}}}\nmodels: {{m: [u/up]}}\n"
        config = load_text(f"{text}pipeline: [transform: {{set: {{text.format: {form}}}}}, route]\n", "test")
        entry = config.upstreams["u"]
        stage = Transform(config.pipeline[0].config)  # type: ignore[arg-type]
        async with house(entry.provider("u", entry.config), stages=[stage]) as home:
            status, _, _ = await home.ask()
        assert status == 200
        assert up.requests[0]["response_format"]["json_schema"]["name"] == "city"
