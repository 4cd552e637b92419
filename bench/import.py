"""How fast exports become Parquet, and in how much memory, beside whatstk and chat-miner in the same run.

    python bench/import.py --peers .work        # makes .work/peer-whatstk and .work/peer-chat-miner if missing

A conversation of a million messages is written once in each format from real turns (`--conversations`, a folder of
JSON lines with `turns` or `speaker`/`text`; without it from made-up words), then every reader reads it in a process
of its own, best of `--runs`. Seconds are wall time from file to finished Parquet, imports of modules excluded;
memory is the peak of the whole process.
"""

from __future__ import annotations

import argparse
import gzip
import json
import platform
import random
import subprocess
import sys
import venv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

MEASURE = """
import json, re, resource, sys, time
{imports}
start, cpu = time.perf_counter(), time.process_time()
{body}
done = {{"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu, "messages": n}}
if sys.platform == "linux":  # getrusage counts what the parent held when it forked
    kib = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
else:
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)
print(json.dumps({{**done, "mb": kib / 1024}}))
"""

GEMEL = (
    (
        "from pathlib import Path\nfrom gemel.config import parse\nfrom gemel.pipeline.imports import import_paths\n"
        "from gemel.workspace import Workspace\nimport pyarrow.parquet, pyarrow.compute, numpy, lingua"
    ),
    (
        "r = import_paths(Workspace(Path({out!r})), [Path({path!r})], parse({{'import': {{'me': {me!r}}}}}))\n"
        "n = r.sources[0].kept\nassert r.adds_up"
    ),
)
WHATSTK = (
    "import pandas\nfrom whatstk import df_from_whatsapp",
    "df = df_from_whatsapp({path!r}, max_size=None)\ndf.to_parquet({out!r})\nn = len(df)",
)
MINER = (
    "import logging\nfrom chatminer.chatparsers import {parser} as P\nlogging.disable()",
    "p = P({path!r})\np.parse_file()\ndf = p.parsed_messages.get_df()\ndf.write_parquet({out!r})\nn = len(df)",
)
PEERS = {"whatstk": ("whatstk==0.9.1", "pyarrow"), "chat-miner": ("chat-miner==0.6.0",)}


def turns(folder: Path | None) -> Iterator[tuple[str, str]]:
    """(speaker, text) for ever."""
    files = sorted(folder.glob("*.jsonl.gz")) if folder and folder.is_dir() else []
    while True:
        if not files:
            chance = random.Random(0)
            words = ["and", "the", "house", "see", "you", "không", "schön", "👍🏽", "tomorrow", "at", "nine", "ok"]
            for k in range(100_000):
                yield f"Speaker {k % 7}", " ".join(chance.choices(words, k=chance.randint(1, 25)))
        for file in files:
            with gzip.open(file, "rt", encoding="utf-8") as lines:
                for line in lines:
                    row = json.loads(line)
                    yield from map(tuple, row["turns"]) if "turns" in row else [(row["speaker"], row["text"])]


def conversation(folder: Path | None, count: int) -> Iterator[tuple[datetime, str, str]]:
    """`count` messages by eight people, four hundred characters at most."""
    now, chance = datetime(2015, 1, 1, tzinfo=UTC), random.Random(1)
    for k, (_, text) in zip(range(count), turns(folder)):
        now += timedelta(seconds=chance.choice((4, 11, 40, 300)))
        yield (
            now,
            f"Person {chance.choices(range(8), (8, 5, 4, 3, 2, 2, 1, 1))[0]}",
            " ".join(text.split())[:400] or f"{k}",
        )


def write_all(folder: Path, source: Path | None, count: int) -> None:
    """The conversation as WhatsApp text, Messenger JSON (in files of 10,000, and in one for peers), Telegram JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    inbox = folder / "messenger" / "messages" / "inbox" / "group_1"
    inbox.mkdir(parents=True, exist_ok=True)
    rows = []
    with (
        (folder / "whatsapp.txt").open("w", encoding="utf-8") as chat,
        (folder / "telegram.json").open("w", encoding="utf-8") as tele,
    ):
        tele.write('{"name": "Group", "type": "private_supergroup", "id": 7, "messages": [\n')
        for k, (when, who, text) in enumerate(conversation(source, count)):
            chat.write(f"[{when:%d.%m.%y, %H:%M:%S}] {who}: {text}\n")
            row = {
                "id": k,
                "type": "message",
                "date": f"{when:%Y-%m-%dT%H:%M:%S}",
                "date_unixtime": str(int(when.timestamp())),
            }
            row |= {
                "from": who,
                "from_id": f"user{who[7:]}",
                "text": text,
                "text_entities": [{"type": "plain", "text": text}],
            }
            tele.write((",\n" if k else "") + json.dumps(row, ensure_ascii=False))
            said = text.encode().decode("latin-1")
            rows.append(
                {
                    "sender_name": who,
                    "timestamp_ms": int(when.timestamp() * 1000),
                    "content": said,
                    "is_geoblocked_for_viewer": False,
                }
            )
        tele.write("]}")
    rows.reverse()
    head = {"participants": [{"name": f"Person {k}"} for k in range(8)]}
    tail = {"title": "Group", "is_still_participant": True, "thread_path": "inbox/group_1", "magic_words": []}
    for number in range(0, len(rows), 10_000):
        part = {**head, "messages": rows[number : number + 10_000], **tail}
        (inbox / f"message_{number // 10_000 + 1}.json").write_text(json.dumps(part, indent=1), encoding="utf-8")
    (folder / "messenger-one-file.json").write_text(
        json.dumps({**head, "messages": rows, **tail}, indent=1), encoding="utf-8"
    )


def peer(folder: Path, name: str) -> Path:
    """The interpreter of a peer's own environment, made if missing."""
    home = folder / f"peer-{name}"
    python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists():
        venv.create(home, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PEERS[name]], check=True)
    return python


def measure(python: Path | str, code: tuple[str, str], runs: int, work: Path, **values: str) -> dict[str, float] | str:
    """The best of `runs`, or why there is none."""
    best: dict[str, float] | None = None
    for run in range(runs):
        out = work / f"out-{run}"
        body = code[1].format(out=str(out), **values)
        script = MEASURE.format(imports=code[0].format(**values), body=body)
        done = subprocess.run([str(python), "-c", script], capture_output=True, text=True, check=False)
        subprocess.run(
            [sys.executable, "-c", f"import shutil; shutil.rmtree({str(out)!r}, ignore_errors=True)"], check=True
        )
        if out.is_file():
            out.unlink()
        if done.returncode:
            return (done.stderr.strip().splitlines() or ["killed"])[-1][:100]
        row = json.loads(done.stdout.strip().splitlines()[-1])
        best = row if best is None or row["seconds"] < best["seconds"] else best
    return best or "no run"


def main() -> None:
    """Write, read, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversations", type=Path, default=Path("../shared/data/conversations"))
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path(".work/bench-import"))
    parser.add_argument("--peers", type=Path, default=None, help="folder of the peers' environments; without it none")
    parser.add_argument("--only", default="", help="one of whatsapp, messenger, telegram")
    options = parser.parse_args()
    data = options.work / f"{options.messages}"
    if not (data / "messenger-one-file.json").exists():
        write_all(data, options.conversations, options.messages)
    cases = [
        ("whatsapp", "gemel", sys.executable, GEMEL, "whatsapp.txt", {"me": "Person 0"}),
        ("whatsapp", "whatstk", "whatstk", WHATSTK, "whatsapp.txt", {}),
        ("whatsapp", "chat-miner", "chat-miner", MINER, "whatsapp.txt", {"parser": "WhatsAppParser"}),
        ("messenger", "gemel", sys.executable, GEMEL, "messenger", {"me": "Person 0"}),
        (
            "messenger",
            "chat-miner",
            "chat-miner",
            MINER,
            "messenger-one-file.json",
            {"parser": "FacebookMessengerParser"},
        ),
        ("telegram", "gemel", sys.executable, GEMEL, "telegram.json", {"me": "Person 0"}),
        ("telegram", "chat-miner", "chat-miner", MINER, "telegram.json", {"parser": "TelegramJsonParser"}),
    ]
    print(f"{options.messages:,} messages, {platform.machine()}, Python {platform.python_version()}\n")
    print("| format | reader | messages | seconds | CPU s | messages/s | peak MB |\n|---|---|---|---|---|---|---|")
    for format_, name, python, code, file, values in cases:
        if options.only not in ("", format_) or (name != "gemel" and options.peers is None):
            continue
        home = python if name == "gemel" else peer(options.peers, name)
        row = measure(home, code, options.runs, options.work, path=str(data / file), **values)
        if isinstance(row, str):
            print(f"| {format_} | {name} | failed: {row} | | | | |", flush=True)
            continue
        cells = (
            f"{row['messages']:,}",
            f"{row['seconds']:.1f}",
            f"{row['cpu']:.1f}",
            f"{row['messages'] / row['seconds']:,.0f}",
        )
        print(f"| {format_} | {name} | {' | '.join(cells)} | {row['mb']:.0f} |", flush=True)


if __name__ == "__main__":
    main()
