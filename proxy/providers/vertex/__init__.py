"""Google's Vertex AI: Gemini and Claude under the projects of Google Cloud."""
