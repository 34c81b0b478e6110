"""What LiteLLM's users bring with them: its configuration, read and told in the words of our own file."""
