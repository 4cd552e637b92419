"""Readers of the open text that the seedling grows from: one generator a source, each yielding Examples.

`thread` names the domain, `session` the work or dialogue (the unit of holding out). The licences are in
the model card. Left out on purpose: whatever holds or resembles the texts that twins are tested on.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import random
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clean import detokenise, name_case, paragraphs, rename, speech_runs, tidy
from dress import NAMES, dress, merge, one_answer

from gemel.examples import Example, Role, Turn

__all__ = ["DOMAINS", "read"]

DROP_WORKS = ("The Mule-Bone", "Hay Fever", "The Vortex", "Hamilton", "Anna Christie", "The Hairy Ape", "Ile")
DROP_NOVELS = ("Chesterton", "Belloc")
"""Authors of the texts that twins are tested on."""
HELD_WORKS = ("Ghosts", "The Silver Box", "Twelfth Night", "Creditors")
HELD_NOVELS = ("Forster_View", "ENG18952_Wells", "Burnett_Garden")
PROSE_SHARE = 0.24
"""Share of the novels' prose slices that is kept, so that dialogue stays above 60 % of the tokens."""
BOT = re.compile(r"^(?:ubottu|ubotu|ubot\d*|lotu5?|nickserv|chanserv)$", re.IGNORECASE)
INTRODUCTION = re.compile(r"(?:[Mm]y name is|[Mm]y name's|\bI'm|\bI am|[Tt]his is) ([A-Z][a-z]{2,})\b(?=[.,!]|$| and)")
NOT_NAMES = frozenset(
    {"Sorry", "Good", "Fine", "Great", "Okay", "Sure", "Glad", "Happy", "Not", "Just", "From", "Looking", "Very"}
    | {"Really", "Also"}
)
ADDRESSED = re.compile(r"([A-Za-z0-9_\-\[\]`^|\\]{3,}) ?:\s")
MAIL = re.compile(r"\S+@\S+\.\S+|\b\d{1,3}(?:\.\d{1,3}){3}\b|\bpassw", re.IGNORECASE)


def held(key: str, one_in: int = 60) -> str:
    """`valid` for one session in `one_in`, decided by its name alone."""
    return "valid" if int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") % one_in == 0 else "train"


def read(domain: str, data: Path) -> Iterator[Example]:
    """Every Example of a domain from the folder that holds `base_text/` and `conversations/`."""
    yield from DOMAINS[domain](data)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _example(domain: str, key: str, turns: tuple[Turn, ...], split: str, n: int = 0, kind: str = "chat") -> Example:
    group = len({t.name for t in turns if t.name}) > 2
    return Example(
        id=f"{domain}:{key}:{n}",
        kind=kind,
        turns=turns,
        session=f"{domain}:{key}",
        thread=domain,
        group=group,
        split=split,
    )


def plays(data: Path) -> Iterator[Example]:
    """Scenes of plays and philosophical dialogues, cut into stretches of about 1,800 characters."""
    for file in ("plays_named_speakers", "plays_gutenberg"):
        for i, row in enumerate(_rows(data / "base_text" / f"{file}.jsonl.gz")):
            work = row["work"]
            if work in DROP_WORKS or re.search("Shaw|Wilde|O.Neill|Coward", row["author"] or ""):
                continue
            split = "valid" if work in HELD_WORKS else "train"
            said = [(name_case(t["speaker"]), tidy(re.sub(r"[\[_*\]]", "", t["text"]))) for t in row["turns"]]
            domain = "plato" if row["kind"] == "philosophy" else "plays"
            for n, part in enumerate(_stretches(said, 1800)):
                turns = dress(part, seed=f"{work}{i}{n}", chat=False, keep_names=True, typing=False)
                yield _example(domain, f"{work}:{i}", turns, split, n)


def chats(data: Path) -> Iterator[Example]:
    """Two people who chat or ask for service: STAR, Synthetic-Persona-Chat, CaSiNo, Taskmaster-4, Topical-Chat."""
    files = ("star_rasa", "synthetic_persona_chat_valid_test", "casino", "taskmaster4", "topical_chat_valid_test")
    for file in files:
        for row in _rows(data / "base_text" / f"{file}.jsonl.gz"):
            key = f"{file}:{row['id']}"
            names = dict(zip(("User 1", "User 2"), random.Random(key).sample(NAMES, 2), strict=True))
            said = [(a, _named(tidy(b), names)) for a, b in row["turns"] if "[" not in _named(b, names)]
            if len(said) < 3:
                continue
            names = {**names, **_introduced(said)}
            said = [(names.get(a, a), b) for a, b in said]
            turns = dress(said, seed=key, chat=True, keep_names=False, typing=True, known=frozenset(names.values()))
            yield _example("chats", key, turns, held(key))


def _named(text: str, names: dict[str, str]) -> str:
    for label, name in names.items():
        text = re.sub(rf"\[{label}(?:'s name)?\]", name, text, flags=re.IGNORECASE)
    return text


def _introduced(said: list[tuple[str, str]]) -> dict[str, str]:
    """The names by which speakers introduce themselves in their first three turns."""
    out: dict[str, str] = {}
    for who, text in said[:6]:
        found = INTRODUCTION.search(text)
        if found and who not in out and found.group(1) not in (*out.values(), *NOT_NAMES):
            out[who] = found.group(1)
    return out


def requests(data: Path) -> Iterator[Example]:
    """What customers type (MultiDoGO), one side only; and short questions by intent (CLINC-150, banking77)."""
    for row in _rows(data / "base_text" / "multidogo_customer_turns.jsonl.gz"):
        key = f"multidogo:{row['id']}"
        said = [(a, tidy(b)) for a, b in row["turns"] if not MAIL.search(b) and "mailcom" not in b]
        if held(key, 3) == "valid" and len(said) > 3:
            turns = dress(said, seed=key, chat=True, keep_names=False, typing=False, join=False)
            yield _example("requests", key, turns, held(key))
    asked: dict[str, list[str]] = {}
    with tarfile.open(data / "base_text" / "small_text.tar.xz") as tar:
        for text, label in _banking(tar) + _clinc(tar):
            asked.setdefault(label.replace("_", " "), []).append(tidy(text))
    for label, texts in sorted(asked.items()):
        rng = random.Random(label)
        rng.shuffle(texts)
        for n in range(0, min(len(texts), 60) - 3, 3):
            said = list(zip(rng.sample(NAMES, 3), texts[n : n + 3], strict=True))
            turns = dress(said, seed=f"{label}{n}", chat=False, keep_names=True, typing=False)
            spoken = tuple(t for t in turns if t.role is not Role.system)
            yield _example("requests", f"{label}:{n}", one_answer(label, "")[:1] + spoken, held(f"{label}:{n}"))


def answers(data: Path) -> Iterator[Example]:
    """Questions with answers, and Vietnamese: chatterbot, self-instruct, Tatoeba."""
    with tarfile.open(data / "base_text" / "small_text.tar.xz") as tar:
        for n, said in enumerate(_chatterbot(tar)):
            turns = dress(said, seed=f"bot{n}", chat=True, keep_names=False, typing=True)
            yield _example("answers", f"chatterbot:{n}", turns, held(f"bot{n}"))
        for n, (question, answer) in enumerate(_instructions(tar)):
            turns = one_answer(question, answer, name=random.Random(question).choice(NAMES))
            yield _example("answers", f"instruct:{n}", turns, held(question), kind="qa")
        pairs = [(tidy(a), tidy(b)) for a, b in _tatoeba(tar)]
        for n, (english, other) in enumerate(pairs):
            rng = random.Random(f"vi{n}")
            ask, answer = rng.choice(((f"In Vietnamese: {english}", other), (f"Tiếng Anh: {other}", english)))
            turns = one_answer(ask, answer, name=rng.choice(NAMES))
            yield _example("vietnamese", f"tatoeba:{n}", turns, held(english, 40), kind="qa")
            if n % 4 == 0:
                said = [("ab"[k % 2], b) for k, (_, b) in enumerate(rng.sample(pairs[:n] + pairs[n:], 6))]
                turns = dress(said, seed=f"vi{n}", chat=True, keep_names=False, typing=True)
                yield _example("vietnamese", f"talk:{n}", turns, "train")


def meetings(data: Path) -> Iterator[Example]:
    """QMSum's transcripts of meetings; a part of them with first names in the place of roles."""
    for row in _rows(data / "conversations" / "qmsum_meetings.jsonl.gz"):
        key, split = row["id"], held(row["id"], 40)
        said = [(a, tidy(detokenise(b))) for a, b in row["turns"]]
        keep = random.Random(key).random() < 0.5
        fresh = random.Random(key).sample(NAMES, 40)
        names = {a: a if keep else fresh[k % 40] for k, a in enumerate(dict.fromkeys(a for a, _ in said))}
        for n, part in enumerate(_stretches([(names[a], b) for a, b in said], 2000)):
            turns = dress(part, seed=f"{key}{n}", chat=False, keep_names=True, typing=False)
            yield _example("meetings", key, turns, split, n)


def irc(data: Path) -> Iterator[Example]:
    """Typed group talk (Ubuntu IRC), nicks replaced by first names, bots and addresses left out."""
    seen: set[str] = set()
    for row in _rows(data / "conversations" / "irc_disentanglement_raw.jsonl.gz"):
        key, split = row["id"], held(row["id"], 40)
        if key.startswith("channel-two") and ".all." not in key:
            continue
        nicks = dict.fromkeys(a.lower() for a, _ in row["turns"])
        nicks |= dict.fromkeys(m[1].lower() for _, b in row["turns"] if (m := ADDRESSED.match(b)))
        pool = random.Random(key).sample(NAMES, len(NAMES))
        names = {nick: pool[k % len(pool)] for k, nick in enumerate(nicks)}
        said = [(names[a.lower()], tidy(rename(b, names))) for a, b in row["turns"] if _typed(a, b)]
        for n, part in enumerate(_stretches(said, 2000)):
            digest = hashlib.sha256("\n".join(t for _, t in part).encode()).hexdigest()
            if digest in seen or random.Random(f"{key}{n}").random() > 0.6:
                continue
            seen.add(digest)
            turns = dress(part, seed=f"{key}{n}", chat=True, keep_names=True, typing=False)
            yield _example("irc", key, turns, split, n)


def _typed(nick: str, text: str) -> bool:
    return not (BOT.match(nick) or text.startswith("!") or MAIL.search(text) or not text.isascii())


def novels(data: Path) -> Iterator[Example]:
    """Quoted speech of the novels as turns, and slices of their prose, some with the title as the prompt."""
    for file in ("novels_100_PD.tar.xz", "eltec_eng.tar.xz"):
        with tarfile.open(data / "base_text" / file) as tar:
            for member in tar:
                if not member.isfile() or any(name in member.name for name in DROP_NOVELS):
                    continue
                stem = Path(member.name).stem
                split = "valid" if any(name in stem for name in HELD_NOVELS) else "train"
                raw = tar.extractfile(member)
                book = paragraphs(raw.read().decode("utf-8-sig", errors="replace").replace("\r\n", "\n") if raw else "")
                yield from _speech(stem, book, split)
                yield from _prose(stem, book, split)


def _speech(stem: str, book: list[str], split: str) -> Iterator[Example]:
    rng = random.Random(stem)
    for n, run in enumerate(speech_runs(book)):
        spare = rng.sample(NAMES, 2)
        said = [(name or spare[i % 2], text) for i, (name, text) in enumerate(run)]
        for m, part in enumerate(_stretches(said, 1800)):
            turns = dress(
                part, seed=f"{stem}{n}{m}", chat=rng.random() < 0.2, keep_names=True, typing=rng.random() < 0.15
            )
            yield _example("novel_speech", stem, turns, split, 100 * n + m)


def _prose(stem: str, book: list[str], split: str) -> Iterator[Example]:
    rng, slice_, n = random.Random(f"prose{stem}"), list[str](), 0
    author = stem.split("_")[1] if stem.startswith("ENG") else stem.split("_")[0]
    title = stem.split("_")[1] if not stem.startswith("ENG") else "A novel"
    for paragraph in book:
        slice_.append(paragraph)
        if sum(map(len, slice_)) < 1500:
            continue
        if split == "valid" or rng.random() < PROSE_SHARE:
            ask = title if rng.random() < 0.4 else ""
            name = author if rng.random() < 0.6 else ""
            yield _example("novel_prose", stem, one_answer(ask, "\n\n".join(slice_), name=name), split, n, kind="slice")
        slice_, n = [], n + 1


def _stretches(said: list[tuple[str, str]], size: int) -> Iterator[list[tuple[str, str]]]:
    part: list[tuple[str, str]] = []
    for name, text in ((n, t) for n, texts in merge(said) for t in texts):
        part.append((name, text[:3000]))
        if sum(len(t) for _, t in part) >= size:
            yield part
            part = []
    if len(part) > 1:
        yield part


def _text(tar: tarfile.TarFile, name: str) -> str:
    file = tar.extractfile(f"small/{name}")
    return file.read().decode("utf-8") if file else ""


def _banking(tar: tarfile.TarFile) -> list[tuple[str, str]]:
    rows = csv.reader(_text(tar, "banking77_train.csv").splitlines()[1:])
    return [(r[0], r[1]) for r in rows if len(r) == 2]


def _clinc(tar: tarfile.TarFile) -> list[tuple[str, str]]:
    return [(t, label) for t, label in json.loads(_text(tar, "clinc_data_full.json"))["train"]]


def _chatterbot(tar: tarfile.TarFile) -> Iterator[list[tuple[str, str]]]:
    import yaml

    for name in sorted(n for n in tar.getnames() if n.endswith(".yml")):
        for talk in yaml.safe_load(_text(tar, name.removeprefix("small/")))["conversations"]:
            if len(talk) > 1 and all(isinstance(t, str) for t in talk):
                yield [("ab"[i % 2], tidy(t)) for i, t in enumerate(talk)]


def _instructions(tar: tarfile.TarFile) -> Iterator[tuple[str, str]]:
    for name in ("self_instruct_seed_tasks.jsonl", "self_instruct_user_oriented_252.jsonl"):
        for line in _text(tar, name).splitlines():
            task = json.loads(line)
            one = task["instances"][0]
            yield f"{task['instruction']}\n{one['input']}".strip()[:1500], one["output"].strip()[:2500]


def _tatoeba(tar: tarfile.TarFile) -> Iterator[tuple[str, str]]:
    for line in _text(tar, "tatoeba_vie_eng.txt").splitlines():
        english, _, other = line.partition("\t")
        yield english, other.split("\t")[0]


DOMAINS = {
    "plays": plays,
    "chats": chats,
    "requests": requests,
    "answers": answers,
    "meetings": meetings,
    "irc": irc,
    "novels": novels,
}
