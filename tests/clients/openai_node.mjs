// The openai Node SDK: prints what each of its calls came to, as one JSON object.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: "none", maxRetries: 0 });
const tool = {
  type: "function",
  name: "get_weather",
  description: "The weather of a city.",
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false },
  strict: true,
};
const out = {};

async function helper(body) {
  const kinds = [];
  const stream = client.responses.stream(body);
  for await (const event of stream) kinds.push(event.type);
  return { kinds, final: await stream.finalResponse() };
}

out.text = await helper({ model: "echo", input: "Hello, river." });
out.reasoning = await helper({ model: "echo-reasoning", input: "Think of a river.", reasoning: { summary: "auto" } });
out.rawReasoning = await helper({ model: "echo-reasoning", input: "Think of a river." });
out.tools = await helper({ model: "echo-tools-parallel", input: "Oslo?", tools: [tool, { ...tool, name: "get_time" }] });
out.custom = await helper({
  model: "echo",
  input: "[[call run line one]]",
  tools: [{ type: "custom", name: "run", description: "Runs." }],
});
out.length = await helper({ model: "echo-length", input: "one two three four" });
out.created = await client.responses.create({ model: "echo", input: "Hello, river." });
out.error = await client.responses
  .create({ model: "echo-error-429", input: "x" })
  .then(() => null, (error) => ({ name: error.constructor.name, status: error.status, code: error.code }));
out.failed = await helper({ model: "echo-cut", input: "one two three four five six" }).then(
  () => null,
  (error) => ({ name: error.constructor.name, message: error.message }),
);
console.log(JSON.stringify(out));
