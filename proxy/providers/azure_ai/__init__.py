"""Models of many makers on Azure AI Foundry: by its inference API, and Claude by the Messages API."""
