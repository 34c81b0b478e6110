"""Upstreams of Amazon Bedrock: the Converse API for all models, and Claude by its own API inside InvokeModel."""
