"""Prompts as tested files: what goes in, what is asked, what must come out.

A template is YAML with version, system, user (Jinja2, sandboxed; a name that is not given is an error), inputs,
output (a JSON schema, a tag, or plain text), parameters, checks and tests. A plain map of texts without a version is
read by literal substitution of `{name}` and `{{name}}`. Templates never run code of their own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import regex
import yaml
from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from gemel.errors import ConfigError
from gemel.remote import Request
from gemel.remote.wire import compact
from gemel.text import fold, words

__all__ = ["BadOutput", "Call", "Template", "load_template", "shipped"]

KEYS = {"name", "version", "about", "inputs", "system", "user", "output", "parameters", "checks", "tests", "tries"}
CHECKS = ("min_words", "max_words", "unlike", "like", "differs_from")
REFUSAL = r"(?i)^\W*(?:i'?m sorry|i cannot|i can'?t|as an ai\b|as a language model)"
_FENCE = regex.compile(r"^\s*```(?:json)?\s*\n(.*?)\n?```\s*$", regex.DOTALL)
_NAME = regex.compile(r"\{\{ *((?!\d|true\b|false\b|none\b|loop\b)\w+)() *\}\}", regex.IGNORECASE)
_LOGIC = regex.compile(r"\{[{%#]|[%#}]\}")
_SLOT = regex.compile(r"\{\{\s*(\w+)\s*\}\}|\{(\w+)\}")

Check = Callable[[str, Mapping[str, Any]], bool]
"""(text, row) → whether it passes."""


class BadOutput(Exception):
    """An answer that is not what the template wants; the message is short and countable, without its text."""


class Call(NamedTuple):
    """A question to a teacher, with the key under which its answer is kept."""

    key: str
    request: Request


@dataclass(frozen=True, kw_only=True)
class Template:
    """One prompt."""

    name: str
    version: str
    user: str
    system: str = ""
    literal: bool = False
    """Plain substitution instead of Jinja2."""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """Name → default; None: it must be given."""
    output: Mapping[str, Any] = field(default_factory=dict)
    """`schema`, or `tag`; `field`: where the value goes (an object without it is merged into the row)."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    checks: tuple[Mapping[str, Any], ...] = ()
    tests: tuple[Mapping[str, Any], ...] = ()
    tries: int = 3
    """Answers asked for until one is usable."""

    @property
    def id(self) -> str:
        """Name and version, as kept with every row."""
        return f"{self.name}@{self.version}"

    def call(self, row: Mapping[str, Any], *, model: str = "", sample: int = 0) -> Call:
        """What is asked for a row.

        Raises:
            ConfigError: when the row lacks an input.
        """
        messages = self.render(row)
        parameters = dict(self.parameters)
        if schema := self.output.get("schema"):
            wanted = {"name": self.name, "schema": schema, "strict": True}
            parameters["response_format"] = {"type": "json_schema", "json_schema": wanted}
        said = compact([model, messages, parameters, sample, self.id], ordered=True)
        key = blake2b(said, digest_size=16).hexdigest()
        if sample and "seed" in parameters:
            parameters["seed"] += 1000 * sample
        return Call(key, Request(messages=messages, parameters=parameters))

    def again(self, call: Call, attempt: int) -> Request:
        """The request of a call, with another seed after an answer that could not be used."""
        if not attempt or "seed" not in call.request.parameters:
            return call.request
        seed = call.request.parameters["seed"] + attempt
        return replace(call.request, parameters={**call.request.parameters, "seed": seed})

    def render(self, row: Mapping[str, Any]) -> list[dict[str, str]]:
        """The messages for a row.

        Raises:
            ConfigError: when the row lacks an input.
        """
        values = {**self._defaults, **row}
        if missing := [n for n in self._needed if n not in row]:
            raise ConfigError(f"template {self.name}: a row lacks {', '.join(missing)}")
        try:
            made = [(role, make(values).strip()) for role, make in self._makers]
        except (UndefinedError, TemplateError, TypeError) as error:
            raise ConfigError(f"template {self.name} cannot be filled: {type(error).__name__}") from None
        return [{"role": role, "content": text} for role, text in made if text]

    def parse(self, text: str, row: Mapping[str, Any]) -> dict[str, Any]:
        """The fields that an answer gives.

        Raises:
            BadOutput: with the reason.
        """
        value: Any = text.strip()
        if self._tagged is not None:
            if (found := self._tagged.search(text)) is None:
                raise BadOutput("tag missing")
            value = found.group(1).strip()
        elif self._validator is not None:
            value = _json(text)
            if next(iter(self._validator.iter_errors(value)), None) is not None:
                raise BadOutput("not of the schema")
        for kind, name, passes in self._checks:
            part = value if name is None else value.get(name, "") if isinstance(value, dict) else value
            if not passes(part if isinstance(part, str) else json.dumps(part, ensure_ascii=False), row):
                raise BadOutput(f"check {kind}")
        if isinstance(value, dict) and "field" not in self.output:
            return value
        return {str(self.output.get("field", "text")): value}

    @cached_property
    def _checks(self) -> list[tuple[str, str | None, Check]]:
        """Kind, field and function of each check."""
        kinds = [(next(k for k in CHECKS if k in check), check) for check in self.checks]
        return [(kind, check.get("field"), _checker(kind, check[kind])) for kind, check in kinds]

    @cached_property
    def _tagged(self) -> regex.Pattern[str] | None:
        tag = regex.escape(str(self.output.get("tag") or ""))
        return regex.compile(rf"<{tag}>(.*?)</{tag}>", regex.DOTALL) if tag else None

    @cached_property
    def _defaults(self) -> dict[str, Any]:
        return {k: v for k, v in self.inputs.items() if v is not None}

    @cached_property
    def _needed(self) -> list[str]:
        return [k for k, v in self.inputs.items() if v is None]

    @cached_property
    def _makers(self) -> list[tuple[str, Callable[[Mapping[str, Any]], str]]]:
        parts = (("system", self.system), ("user", self.user))
        if self.literal:
            return [(role, _Literal(text, slot=_SLOT)) for role, text in parts if text]
        return [(role, _maker(text)) for role, text in parts if text]

    @cached_property
    def _validator(self) -> Any:
        if "schema" not in self.output:
            return None
        from jsonschema import Draft202012Validator

        return Draft202012Validator(self.output["schema"])

    def test(self) -> list[str]:
        """Run the template's own tests; returns what is wrong, by test number."""
        wrong = []
        for i, case in enumerate(self.tests, 1):
            shown = "\n".join(m["content"] for m in self.render(case.get("inputs", {})))
            wrong += [f"test {i}: the prompt lacks {part!r}" for part in case.get("contains", ()) if part not in shown]
            if "answer" not in case:
                continue
            try:
                got: Any = self.parse(case["answer"], case.get("inputs", {}))
            except BadOutput as error:
                got = str(error)
            wanted = case.get("gives", case.get("fails"))
            if got != wanted:
                wrong.append(f"test {i}: the answer gives {got!r}, not {wanted!r}")
        return wrong


def _checker(kind: str, limit: Any) -> Check:
    """A check of a text beside its row."""
    if kind == "min_words":
        return lambda text, _: len(words(text)) >= limit
    if kind == "max_words":
        return lambda text, _: len(words(text)) <= limit
    if kind == "differs_from":
        return lambda text, row: fold(text) != fold(str(row.get(limit, "")))
    pattern = regex.compile(REFUSAL if limit == "refusal" else limit)
    found = kind == "like"
    return lambda text, _: bool(pattern.search(text)) is found


class _Literal:
    """Slots replaced by the row's values; anything else stays as it is.

    Args:
        strict: a slot without a value is an error (Jinja2's `{{ name }}`), else it stays.
    """

    def __init__(self, text: str, *, slot: regex.Pattern[str], strict: bool = False) -> None:
        self.text = text
        self.slot = slot
        self.strict = strict

    def __call__(self, values: Mapping[str, Any]) -> str:
        def fill(match: regex.Match[str]) -> str:
            name = match.group(1) or match.group(2)
            if name in values:
                return str(values[name])
            if self.strict:
                raise UndefinedError(name)
            return match.group()

        return self.slot.sub(fill, self.text)


def _maker(text: str) -> Callable[[Mapping[str, Any]], str]:
    """Jinja2, or plain substitution where the text has nothing but `{{ name }}`: the same, ten times faster."""
    if not _LOGIC.search(_NAME.sub("", text)):
        return _Literal(text.rstrip("\n"), slot=_NAME, strict=True)
    return partial(_fill, _compiled(text))


def _compiled(text: str) -> Any:
    return _JINJA.from_string(text)


def _fill(template: Any, values: Mapping[str, Any]) -> str:
    return str(template.render(values))


_JINJA = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=False)


def _json(text: str) -> Any:
    fenced = _FENCE.match(text)
    text = fenced.group(1) if fenced else text
    start = next((i for i, c in enumerate(text) if c in "{["), None)
    if start is None:
        raise BadOutput("no JSON")
    try:
        return json.JSONDecoder().raw_decode(text, start)[0]
    except ValueError:
        raise BadOutput("not JSON") from None


def shipped() -> Iterator[str]:
    """Names of the templates that come with gemel."""
    yield from sorted(p.name.removesuffix(".yml") for p in files("gemel.synth").joinpath("prompts").iterdir())


def load_template(which: str | Path) -> Template:
    """A template by the name of a shipped one or by file.

    Raises:
        ConfigError: when there is none, or it is not a template.
    """
    path = Path(which)
    if path.suffix in (".yml", ".yaml") and path.exists():
        return _read(path.read_text(encoding="utf-8"), path.stem)
    name = path.name.removesuffix(".yml")
    if name not in shipped():
        raise ConfigError(f"there is no template '{which}'", hint=f"A YAML file, or one of: {', '.join(shipped())}.")
    return _read(files("gemel.synth").joinpath("prompts", f"{name}.yml").read_text(encoding="utf-8"), name)


def _read(text: str, name: str) -> Template:
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", 0) + 1
        raise ConfigError(f"template {name} is not valid YAML (line {line})") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"template {name} is not a map")
    if "version" not in raw:
        return _plain(raw, name, text)
    if unknown := set(raw) - KEYS:
        raise ConfigError(f"template {name}: unknown {', '.join(sorted(unknown))}", hint=f"Known: {sorted(KEYS)}")
    checks = tuple(raw.get("checks") or ())
    if not raw.get("user") or any(not set(CHECKS) & set(c) for c in checks):
        raise ConfigError(f"template {name} needs a user prompt and known checks", hint=f"Checks: {', '.join(CHECKS)}")
    inputs = {k: v.get("default") if isinstance(v, dict) else None for k, v in (raw.get("inputs") or {}).items()}
    made = Template(
        name=str(raw.get("name", name)),
        version=str(raw["version"]),
        system=raw.get("system") or "",
        user=raw["user"],
        inputs=inputs,
        output=raw.get("output") or {},
        parameters=raw.get("parameters") or {},
        checks=checks,
        tests=tuple(raw.get("tests") or ()),
        tries=int(raw.get("tries", 3)),
    )
    try:
        made._makers  # noqa: B018  compiled now, so that a mistake is told before anything is asked
    except TemplateSyntaxError as error:
        raise ConfigError(f"template {name}, line {error.lineno}: {error.message}") from None
    return made


def _plain(raw: Mapping[str, Any], name: str, text: str) -> Template:
    texts = {str(k): v for k, v in raw.items() if isinstance(v, str)}
    user = next((texts[k] for k in ("user", "prompt", "instruction", name) if k in texts), None)
    if user is None and len(texts) == 1:
        user = next(iter(texts.values()))
    if user is None:
        raise ConfigError(
            f"template {name} has neither a version nor a text called user", hint="See `docs/guide/synth`."
        )
    version = blake2b(text.encode(), digest_size=4).hexdigest()
    slots = {a or b: None for a, b in _SLOT.findall(user + texts.get("system", ""))}
    return Template(
        name=name, version=version, user=user, system=texts.get("system", ""), literal=True, inputs=slots, tries=1
    )
