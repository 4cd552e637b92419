"""HTML as plain text: what mail and documents share. Quotations, scripts and page furniture are dropped."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["plain_text"]

_DROP = frozenset(
    {"script", "style", "head", "template", "noscript", "svg", "nav", "footer", "aside", "form", "button"}
)
_BLOCK = frozenset(
    {
        "p",
        "div",
        "br",
        "li",
        "tr",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "blockquote",
        "pre",
        "section",
        "article",
        "ul",
        "ol",
    }
)
_PARAGRAPH = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "ul", "ol"})
_SPACES = re.compile(r"[ \t\u00a0\r\f\v]*\n[ \t\r\f\v]*")
_BLANKS = re.compile(r"\n{3,}")
DEEPEST = 250
"""Levels of nesting that are followed."""


def plain_text(markup: str, *, drop: frozenset[str] = frozenset()) -> str:
    """The text of an HTML page or fragment; `drop` names further elements or classes that go, e.g. gmail_quote."""
    from lxml import etree, html

    if not markup.strip():
        return ""
    try:
        root = html.document_fromstring(re.sub(r"<\?xml[^>]*\?>|\x00", "", markup))
    except (etree.ParserError, etree.XMLSyntaxError, ValueError, AssertionError):
        return ""
    parts: list[str] = []
    _walk(root, parts, drop, 0)
    return _BLANKS.sub("\n\n", _SPACES.sub("\n", "".join(parts))).strip()


def _walk(node: Any, parts: list[str], drop: frozenset[str], depth: int) -> None:
    tag = node.tag if isinstance(node.tag, str) else "script"
    classes = set((node.get("class") or "").split()) if isinstance(node.tag, str) else set()
    if tag in _DROP or tag in drop or classes & drop or depth > DEEPEST:
        return
    if tag in _BLOCK:
        parts.append("\n\n" if tag in _PARAGRAPH else "\n")
    if node.text:
        parts.append(node.text if tag == "pre" else re.sub(r"\s+", " ", node.text))
    for child in node:
        _walk(child, parts, drop, depth + 1)
        if child.tail:
            parts.append(re.sub(r"\s+", " ", child.tail))
    if tag in _BLOCK and tag != "br":
        parts.append("\n\n" if tag in _PARAGRAPH else "\n")
