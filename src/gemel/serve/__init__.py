"""The local server: OpenAI-compatible, private, with a page to talk on."""
