"""The published answer: the twelve once-disputed Federalist papers are Madison's (Mosteller and Wallace 1964)."""

from __future__ import annotations

import re
import zipfile
from importlib.resources import files

from gemel.evaluate.authors import Authors

DISPUTED = frozenset({*range(49, 59), 62, 63})


def papers() -> dict[int, tuple[str, str]]:
    """Number → (author, text) of the demo's papers."""
    found = {}
    with zipfile.ZipFile(str(files("gemel").joinpath("assets/demo/federalist.zip"))) as archive:
        for name in archive.namelist():
            number = re.search(r"chapter-(\d+)", name)
            text = archive.read(name).decode("utf-8")
            author = re.search(r'author: "(.*)"', text)
            if number and author:
                found[int(number[1])] = (author[1], text.split("---", 2)[2])
    return found


def test_the_disputed_papers_go_to_madison() -> None:
    known = papers()
    hamilton = [t for n, (a, t) in known.items() if a == "Alexander Hamilton" and n not in DISPUTED]
    madison = [t for n, (a, t) in known.items() if a == "James Madison" and n not in DISPUTED]
    assert (len(hamilton), len(madison)) == (51, 14)
    authors = Authors({"Hamilton": hamilton, "Madison": madison})
    assert {n: authors.nearest(known[n][1]) for n in sorted(DISPUTED)} == dict.fromkeys(sorted(DISPUTED), "Madison")


def test_known_papers_left_out_go_to_their_author() -> None:
    known = papers()
    numbers = {
        who: [n for n, (a, _) in known.items() if a == who and n not in DISPUTED]
        for who in ("Alexander Hamilton", "James Madison")
    }
    right = 0
    for who, mine in numbers.items():
        for left in mine[::5]:
            authors = Authors({w: [known[n][1] for n in ns if n != left] for w, ns in numbers.items()})
            right += authors.nearest(known[left][1]) == who
    total = sum(len(mine[::5]) for mine in numbers.values())
    assert right >= total - 1
