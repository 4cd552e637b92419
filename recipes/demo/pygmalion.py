"""Write Shaw's *Pygmalion* (1913, public domain) out as a WhatsApp group export.

    python recipes/demo/pygmalion.py FOLDER_OF_ACTS OUT.zip

The text is the Standard Ebooks edition as Markdown, one file an act, a speech a paragraph. A speech
becomes a message; where a stage direction breaks a speech in two, it becomes a burst of two. Stage
directions carry no mark in this edition and are told from speech by rule (`is_direction`); the rules
are checked by eye, not perfect. A session begins wherever somebody comes in or goes out; sessions lie
hours apart, and a message takes as long as it takes to type. Nothing is random: the same text gives
the same file.
"""

from __future__ import annotations

import argparse
import re
import zipfile
from datetime import datetime, timedelta
from pathlib import Path

TITLE = "27A Wimpole Street"
RENAMED = {
    "The Note Taker": "Higgins",
    "The Gentleman": "Pickering",
    "The Flower Girl": "Eliza",
    "Liza": "Eliza",
    "The Daughter": "Clara",
    "Miss Eynsford Hill": "Clara",
    "The Mother": "Mrs. Eynsford Hill",
    "The Parlormaid": "Parlormaid",
    "A Bystander": "Bystander",
    "The Bystanders Generally": "Bystander",
    "Several Bystanders": "Bystander",
    "A Sarcastic Bystander": "Sarcastic Bystander",
    "The Japanese Lady": "Japanese Lady",
}
SPEAKERS = {*RENAMED, "Higgins", "Pickering", "Mrs. Higgins", "Doolittle", "Mrs. Pearce", "Freddy", "Clara"}
SPEAKERS |= {"Mrs. Eynsford Hill"}
SHORTEST = 5  # messages of a session at least
BREAK = timedelta(hours=9, minutes=7)
ACT_STARTS = (
    datetime(2013, 6, 7, 23, 15),
    datetime(2013, 6, 8, 11, 0),
    datetime(2013, 9, 19, 16, 10),
    datetime(2013, 12, 13, 0, 5),
    datetime(2013, 12, 13, 10, 30),
)

NAMES = (
    r"(?:He|She|They|All|Both|Eliza|Liza|Higgins|Pickering|Doolittle|Freddy|Clara|Alfred|Mrs\. \w+|The [A-Z]\w+ ?\w*)"
)
LINKS = r"(?:\w+ly |then |also |again |has |is |are |and )?"
NARRATED = re.compile(rf"^{NAMES}(?: and {NAMES})?,? {LINKS}(?!has\b.*\byou)[a-z]+(?:s|es)?\b")
ADDRESS = re.compile(r"^To (?:[A-Z][\w.’ ]+|him|her|himself|herself|his \w+|the \w+)(?:[,;] [^.]*)?\.$")
MOODS = (
    r"Very \w+|Quite \w+|Still|Now deeply|Almost|Half|Hardly|Not at all|Not attending|Far from|Much|Reads|Encouraged|"
    r"Out of patience|As (?:he|she|they)|A genial|Inept|Appalled|Amazed|Astounded|Disappointed|Furious|Shocked|Hurt|"
    r"Desperate|Dazed|Determined|Unmoved|Unruffled|Undismayed|Impressed|Moved|Revolted|Startled|Wounded|Angry|Intent|"
    r"Stupent|Severe|Glib|Brisk|Interested|Puzzled|Relieved|Deferential|Horrified|Alarmed|Tempted|Staggered|Hearty|Sincere|"
    r"Soothed|Cool|Busy"
)
PLACES = r"With|In (?:his|her|a|despair|tears|great|the space)|(?:On|Over|At) (?:his|her|the)"
OPENING = re.compile(rf"^(?:\w+ing|\w+ly|{PLACES}|{MOODS})\b")
PERSON = re.compile(r"\b(?:I|I’[a-z]+|you|your|yours|me|my|we|our|us|don’t|what|Oh)\b", re.IGNORECASE)
SPOKEN = r"Certainly|Precisely|Exactly|Really|Surely|Possibly|Probably|Decidedly|Naturally|Only|Family"
SPOKEN_OPENINGS = re.compile(
    rf"^(?:Nothing|Anything|Something|Everything|Stealing|Inventing|Hardly ever|During|Charming|Bring|King|{SPOKEN})\b"
)
ASIDE = re.compile(rf"^(?:(?!{SPOKEN})\w+ly|In tears|Aside)\.$|^(?:Her (?:hair|boots|features)|A blinding flash)\b")
MOVES = re.compile(
    r"\b(?:(?:enter|run|return|appear|withdraw|march|retire|slam)s?|(?:comes?|bursts?) (?:in|out|back)|rushes|hurries|"
    r"(?:goes|go|strolls|sweeps) out|leaves? the room|opens? the door|shuts the door|makes for the door|"
    r"goes to the door|goes (?:down|up)stairs|ushering|announcing|is about to go|exit|dashes)\b"
)


def is_direction(sentence: str, *, first: bool) -> bool:
    """Whether a sentence of a speech is a stage direction."""
    if sentence.endswith("?") or (sentence.endswith("!") and not NARRATED.match(sentence)):
        return False
    if ADDRESS.match(sentence) or ASIDE.match(sentence):
        return True
    if PERSON.search(sentence):
        return False
    if NARRATED.match(sentence) and re.match(rf"^{NAMES}", sentence):
        return bool(re.search(r"\b[a-z]+s\b", sentence)) and not re.match(r"^(?:He|She|They)’", sentence)
    return (first or sentence.split()[0].endswith(("ing", "ly"))) and bool(
        OPENING.match(sentence) and not SPOKEN_OPENINGS.match(sentence)
    )


def speech(text: str) -> tuple[list[str], bool]:
    """The messages of one speech, and whether somebody comes or goes in its directions."""
    sentences = re.split(r"(?<=[.!?…—])(?<!Mrs\.)(?<!Mr\.)(?<!Dr\.)(?<!St\.)\s+(?=[“‘A-Z])", text.strip())
    messages: list[list[str]] = [[]]
    moved = False
    for sentence in sentences:
        if is_direction(sentence, first=not any(messages)):
            moved = moved or bool(MOVES.search(sentence))
            if messages[-1]:
                messages.append([])
        else:
            messages[-1].append(sentence)
    return [" ".join(m) for m in messages if m], moved


def write(acts: list[str]) -> str:
    """The export as Android writes it: local time, no seconds."""
    lines = [
        "07/06/2013, 23:10 - Messages and calls are end-to-end encrypted.",
        f"07/06/2013, 23:10 - Pickering created group “{TITLE}”",
    ]
    clock = ACT_STARTS[0] - BREAK
    for act, start in zip(acts, ACT_STARTS):
        clock, in_session = max(start, clock + BREAK), 0
        for paragraph in re.split(r"\n\n+", re.sub(r"^---.*?---\s*", "", act, flags=re.DOTALL)):
            name, colon, rest = paragraph.partition(": ")
            if not colon or name not in SPEAKERS:
                if in_session >= SHORTEST and MOVES.search(paragraph):
                    clock, in_session = clock + BREAK, 0
                continue
            messages, moved = speech(rest.replace("\n", " "))
            for message in messages:
                clock += timedelta(seconds=4 + len(message) / 6)
                lines.append(f"{clock:%d/%m/%Y, %H:%M} - {RENAMED.get(name, name)}: {message}")
                in_session += 1
            if moved and in_session >= SHORTEST:
                clock, in_session = clock + BREAK, 0
    return "\n".join(lines) + "\n"


def main() -> None:
    """Read five acts, write one zip."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("acts", type=Path, help="folder with the acts as Markdown, in order of their names")
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    files = [p for p in sorted(args.acts.glob("*.md")) if "_act-" in p.name]
    text = write([p.read_text(encoding="utf-8") for p in files])
    entry = zipfile.ZipInfo(f"WhatsApp Chat with {TITLE}.txt", date_time=(2013, 12, 14, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(args.out, "w") as archive:
        archive.writestr(entry, text)
    print(f"{text.count(' - Higgins: ')} messages by Higgins, {text.count(chr(10))} lines")


if __name__ == "__main__":
    main()
