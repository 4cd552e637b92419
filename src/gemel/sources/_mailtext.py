"""What somebody typed in a mail: the text without quotations, signatures and what mail programs add."""

from __future__ import annotations

import re

__all__ = ["own_words"]

_INTRODUCTION = re.compile(
    r"^[ \t]*(?:On\b.{6,200}\bwrote|Am\b.{6,200}\bschrieb\b.{0,120}|Le\b.{6,200}\ba écrit|El\b.{6,200}\bescribió"
    r"|Il\b.{6,200}\bha scritto|Em\b.{6,200}\bescreveu|Op\b.{6,200}\bschreef\b.{0,120}|Vào\b.{6,200}\bđã viết"
    r"|Den\b.{6,200}\bskrev\b.{0,120}|W dniu\b.{6,200}\bnapisał\(?a?\)?"
    r"|\d{4}[-/.]\d\d?[-/.]\d\d?.{4,120}<[^>\n]+@[^>\n]+>)\s*:[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
_ORIGINAL = re.compile(
    r"^[ \t]*(?:-{2,}[ ]?(?:Original Message|Ursprüngliche Nachricht|Message d'origine|Mensaje original"
    r"|Messaggio originale"
    r"|Mensagem original|Forwarded message|Weitergeleitete Nachricht|Thư gốc|Oorspronkelijk bericht)[ ]?-{2,}"
    r"|Begin forwarded message:|_{20,}|\*?(?:From|Von|De|Da|Từ):\*?[ ].+\n\*?(?:Sent|Date|Gesendet|Datum|Envoyé"
    r"|Enviado|Inviato|Fecha|Đã gửi|Ngày):)",
    re.MULTILINE,
)
_SIGNATURE = re.compile(r"^-- ?$", re.MULTILINE)
_DEVICE = re.compile(
    r"\n+(?:Sent from (?:my |Mail for |Yahoo |Outlook)|Von meinem .{2,30} gesendet|Gesendet mit "
    r"|Envoyé de(?:puis)? mon "
    r"|Enviado (?:desde|do) |Inviato da(?:l mio)? |Get Outlook for |Gửi từ ).{0,60}\s*\Z"
)
_QUOTED = re.compile(r"^[ \t]*>.*$\n?", re.MULTILINE)
_BLANKS = re.compile(r"\n{3,}")


def own_words(text: str) -> str:
    """The mail's own text: cut at the first quoted mail or signature, quoted lines taken out."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    ends = [m.start() for p in (_ORIGINAL, _SIGNATURE) if (m := p.search(text))]
    for match in _INTRODUCTION.finditer(text):
        # Answers between the lines of a quotation are the mail's own: cut only where no words of its own follow.
        rest = _QUOTED.sub("", text[match.end() :]).strip()
        if not rest or not text[match.end() :].lstrip().startswith(">"):
            ends.append(match.start())
            break
    text = text[: min(ends)] if ends else text
    text = _QUOTED.sub("", _INTRODUCTION.sub("", text))
    return _BLANKS.sub("\n\n", _DEVICE.sub("", text)).strip()
