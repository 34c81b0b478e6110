"""What LiteLLM's documentation of `/v1/responses` shows, command by command, against `penstock serve --litellm-config`.

The configurations have the shapes of those on docs.litellm.ai (response_api, proxy/configs, proxy/load_balancing);
upstreams are fakes on this machine, which is all that differs.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from tests.support.fakes.bedrock import ACCESS_KEY as BEDROCK_KEY
from tests.support.fakes.bedrock import SECRET as BEDROCK_SECRET
from tests.support.fakes.bedrock import Bedrock
from tests.support.fakes.claude import Anthropic
from tests.support.fakes.google import Gemini
from tests.support.fakes.openai import AzureOpenAI, OpenAI
from tests.support.fakes.server import KEY
from tests.support.programs import needs_curl
from tests.support.s3 import ACCESS_KEY, REGION, SECRET_KEY, s3_server
from tests.support.serving import Served, serving
from tests.support.talking import Talks

PROVIDERS = """\
model_list:
  - model_name: openai/o1-pro
    litellm_params:
      model: openai/o1-pro
      api_key: os.environ/OPENAI_API_KEY
  - model_name: anthropic/claude-3-5-sonnet-20240620
    litellm_params:
      model: anthropic/claude-3-5-sonnet-20240620
      api_key: os.environ/ANTHROPIC_API_KEY
  - model_name: bedrock/anthropic.claude-3-sonnet-20240229-v1:0
    litellm_params:
      model: bedrock/anthropic.claude-3-sonnet-20240229-v1:0
      aws_access_key_id: os.environ/AWS_ACCESS_KEY_ID
      aws_secret_access_key: os.environ/AWS_SECRET_ACCESS_KEY
      aws_region_name: eu-west-1
      aws_bedrock_runtime_endpoint: os.environ/BEDROCK_ENDPOINT
  - model_name: gemini/gemini-1.5-flash
    litellm_params:
      model: gemini/gemini-1.5-flash
      api_key: os.environ/GEMINI_API_KEY
general_settings:
  master_key: sk-1234
litellm_settings:
  drop_params: true
"""
MODELS = (
    "openai/o1-pro",
    "anthropic/claude-3-5-sonnet-20240620",
    "bedrock/anthropic.claude-3-sonnet-20240229-v1:0",
    "gemini/gemini-1.5-flash",
)
TWO_DEPLOYMENTS = """\
model_list:
  - model_name: azure-gpt4-turbo
    litellm_params:
      model: azure/gpt-4-turbo
      api_key: {key}
      api_version: 2024-06-01
      api_base: {one}
  - model_name: azure-gpt4-turbo
    litellm_params:
      model: azure/gpt-4-turbo
      api_key: {key}
      api_version: 2024-06-01
      api_base: {two}

router_settings:
  optional_pre_call_checks: ["responses_api_deployment_check"]
"""
COLD_STORAGE = """\
model_list:
  - model_name: anthropic/claude-3-5-sonnet-latest
    litellm_params:
      model: hosted_vllm/qwen3
      api_base: {base}
litellm_settings:
  callbacks: ["s3_v2"]
  cold_storage_custom_logger: s3_v2
  s3_callback_params:
    s3_bucket_name: {bucket}
    s3_region_name: {region}
    s3_endpoint_url: {s3}
    s3_path: litellm
    s3_aws_access_key_id: os.environ/PLANTED_ID
    s3_aws_secret_access_key: os.environ/PLANTED_SECRET

general_settings:
  store_prompts_in_cold_storage: true
  store_prompts_in_spend_logs: true
"""
STORY = "Tell me a three sentence bedtime story about a unicorn."


@contextmanager
def proxy(folder: Path, config: str, **env: str) -> Iterator[Served]:
    """Runs `penstock serve --litellm-config config.yaml`."""
    (folder / "config.yaml").write_text(config)
    with serving("--litellm-config", "config.yaml", "--host", "127.0.0.1", directory=folder, env=env) as served:
        yield served


async def curl(served: Served, path: str, *arguments: str) -> Any:
    """Runs curl as the documentation writes it; returns the JSON that was answered."""
    url = served.url.removesuffix("/v1") + path
    headers = ("-H", "Content-Type: application/json", "-H", "Authorization: Bearer sk-1234")
    process = await asyncio.create_subprocess_exec(
        "curl", "-sS", url, *headers, *arguments, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(out)


def client_of(served: Served, key: str = "sk-1234") -> AsyncOpenAI:
    """Returns OpenAI's client as the documentation makes it: the base URL has no /v1."""
    return AsyncOpenAI(base_url=served.url.removesuffix("/v1"), api_key=key, max_retries=0, timeout=30)


@needs_curl
async def test_the_commands_for_each_provider(tmp_path: Path) -> None:
    async with OpenAI() as one, Anthropic() as two, Bedrock() as three, Gemini() as four:
        env = {
            "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": one.origin + "/v1", "ANTHROPIC_API_KEY": KEY,
            "ANTHROPIC_BASE_URL": two.origin, "AWS_ACCESS_KEY_ID": BEDROCK_KEY, "AWS_SECRET_ACCESS_KEY": BEDROCK_SECRET,
            "BEDROCK_ENDPOINT": three.origin, "GEMINI_API_KEY": KEY, "GEMINI_API_BASE": four.origin,
        }  # fmt: skip
        with proxy(tmp_path, PROVIDERS, **env) as served:
            async with client_of(served) as client:
                for model in MODELS:
                    made = await client.responses.create(model=model, input=STORY)
                    assert made.output_text.startswith("heard: Tell me"), model
                    stream = await client.responses.create(model=model, input=STORY, stream=True)
                    events = [event async for event in stream]
                    assert events[-1].type == "response.completed"
                    assert events[-1].response.output_text.startswith("heard: Tell me")
                await life(client, served)
            async with client_of(served, "sk-wrong") as stranger:
                with pytest.raises(openai.AuthenticationError) as refused:
                    await stranger.responses.create(model=MODELS[0], input=STORY)
                assert refused.value.body["code"] == 401  # type: ignore[index]
        assert [fake.mistakes for fake in (one, two, three, four)] == [[], [], [], []]


async def life(client: AsyncOpenAI, served: Served) -> None:
    """Retrieves, lists the input of, cancels and deletes a response, as SDK and curl do it."""
    made = await client.responses.create(model="openai/o1-pro", input=STORY)
    retrieved = await client.responses.retrieve(made.id)
    assert retrieved.output_text == made.output_text
    answer = await curl(served, f"/v1/responses/{made.id}")
    assert answer["choices"][0]["message"]["content"] == made.output_text
    assert (answer["created"], answer["usage"]["prompt_tokens"]) == (answer["created_at"], 1000)
    items = await client.responses.input_items.list(made.id)
    assert items.data[0].content[0].text == STORY  # type: ignore[union-attr]
    listed = await curl(served, f"/v1/responses/{made.id}/input_items")
    assert [one["content"][0]["text"] for one in listed["data"]] == [STORY]
    assert (await client.responses.cancel(made.id)).status == "completed"
    cancelled = await curl(served, f"/v1/responses/{made.id}/cancel", "-X", "POST")
    assert cancelled["id"] == made.id
    deleted = await curl(served, f"/v1/responses/{made.id}", "-X", "DELETE")
    assert (deleted["id"], deleted["deleted"]) == (made.id, True)
    gone = await curl(served, f"/v1/responses/{made.id}")
    assert gone["error"]["code"] == 404
    again = await client.responses.create(model="openai/o1-pro", input=STORY)
    await client.responses.delete(again.id)
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(again.id)


async def test_a_session_stays_with_one_of_two_deployments(tmp_path: Path) -> None:
    async with AzureOpenAI() as one, AzureOpenAI() as two:
        config = TWO_DEPLOYMENTS.format(key=KEY, one=one.origin, two=two.origin)
        with proxy(tmp_path, config) as served:
            async with client_of(served, "your-api-key") as client:
                first = []
                for _ in range(20):
                    raw = await client.responses.with_raw_response.create(
                        model="azure-gpt4-turbo", input="Hello, who are you?"
                    )
                    first.append((raw.headers["x-litellm-model-id"], raw.parse().id))
                for deployment, id in first:
                    raw = await client.responses.with_raw_response.create(
                        model="azure-gpt4-turbo", input="Tell me more about yourself", previous_response_id=id
                    )
                    assert raw.headers["x-litellm-model-id"] == deployment
        assert {deployment for deployment, _ in first} == {"azure/gpt-4-turbo", "azure-2/gpt-4-turbo"}
        assert (one.mistakes, two.mistakes) == ([], [])
        assert len(one.asked) + len(two.asked) == 40


@needs_curl
async def test_sessions_with_cold_storage(tmp_path: Path) -> None:
    about, more = "who is Michael Jordan", "can you tell me more about him"
    with s3_server() as s3:
        bucket = s3.bucket()
        async with Talks({"content": "A basketball player."}, {"content": "He was born in 1963."}) as up:
            config = COLD_STORAGE.format(base=up.origin, bucket=bucket, region=REGION, s3=s3.url)
            with proxy(tmp_path, config, PLANTED_ID=ACCESS_KEY, PLANTED_SECRET=SECRET_KEY) as served:

                async def ask(**fields: Any) -> dict[str, Any]:
                    body = json.dumps({"model": "anthropic/claude-3-5-sonnet-latest", **fields})
                    answer: dict[str, Any] = await curl(served, "/v1/responses", "-d", body)
                    return answer

                one = await ask(input=about)
                two = await ask(input=more, previous_response_id=one["id"])
                three = await ask(input=more)
            told = [[message["content"] for message in request["messages"]] for request in up.requests]
            assert told == [[about], [about, "A basketball player.", more], [more]]
            assert two["output"][0]["content"][0]["text"] == "He was born in 1963."
        objects = s3.objects(bucket)  # the end of the server has written what was left
        cold = sorted(
            key.rpartition("/")[2].partition(".")[0] for key in objects if key.startswith("litellm/responses/")
        )
        assert cold == sorted(answer["id"] for answer in (one, two, three))
        rows = b"".join(data for key, data in objects.items() if not key.startswith("litellm/responses/"))
        assert [json.loads(row)["outcome"] for row in rows.splitlines()] == ["completed"] * 3
        assert SECRET_KEY.encode() not in rows
