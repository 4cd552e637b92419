"""Requests and answers of the OpenAI-compatible routes.

Every field is either honoured or refused: what is unknown here is an error, and so is a known parameter
at a value that would change the answer in a way the twin cannot do.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

__all__ = [
    "ChatRequest",
    "Completion",
    "CompletionRequest",
    "EmbeddingRequest",
    "Embeddings",
    "ErrorBody",
    "Model",
    "Models",
]


class Strict(BaseModel):
    """Unknown fields are errors."""

    model_config = ConfigDict(extra="forbid")


class ErrorDetail(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None
    hint: str | None = None


class ErrorBody(BaseModel):
    """OpenAI's error envelope, with a hint at what to do."""

    error: ErrorDetail


class TextPart(Strict):
    """A piece of a message."""

    type: Literal["text"]
    text: str


class ChatMessage(Strict):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "data", "prompt"]
    """`data` is gemel's own: text of others, such as a web page, to be read and never obeyed. So is
    `prompt`: the title or question of an essay, asked by nobody in particular."""
    content: str | list[TextPart]
    name: str | None = Field(default=None, max_length=100)

    @property
    def text(self) -> str:
        """The content as one string."""
        return self.content if isinstance(self.content, str) else "\n".join(part.text for part in self.content)


class StreamOptions(Strict):
    """What a stream carries besides text."""

    include_usage: bool = False
    include_obfuscation: Literal[False] = False


class _Sampled(Strict):
    """What chat and plain completions have in common."""

    model: str
    max_tokens: int | None = Field(default=None, ge=1, le=4096)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    n: int | None = Field(default=None, ge=1, le=8)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    stop: str | list[str] | None = None
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    user: str | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None

    @field_validator("stop")
    @classmethod
    def _stops(cls, value: str | list[str] | None) -> str | list[str] | None:
        listed = [value] if isinstance(value, str) else value or []
        if len(listed) > 4 or any(not s or len(s) > 200 for s in listed):
            raise ValueError("at most 4 stop strings of 1 to 200 characters")
        return value

    @field_validator("presence_penalty", "frequency_penalty")
    @classmethod
    def _no_penalty(cls, value: float | None) -> float | None:
        if value:
            raise ValueError("penalties are not supported: they would change the person's own spread")
        return value

    @field_validator("logit_bias")
    @classmethod
    def _no_bias(cls, value: dict[str, float] | None) -> dict[str, float] | None:
        if value:
            raise ValueError("logit_bias is not supported")
        return value

    @model_validator(mode="after")
    def _options_belong_to_streams(self) -> Any:
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options needs stream = true")
        return self

    @property
    def stops(self) -> tuple[str, ...]:
        """Stop strings."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())


class ResponseFormat(Strict):
    """Only text is written."""

    type: Literal["text"]


class ChatRequest(_Sampled):
    """`POST /v1/chat/completions`."""

    messages: list[ChatMessage] = Field(min_length=1, max_length=2000)
    max_completion_tokens: int | None = Field(default=None, ge=1, le=4096)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    response_format: ResponseFormat | None = None
    traits: dict[str, float | str | list[str] | None] | None = None
    """gemel's own: trait values to answer under."""

    @model_validator(mode="after")
    def _top_needs_logprobs(self) -> Any:
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs = true")
        return self


class CompletionRequest(_Sampled):
    """`POST /v1/completions`: the prompt is what somebody says."""

    prompt: str | list[str]
    echo: Literal[False] | None = None
    best_of: Literal[1] | None = None
    logprobs: None = None
    suffix: None = None

    @field_validator("prompt")
    @classmethod
    def _one(cls, value: str | list[str]) -> str | list[str]:
        if isinstance(value, list) and not 1 <= len(value) <= 16:
            raise ValueError("1 to 16 prompts")
        return value


class EmbeddingRequest(Strict):
    """`POST /v1/embeddings`."""

    model: str = "minilm"
    input: str | list[str]
    encoding_format: Literal["float", "base64"] | None = None
    user: str | None = None
    dimensions: None = None

    @field_validator("input")
    @classmethod
    def _some(cls, value: str | list[str]) -> str | list[str]:
        texts = [value] if isinstance(value, str) else value
        if not 1 <= len(texts) <= 2048 or any(len(t) > 32_768 for t in texts):
            raise ValueError("1 to 2,048 texts of at most 32,768 characters")
        return value


class Usage(BaseModel):
    """Tokens read and written."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


class TopLogprob(BaseModel):
    """A token that could have stood there."""

    token: str
    logprob: float
    bytes: list[int] | None = None


class TokenLogprob(TopLogprob):
    """A token that stands there."""

    top_logprobs: list[TopLogprob] = []


class Logprobs(BaseModel):
    """Log-probabilities of a reply's tokens, at temperature 1."""

    content: list[TokenLogprob]
    refusal: None = None


class Source(BaseModel):
    """Where something in a reply comes from."""

    record: str
    quote: str
    score: float
    title: str = ""


class Own(BaseModel):
    """gemel's own fields on an answer."""

    disclosure: str
    parts: list[str] = []
    """The messages of the burst."""
    quoted: bool = False
    """The text is the person's own past reply."""
    citations: list[Source] = []
    cached: bool = False


class ReplyMessage(BaseModel):
    """The twin's message."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class Choice(BaseModel):
    """One answer."""

    index: int
    message: ReplyMessage | None = None
    text: str | None = None
    logprobs: Logprobs | None = None
    finish_reason: Literal["stop", "length"]
    gemel: Own | None = None


class Completion(BaseModel):
    """An answer of `/v1/chat/completions` or `/v1/completions`."""

    id: str
    object: Literal["chat.completion", "text_completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    system_fingerprint: str = ""
    """Which run answered."""


class Model(BaseModel):
    """A way to answer, as a model."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: Literal["gemel"] = "gemel"
    way: str
    run: str
    """The version: id of the trained voice; "": none."""
    arm: str = ""
    """The arm of a comparison that it is."""
    current: bool = True
    """It is the version that speaks now."""
    disclosure: str


class Models(BaseModel):
    """`GET /v1/models`."""

    object: Literal["list"] = "list"
    data: list[Model]


class Embedding(BaseModel):
    """One row."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str
    """Numbers, or base64 of little-endian float32."""


class Embeddings(BaseModel):
    """`POST /v1/embeddings`."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: Usage
