// The AI SDK with its OpenAI provider: prints what each of its calls came to, as one JSON object.
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const provider = createOpenAI({ baseURL: process.env.BASE_URL, apiKey: "none" });
const tools = {
  get_weather: tool({
    description: "The weather of a city.",
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => `${city}: 7 degrees, rain`,
  }),
};
const store = { openai: { store: false } };
const out = {};

const plain = await generateText({ model: provider.responses("echo"), prompt: "Hello, river.", maxRetries: 0 });
out.plain = { text: plain.text, finish: plain.finishReason, usage: plain.usage };

const streamed = streamText({
  model: provider.responses("echo"),
  prompt: '[[step call get_weather {"city": "Oslo"}]] [[step say It rains.]]',
  tools,
  providerOptions: store,
  stopWhen: stepCountIs(4),
  maxRetries: 0,
});
const parts = [];
for await (const part of streamed.fullStream) parts.push(part.type);
out.tools = { parts, text: await streamed.text, steps: (await streamed.steps).length };

// by default the SDK keeps nothing itself: its second step refers to the items of its first
const kept = await generateText({
  model: provider.responses("echo"),
  prompt: '[[step reasoning Which city?]] [[call get_weather {"city": "Rom"}]] [[step say It rains there too.]]',
  tools,
  stopWhen: stepCountIs(4),
  maxRetries: 0,
});
out.kept = { text: kept.text, steps: kept.steps.length };

const thought = streamText({
  model: provider.responses("echo-reasoning"),
  prompt: "Think of a river.",
  providerOptions: { openai: { store: false, forceReasoning: true, reasoningSummary: "auto", include: ["reasoning.encrypted_content"] } },
  maxRetries: 0,
});
const kinds = [];
for await (const part of thought.fullStream) kinds.push(part.type);
out.reasoning = { kinds, text: await thought.text };

const cut = streamText({ model: provider.responses("echo-length"), prompt: "one two three four", maxRetries: 0 });
for await (const part of cut.fullStream) void part;
out.length = await cut.finishReason;

out.error = await generateText({ model: provider.responses("echo-error-400"), prompt: "x", maxRetries: 0 }).then(
  () => null,
  (error) => ({ name: error.name, status: error.statusCode, message: error.message }),
);
console.log(JSON.stringify(out));
