"""OpenAI itself, over chat completions."""
