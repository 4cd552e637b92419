"""Meta's downloads as JSON: Messenger of both generations, and Instagram, which shares the older one.

The older one lists newest first and holds UTF-8 read as Latin-1; the end-to-end-encrypted one is clean. Typed
fields decide what a message is; the localised automatic texts only where no field tells.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from gemel.records import Kind, Message, ParseError, Precision, Reaction, stable_id
from gemel.sources import Entry, Item, Owner
from gemel.sources._json import JsonStream, array, dictionary, text_of
from gemel.text import repair

__all__ = ["is_encrypted", "is_older", "is_owner", "read_threads"]

_OLD = re.compile(r'"sender_name"\s*:')
_OLD_TIME = re.compile(r'"timestamp_ms"\s*:')
_NEW = re.compile(r'"(?:senderName|threadName)"\s*:')
_OWNER = re.compile(r'"profile(?:_v2|_information)?"\s*:\s*\{.{0,2000}?"full_name"\s*:', re.DOTALL)
_NUMBER = re.compile(r"_(\d+)\.json$")
_CHUNK = 20_000
"""Messages held to be turned round; Facebook writes 10,000 to a file."""

_THING = r"(?:an attachment|a photo|a video|a voice message|a sticker|a GIF|a link|a location|a live location)"
_AUTOMATIC = re.compile(
    rf"^(?:(?P<me>You|Du) (?:sent {_THING}|unsent a message|named the group .+|created the group|created a poll: .+"
    r"|changed the (?:chat theme|theme|group photo|quick reaction)\b.*|set the (?:nickname|emoji|quick reaction) .+"
    r"|added .+ to the group|removed .+ from the group|hast (?:einen Anhang|ein Foto|ein Video|einen Link) gesendet)"
    r"|Reacted .{1,12} to (?:your|a) message|(?:Liked|Loved) a message|This poll is no longer available"
    rf"|.{{1,60}} (?:sent {_THING}|named the group .+|left the group|joined the group"
    r"|changed the (?:chat theme|group photo|theme|quick reaction)\b.*|set the (?:nickname|emoji|quick reaction) .+"
    r"|cleared the nickname .+|created the group|created a poll: .+|added .+ to the group|removed .+ from the group"
    r"|called you|missed your call|missed a (?:video |voice )?call.*|started a (?:video )?(?:chat|call)"
    r"|joined the (?:video )?(?:chat|call)|hat (?:einen Anhang|ein Foto|ein Video|einen Link) gesendet"
    r"|(?:envió|ha enviado) un (?:archivo adjunto|adjunto|enlace)|a envoyé (?:une pièce jointe|un lien)"
    r"|ha inviato un (?:allegato|link)|enviou um (?:anexo|link)"
    r"|đã gửi (?:một )?(?:file đính kèm|ảnh|liên kết|nhãn dán))"
    r"|The (?:video|audio|voice) (?:chat|call) (?:started|ended)|You can now message and call each other.*"
    r"|Messages and calls are secured .*"
    r"|You (?:missed|called|started) (?:a (?:video |voice )?(?:call|chat)|.+ call).*"
    r"|Hat mit .{1,12} (?:auf deine Nachricht )?reagiert|Reaccionó con .{1,12} a tu mensaje"
    r"|A réagi avec .{1,12} à votre message|Ha reagito (?:al tuo messaggio )?con .{1,12}"
    r"|Đã bày tỏ cảm xúc .{1,12} về tin nhắn của bạn)[.!]?\s?$"
)
"""Whole texts that Messenger writes for people, in the languages it was seen in; typed fields are asked first."""
_FIXED = (
    *(
        "You ",
        "Du ",
        "Reacted ",
        "Liked a",
        "Loved a",
        "This poll",
        "The ",
        "Messages and calls",
        "Hat mit",
        "Reaccionó",
    ),
    *("A réagi", "Ha reagito", "Đã bày tỏ"),
)
_LINK = re.compile(r"^https?://\S+$")
_LATEST = 4_102_444_800_000
"""Milliseconds at the year 2100."""
_MEDIA = ("photos", "videos", "gifs", "files")


def read_threads(source: str, entries: Sequence[Entry]) -> Iterator[Item]:
    """Every message of the download, thread by thread, oldest first."""
    threads: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if is_owner(entry.head_text) and not is_older(entry.head_text):
            yield from _owner(entry, source)
        else:
            threads[_thread(entry)].append(entry)
    for thread, files in threads.items():
        for entry in sorted(files, key=lambda e: (*e.parts[:-1], -_number(e))):
            yield from _file(entry, thread, source)


def is_owner(head: str) -> bool:
    """The account's own profile."""
    return _OWNER.search(head) is not None


def is_older(head: str) -> bool:
    """`message_N.json` of the older generation."""
    return bool(_OLD.search(head) and _OLD_TIME.search(head)) or '"magic_words"' in head or ('"thread_path"' in head)


def is_encrypted(head: str) -> bool:
    """`NAME_n.json` of the end-to-end-encrypted download."""
    return bool(_NEW.search(head)) and '"messages"' in head


def _number(entry: Entry) -> int:
    match = _NUMBER.search(entry.name)
    return int(match[1]) if match else 0


def _thread(entry: Entry) -> str:
    """What stays the same between folders of one thread: NAME_ID, or the file's name in the newer generation."""
    if re.search(r"/message(?:_\d+)?\.json$", entry.name):
        return entry.parts[-2]
    return _NUMBER.sub("", entry.parts[-1]) if is_encrypted(entry.head_text) else entry.stem


def _owner(entry: Entry, source: str) -> Iterator[Item]:
    with entry.open() as file:
        root = dictionary(JsonStream(file, entry.name).value())
    profile = dictionary(root.get("profile_v2") or root.get("profile") or root.get("profile_information"))
    name = repair(text_of(dictionary(profile.get("name")).get("full_name")))
    if name:
        yield Owner(source=source, id=name, name=name)


@lru_cache(maxsize=4096)
def _name(text: str) -> str:
    return repair(text)


@dataclass
class _Thread:
    """What a file says about its thread; the older download tells the title only after the messages."""

    source: str
    entry: Entry
    key: str
    clean: bool
    """The newer generation, whose text needs no repair."""
    people: tuple[str, ...] = ()
    title: str = ""
    told: bool = False

    @property
    def group(self) -> bool:
        return len(self.people) > 2


def _file(entry: Entry, key: str, source: str) -> Iterator[Item]:
    """The messages of one file, oldest first (of very long files: of each `_CHUNK`; the clock sorts them later)."""
    thread = _Thread(source, entry, key, is_encrypted(entry.head_text))
    held: list[tuple[int, Any]] = []
    with entry.open() as file:
        stream = JsonStream(file, entry.name)
        for name in stream.keys():  # noqa: SIM118 - a cursor, not a mapping
            if name == "messages" and stream.peek() == "[":
                for index, row in enumerate(stream.values()):
                    held.append((index, row))
                    if len(held) == _CHUNK:
                        yield from _turned(held, thread)
                        held = []
            elif name == "participants":
                people = array(stream.value())
                thread.people = tuple(_name(text_of(p) or text_of(dictionary(p).get("name"))) for p in people)
                if thread.clean:  # the number in the file's name changes from download to download
                    thread.key = stable_id(key, *sorted(thread.people))
            elif name in ("title", "threadName"):
                thread.title = _name(text_of(stream.value()))
            else:
                stream.skip()
    yield from _turned(held, thread)


def _turned(held: list[tuple[int, Any]], thread: _Thread) -> Iterator[Item]:
    seen: Counter[int] = Counter()
    read = _new if thread.clean else _old
    key = "timestamp" if thread.clean else "timestamp_ms"
    held.reverse()
    held.sort(key=lambda row: ms if isinstance(ms := dictionary(row[1]).get(key), int) else 0)
    number = stable_id(thread.source, thread.key)
    group, two = thread.group, len(thread.people) == 2
    for index, row in held:
        if not isinstance(row, dict) or not isinstance(row.get(key), int) or not 0 < row[key] < _LATEST:
            yield ParseError(
                source=thread.source, file=thread.entry.name, offset=index, reason="a message without a time"
            )
            continue
        fields = read(row, thread)
        same = hash((row[key], fields["sender_name"], fields["text"], fields["media"]))
        n = seen[same]
        seen[same] += 1
        sender = fields["sender_name"]
        if fields.pop("by_me", False) and not thread.told:
            thread.told = True
            yield Owner(source=thread.source, id=sender, name=sender)
        yield Message(
            id=stable_id(thread.source, thread.key, row[key], sender, fields["text"], *fields["media"], n),
            source=thread.source,
            thread=number,
            thread_title=thread.title or ", ".join(p for p in thread.people if p != sender),
            group=group,
            time=datetime.fromtimestamp(row[key] / 1000, UTC),
            precision=Precision.millisecond,
            sender="" if fields["kind"] is Kind.system else sender,
            recipients=tuple(p for p in thread.people if p != sender) if two else (),
            file=thread.entry.name,
            offset=index,
            **fields,
        )


def _old(row: Mapping[str, Any], thread: _Thread) -> dict[str, Any]:
    text = repair(text_of(row.get("content")))
    sender = _name(text_of(row.get("sender_name")))
    # Automatic texts begin with a fixed word or with the sender's first name: few texts need the expression.
    automatic = _AUTOMATIC.match(text) if text.startswith((*_FIXED, sender.partition(" ")[0] or "\0")) else None
    media = tuple(uri for key in (*_MEDIA, "audio_files") if key in row for uri in _uris(row[key]))
    sticker = text_of(dictionary(row.get("sticker")).get("uri"))
    kind = _kind(row, text, bool(media), automatic is not None)
    if sticker:
        kind, media = Kind.sticker, (sticker,)
    if kind is Kind.media and row.get("audio_files"):
        kind = Kind.voice
    if kind is Kind.deleted or (automatic and kind not in (Kind.system, Kind.call)):
        text = ""
    reactions = (
        Reaction(repair(text_of(r.get("reaction"))), _name(text_of(r.get("actor"))))
        for r in map(dictionary, array(row.get("reactions")))
    )
    return {
        "sender_name": sender,
        "text": text,
        "kind": kind,
        "media": media,
        "reactions": tuple(reactions) if "reactions" in row else (),
        "by_me": bool(automatic and automatic["me"]),
    }


def _kind(row: Mapping[str, Any], text: str, media: bool, automatic: bool) -> Kind:
    """Typed fields first; the localised automatic texts only where no field tells."""
    if row.get("is_unsent") or row.get("is_taken_down") or row.get("is_geoblocked_for_viewer"):
        return Kind.deleted
    if "call_duration" in row or row.get("type") == "Call":
        return Kind.call
    if row.get("type") in ("Subscribe", "Unsubscribe"):
        return Kind.system
    share = dictionary(row.get("share"))
    if media:
        return Kind.media
    if "maps" in text_of(share.get("link")) and "location" in text.lower():
        return Kind.location
    if share:
        return Kind.media if text and not automatic else Kind.link
    if automatic:
        return Kind.system
    if not text:
        return Kind.media
    return Kind.link if text.startswith("http") and _LINK.match(text) else Kind.text


def _uris(value: Any) -> Iterator[str]:
    for item in array(value):
        if uri := text_of(dictionary(item).get("uri")):
            yield uri


def _new(row: Mapping[str, Any], thread: _Thread) -> dict[str, Any]:
    text, type_ = text_of(row.get("text")), text_of(row.get("type"))
    kinds = {"media": Kind.media, "link": Kind.link, "placeholder": Kind.system, "call": Kind.call}
    kind = Kind.deleted if row.get("isUnsent") else kinds.get(type_, Kind.text)
    media = tuple(_uris(row.get("media")))
    if kind is Kind.text and media:
        kind = Kind.media
    if kind is Kind.text and (_LINK.match(text) or not text):
        kind = Kind.link if text else Kind.media
    return {
        "sender_name": text_of(row.get("senderName")),
        "text": "" if kind is Kind.deleted else text,
        "kind": kind,
        "media": media,
        "reactions": tuple(
            Reaction(text_of(r.get("reaction")), text_of(r.get("actor")))
            for r in map(dictionary, array(row.get("reactions")))
        ),
    }
