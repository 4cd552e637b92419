"""Pack the Federalist papers (1787-88, public domain) for the demo.

    python recipes/demo/federalist.py FOLDER_OF_PAPERS OUT.zip

One Markdown file a paper, with title, author and the date of first printing. The three papers that
Hamilton and Madison wrote together and the editor's note are left out: they have no single author.
The salutation and the signature "Publius" go, because they are the same in every paper.
"""

from __future__ import annotations

import argparse
import re
import zipfile
from datetime import datetime
from pathlib import Path

SINGLE = {"Alexander Hamilton", "James Madison", "John Jay"}


def paper(text: str) -> tuple[str, str] | None:
    """Author and cleaned Markdown of one paper; None for what is left out."""
    _, front, body = text.split("---", 2)
    field = dict(re.findall(r'^(\w+): "(.*)"$', front, re.MULTILINE))
    if field["author"] not in SINGLE or "note" not in field:
        return None
    day = re.search(
        r"(January|February|March|April|May|June|July|August|September|October|November|December) \d{1,2}, 17\d\d",
        field["note"],
    )
    date = datetime.strptime(day[0], "%B %d, %Y").date().isoformat() if day else ""
    body = re.sub(
        r"^To the People of the State of New York:\s*", "", re.sub(r"^#.*$", "", body, flags=re.MULTILINE).strip()
    )
    body = re.sub(r"\s*Publius\s*$", "", body)
    head = f'---\ntitle: "{field["title"]}"\nauthor: "{field["author"]}"\n' + (f"date: {date}\n" if date else "")
    return field["author"], f"{head}---\n\n{body}\n"


def main() -> None:
    """Read the papers, write one zip."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("papers", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    with zipfile.ZipFile(args.out, "w") as archive:
        for path in sorted(args.papers.glob("*.md")):
            if found := paper(path.read_text(encoding="utf-8")):
                entry = zipfile.ZipInfo(f"federalist/{path.name}", date_time=(1988, 1, 1, 0, 0, 0))
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, found[1], compresslevel=9)


if __name__ == "__main__":
    main()
