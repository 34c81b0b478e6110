"""Google's Vertex AI: Gemini, Claude and open models under the projects of Google Cloud."""
