"""OpenAI's models on Azure: its API under deployments' names, with Azure's keys, tokens and content filters."""
