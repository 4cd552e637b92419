"""How much of what identifies people gemel finds, how much else it takes, and how fast; beside Presidio.

    python bench/pii.py [--texts FOLDER] [--peer PYTHON] [--speed FILE] [--json FILE]

Two sets. `labelled`: the texts of presidio-research (MIT), names of a random half of the persons known as they
would be from a chat. `chat`: sentences of chats in five languages with things injected whose truth is known,
each plain, in lower case, misspelt and with split digits, beside sentences full of harmless numbers.
A finding counts where it covers at least four fifths of a labelled span; `typed` asks for the same type too.
Precision: findings that touch a labelled span of the same type, findings on other labelled spans left out.
F2 weighs recall over precision. Intervals are Wilson's, 95 %. The peer runs its pattern recognisers for all
languages in an interpreter of its own and never sees the names, which it does not look for.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple


class Gold(NamedTuple):
    """A labelled span."""

    start: int
    end: int
    kind: str


class Case(NamedTuple):
    """A text, what is in it, and how it was written."""

    text: str
    spans: tuple[Gold, ...]
    variant: str


STRUCTURED = ("email", "phone", "card", "iban", "ip", "id", "url", "secret")
LABELS = {
    "EMAIL_ADDRESS": "email", "PHONE_NUMBER": "phone", "CREDIT_CARD": "card", "IBAN_CODE": "iban", "IP_ADDRESS": "ip",
    "US_SSN": "id", "STREET_ADDRESS": "address", "ADDRESS": "address", "PERSON": "name", "US_DRIVER_LICENSE": "id",
}  # fmt: skip
PEER = {
    "EMAIL_ADDRESS": "email", "PHONE_NUMBER": "phone", "CREDIT_CARD": "card", "IBAN_CODE": "iban", "IP_ADDRESS": "ip",
    "US_SSN": "id", "ES_NIF": "id", "ES_NIE": "id", "IT_FISCAL_CODE": "id", "US_ITIN": "id", "US_PASSPORT": "id",
    "DE_TAX_ID": "id", "UK_NINO": "id", "URL": "url",
}  # fmt: skip
PEOPLE = {
    "en": ("Sophie Turner", "Christopher Hale", "Megan Whitlock", "Jonathan Price", "Olivia Barnes", "Derek Holloway"),
    "de": ("Matthias Krüger", "Annika Vogt", "Sebastian Lorenz", "Katharina Weiß", "Jürgen Schäfer", "Franziska Bauer"),
    "es": (
        "Alejandro Ruiz",
        "Lucía Fernández",
        "Javier Ortega",
        "Beatriz Molina",
        "Sergio Navarro",
        "Valentina Castro",
    ),
    "it": ("Giulia Bianchi", "Lorenzo Ferrari", "Chiara Romano", "Federico Galli", "Martina Conti", "Davide Moretti"),
    "vi": ("Nguyễn Thị Hằng", "Trần Quốc Tuấn", "Lê Khánh Vân", "Phạm Gia Huy", "Đặng Bảo Trâm", "Vũ Thành Đạt"),
}
CARRIERS = {
    "en": {
        "name": (
            "did {x} tell you about saturday?",
            "i saw {x} at the station lol",
            "{x} said it was fine",
            "ask {x} tho",
        ),
        "phone": ("my new number is {x}", "call me on {x} later", "{x} thats her cell", "text {x} if ur lost"),
        "address": ("we moved to {x}", "party is at {x} tmrw", "send it to {x} pls"),
        "birth": ("i was born on {x}", "my birthday is {x} btw", "dob {x}"),
        "id": ("my ssn is {x}", "they want the social security number {x}"),
        "secret": ("wifi password: {x}", "the password is {x} dont share"),
        "other": ("mail me at {x}", "its {x} ok?", "use {x} for now", "{x} thats the one i meant"),
    },
    "de": {
        "name": ("hat {x} dir das erzählt?", "ich hab {x} am bahnhof gesehen", "frag mal {x}", "{x} kommt auch"),
        "phone": ("meine neue nummer: {x}", "ruf mich an {x}", "{x} ist ihr handy"),
        "address": ("wir wohnen jetzt {x}", "treffen bei {x} um acht", "schick das an {x}"),
        "birth": ("geboren am {x}", "mein geburtsdatum ist {x}", "ich hab am {x} geburtstag"),
        "id": ("meine steuer-id ist {x}", "steuerid: {x}"),
        "secret": ("das passwort ist {x}", "wlan passwort: {x}"),
        "other": ("schreib an {x}", "nimm {x} dafür", "es ist {x} glaub ich"),
    },
    "es": {
        "name": ("te lo dijo {x}?", "ayer vi a {x} en el bar", "pregunta a {x}", "{x} viene también"),
        "phone": ("mi número nuevo es {x}", "llámame al {x}", "{x} es su móvil"),
        "address": ("ahora vivimos en {x}", "la fiesta es en {x}", "mándalo a {x}"),
        "birth": ("nací el {x}", "fecha de nacimiento {x}", "mi cumpleaños es el {x}"),
        "id": ("mi dni es {x}", "el nie: {x}"),
        "secret": ("la contraseña es {x}", "contraseña: {x}"),
        "other": ("escríbeme a {x}", "usa {x} por ahora", "es {x} creo"),
    },
    "it": {
        "name": ("te l'ha detto {x}?", "ho visto {x} ieri sera", "chiedi a {x}", "{x} viene anche"),
        "phone": ("il mio numero nuovo è {x}", "chiamami al {x}", "{x} è il suo cellulare"),
        "address": ("adesso abitiamo in {x}", "la festa è in {x}", "mandalo a {x}"),
        "birth": ("sono nato il {x}", "data di nascita {x}", "il mio compleanno è il {x}"),
        "id": ("il mio codice fiscale è {x}", "codice fiscale: {x}"),
        "secret": ("la password è {x}", "password: {x}"),
        "other": ("scrivimi a {x}", "usa {x} per ora", "è {x} credo"),
    },
    "vi": {
        "name": ("{x} nói gì chưa?", "hôm qua gặp {x} ở quán", "hỏi {x} đi", "{x} cũng đi nha"),
        "phone": ("số mới của mình là {x}", "gọi mình nhé {x}", "sđt {x} nha"),
        "address": ("nhà mình ở {x}", "gặp ở {x} nha", "gửi tới {x} giúp mình"),
        "birth": ("mình sinh ngày {x}", "ngày sinh {x}"),
        "id": ("cccd của mình là {x}", "số cccd {x}"),
        "secret": ("mật khẩu là {x}", "mật khẩu wifi: {x}"),
        "other": ("gửi vào {x} nha", "dùng {x} đi", "là {x} đó"),
    },
}
HARMLESS = (
    "see you at 10:30 or 11:45", "it cost 1,299.00 in 2019", "we won 21:18 25:23", "version 3.11.4 is out", "der zug um 14:07 gleis 12",
    "das macht 1.250,50 €", "am 12.03.2021 um 18:00", "son 45.000 pesos", "il 3 luglio 2018 alle 21", "giá 250.000 đ nha",
    "năm 2020 có 365 ngày", "room 302 floor 3", "2014-05-06 09:12:33 error 404", "100 000 people came", "1999-2004 was fun",
    "iso 27001 and rfc 2616", "lol 😂😂 50% off", "chapter 4.2.1.3 is hard", "score 3-2 2-1 6-4 7-5", "my order of 3 x 25 cm",
    "the way you said it at 5 was nice", "meet me 2 hours before the place closes", "i will be there by may", "rose early again",
    "12 people on the road", "50 km down the road", "k thx bye", "42195 m is a marathon", "3.14159265 is pi", "1234 likes!!",
)  # fmt: skip


def luhn_digit(digits: str) -> str:
    total = sum(sum(divmod(int(d) * 2, 10)) if i % 2 == 0 else int(d) for i, d in enumerate(reversed(digits)))
    return str(-total % 10)


class Maker:
    """Draws things that identify people, and the ways in which they are written."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def digits(self, n: int) -> str:
        return "".join(self.random.choices("0123456789", k=n))

    def make(self, kind: str, language: str) -> str:
        made: str = getattr(self, kind)(language)
        return made

    def name(self, language: str) -> str:
        full = self.random.choice(PEOPLE[language])
        words = full.split()
        if language == "vi":
            return self.random.choice([" ".join(words[1:]), words[-1], full])
        return self.random.choice([words[0], words[0], full, words[-1]])

    def email(self, language: str) -> str:
        first, last = (self.ascii(w.lower()) for w in self.random.choice(PEOPLE[language]).split()[:2])
        sep = self.random.choice([".", "_", "", "-"])
        tail = self.random.choice(["", self.digits(2)])
        host = self.random.choice(
            ["gmail.com", "web.de", "yahoo.co.uk", "outlook.es", "libero.it", "fpt.vn", "proton.me"]
        )
        return f"{first}{sep}{last}{tail}@{host}"

    def phone(self, language: str) -> str:
        d, r = self.digits, self.random
        return {
            "en": lambda: r.choice([f"({r.randint(201, 989)}) {r.randint(201, 989)}-{d(4)}", f"07{d(3)} {d(6)}",
                                    f"+1 {r.randint(201, 989)} {r.randint(201, 989)} {d(4)}", f"{r.randint(201, 989)}-555-{d(4)}"]),
            "de": lambda: r.choice([f"0{r.choice(['151', '160', '170', '176'])} {d(8)}", f"+49 {r.choice(['151', '170'])} {d(4)} {d(4)}",
                                    f"030/{d(7)}", f"0{r.choice(['221', '711'])}-{d(6)}"]),
            "es": lambda: r.choice([f"6{d(2)} {d(3)} {d(3)}", f"+34 6{d(2)} {d(2)} {d(2)} {d(2)}", f"91 {d(3)} {d(2)} {d(2)}"]),
            "it": lambda: r.choice([f"3{r.choice('234')}{d(1)} {d(7)}", f"+39 3{r.choice('234')}{d(1)} {d(3)} {d(4)}", f"06 {d(4)} {d(4)}"]),
            "vi": lambda: r.choice([f"09{d(2)} {d(3)} {d(3)}", f"+84 9{d(1)} {d(3)} {d(4)}", f"03{d(8)}"]),
        }[language]()  # fmt: skip

    def card(self, language: str) -> str:
        start, size = self.random.choice([("4", 16), ("51", 16), ("55", 16), ("37", 15), ("6011", 16)])
        body = start + self.digits(size - 1 - len(start))
        number = body + luhn_digit(body)
        sep = self.random.choice(["", " ", "-"])
        return sep.join(number[i : i + 4] for i in range(0, size, 4))

    def iban(self, language: str) -> str:
        country, size = {"en": ("GB", 22), "de": ("DE", 22), "es": ("ES", 24), "it": ("IT", 27), "vi": ("FR", 27)}[
            language
        ]
        body = ("ABCD" + self.digits(size - 8)) if country == "GB" else self.digits(size - 4)
        if country == "IT":
            body = "X" + self.digits(size - 5)
        check = 98 - int("".join(str(int(c, 36)) for c in body + country + "00")) % 97
        number = f"{country}{check:02d}{body}"
        return self.random.choice([number, " ".join(number[i : i + 4] for i in range(0, size, 4))])

    def ip(self, language: str) -> str:
        r = self.random
        four = ".".join(str(r.randint(1, 254)) for _ in range(4))
        return r.choice([four, four, "2001:db8:" + ":".join(f"{r.randint(1, 65535):x}" for _ in range(6))])

    def url(self, language: str) -> str:
        token = "".join(self.random.choices("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNP23456789", k=24))
        return self.random.choice([f"https://app.example.org/reset?token={token}", f"https://chat.whatsapp.com/{token}",
                                   f"https://zoom.us/j/{self.digits(10)}?pwd={token[:12]}", f"https://docs.google.com/document/d/{token}/edit",
                                   f"https://www.instagram.com/{self.email(language).split('@')[0]}"])  # fmt: skip

    def secret(self, language: str) -> str:
        letters = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
        return self.random.choice(["sunny", "Banane", "kitty", "matkhau", "Roma"]) + self.digits(3) + self.random.choice("!#xQ") + "".join(
            self.random.choices(letters, k=4))  # fmt: skip

    def id(self, language: str) -> str:
        if language == "en":
            return f"{self.random.randint(100, 665)}-{self.random.randint(10, 99)}-{self.digits(4)}"
        if language == "es":
            number = self.digits(8)
            return number + "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23]
        if language == "vi":
            return f"0{self.random.randint(10, 96)}{self.random.choice('0123')}{self.digits(8)}"
        return self.tax() if language == "de" else self.fiscal()

    def tax(self) -> str:
        order = self.random.sample("0123456789", 10)
        while order[0] == "0":
            self.random.shuffle(order)
        order[9] = order[0]
        product = 10
        for digit in order:
            total = (int(digit) + product) % 10 or 10
            product = total * 2 % 11
        return "".join(order) + str((11 - product) % 10)

    def fiscal(self) -> str:
        letters = "".join(self.random.choices("BCDFGLMNPRST", k=6))
        body = f"{letters}{self.random.randint(40, 99)}{self.random.choice('ABCDEHLMPRST')}{self.random.randint(10, 31)}F{self.digits(3)}"
        odd = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21]
        rest = [2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23]
        value = {**dict(zip("0123456789", odd)), **dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", odd + rest))}
        total = sum(value[c] for c in body[0::2]) + sum(int(c) if c.isdigit() else ord(c) - 65 for c in body[1::2])
        return body + chr(65 + total % 26)

    def birth(self, language: str) -> str:
        r = self.random
        day, month, year = r.randint(1, 28), r.randint(1, 12), r.randint(1950, 2005)
        forms = {"en": [f"{month}/{day}/{year}", f"{year}-{month:02d}-{day:02d}", f"{day} march {year}", f"may {day}th, {year}"],
                 "de": [f"{day}.{month}.{year}", f"{day}. März {year}"], "es": [f"{day}/{month}/{year}", f"{day} de mayo de {year}"],
                 "it": [f"{day}/{month}/{year}", f"{day} maggio {year}"], "vi": [f"{day}/{month}/{year}", f"{day} tháng {month} năm {year}"]}  # fmt: skip
        return r.choice(forms[language])

    def address(self, language: str) -> str:
        n = self.random.randint(1, 240)
        pick = self.random.choice
        return {
            "en": f"{n} {pick(['Maple', 'Kingsley', 'Harrow', 'Old Mill'])} {pick(['Street', 'Avenue', 'Road', 'Lane', 'St'])}",
            "de": f"{pick(['Hauptstraße', 'Lindenweg', 'Goethestr.', 'Marktplatz', 'Schillergasse'])} {n}",
            "es": f"{pick(['calle', 'avenida', 'plaza'])} {pick(['Mayor', 'de la Paz', 'San Miguel'])} {n}",
            "it": f"{pick(['via', 'viale', 'piazza'])} {pick(['Garibaldi', 'Dante Alighieri', 'dei Mille'])} {n}",
            "vi": f"{n} {pick(['đường', 'phố'])} {pick(['Nguyễn Trãi', 'Lê Lợi', 'Hai Bà Trưng'])}",
        }[language]

    def ascii(self, word: str) -> str:
        import unicodedata

        plain = unicodedata.normalize("NFD", word.replace("đ", "d").replace("ß", "ss"))
        return "".join(c for c in plain if ord(c) < 128)

    def misspell(self, text: str) -> str:
        """One slip of any kind in the longest word."""
        word = max(text.split(" "), key=len)
        if len(word) < 4:
            return text
        i, letters = self.random.randrange(1, len(word) - 1), "abcdefghijklmnopqrstuvwxyz"
        slipped = self.random.choice([word[:i] + word[i + 1 :], word[:i] + word[i] + word[i:],
                                      word[:i] + word[i + 1] + word[i] + word[i + 2 :],
                                      word[:i] + self.random.choice(letters) + word[i + 1 :]])  # fmt: skip
        return text.replace(word, slipped)

    def split(self, text: str) -> str:
        """The digits parted by spaces, dots or dashes, as people do who fear filters."""
        sep = self.random.choice([" ", " ", ".", "-"])
        group = self.random.choice([1, 2, 3])
        bare = "".join(c for c in text if c.isdigit())
        plus = "+" if text.startswith("+") else ""
        return plus + sep.join(bare[i : i + group] for i in range(0, len(bare), group))


def chat_cases(seed: int, each: int) -> list[Case]:
    """Injected things in five languages and four ways of writing, and harmless sentences."""
    maker, cases = Maker(seed), []
    for language, carriers in CARRIERS.items():
        for kind in ("name", "address", "birth", *STRUCTURED):
            for variant in ("plain", "lower", "misspelt", "split"):
                if (
                    variant == "split"
                    and kind not in ("phone", "card")
                    and (kind, language) not in {("id", "vi"), ("id", "de")}
                ):
                    continue
                if variant == "misspelt" and kind not in ("name", "address", "email"):
                    continue
                for _ in range(each):
                    value = maker.make(kind, language)
                    value = maker.split(value) if variant == "split" else value
                    value = maker.misspell(value) if variant == "misspelt" else value
                    carrier = maker.random.choice(carriers.get(kind, carriers["other"]))
                    at = carrier.index("{x}")
                    text = carrier.replace("{x}", value)
                    if variant == "lower" and kind not in ("url", "secret"):
                        text = text.lower()
                    cases.append(Case(text, (Gold(at, at + len(value), kind),), variant))
    cases += [Case(text, (), "harmless") for text in HARMLESS for _ in range(max(1, each // 4))]
    return cases


def labelled_cases(folder: Path) -> list[Case]:
    """The texts of presidio-research."""
    cases = []
    for file in sorted(folder.glob("*.json")):
        for row in json.loads(file.read_text(encoding="utf-8")):
            spans = (
                Gold(s["start_position"], s["end_position"], LABELS.get(s["entity_type"], "~" + s["entity_type"]))
                for s in row["spans"]
            )
            cases.append(Case(row["full_text"], tuple(spans), "labelled"))
    return cases


def known_half(cases: Sequence[Case], seed: int) -> tuple[list[str], list[Case]]:
    """Names of half the labelled persons, as if from a chat; the others become unmeasured."""
    names = sorted({c.text[s.start : s.end] for c in cases for s in c.spans if s.kind == "name"})
    known = set(random.Random(seed).sample(names, len(names) // 2))
    out = []
    for case in cases:
        spans = [
            s._replace(kind="~PERSON") if s.kind == "name" and case.text[s.start : s.end] not in known else s
            for s in case.spans
        ]
        out.append(case._replace(spans=tuple(spans)))
    return sorted(known), out


def gemel_spans(texts: list[str], names: Iterable[str]) -> tuple[list[list[Gold]], float]:
    """What gemel finds, and the seconds it took."""
    from gemel.people import Handle, People, Person
    from gemel.privacy.scrub import Scrubber
    from gemel.privacy.vault import Vault

    people = People(
        Person(id=f"p{i}", name=n, handles=(Handle("chat", n, n),)) for i, n in enumerate(dict.fromkeys(names))
    )
    with tempfile.TemporaryDirectory() as folder:
        vault = Vault(Path(folder) / "vault.sqlite")
        scrubber = Scrubber(vault, people)
        start = time.perf_counter()
        found = [[Gold(s.start, s.end, s.kind) for s in scrubber.findings(t)] for t in texts]
        seconds = time.perf_counter() - start
        vault.close()
    return found, seconds


def peer_spans(texts: list[str], python: str) -> tuple[list[list[Gold]], float]:
    """What Presidio's pattern recognisers find, in an interpreter of their own."""
    done = subprocess.run(
        [python, __file__, "--as-peer"],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    answer = json.loads(done.stdout)
    return [[Gold(*s) for s in spans] for spans in answer["spans"]], answer["seconds"]


def run_as_peer() -> None:
    """Inside the peer's interpreter: every predefined recogniser that needs no language model."""
    from presidio_analyzer import PatternRecognizer, RecognizerRegistry, predefined_recognizers

    del RecognizerRegistry
    recognizers = []
    for name in dir(predefined_recognizers):
        part = getattr(predefined_recognizers, name)
        if not isinstance(part, type) or part is PatternRecognizer:
            continue
        if issubclass(part, PatternRecognizer) or name == "PhoneRecognizer":
            try:
                recognizers.append(part())
            except Exception:  # a recogniser of the peer that needs a service or an argument
                continue
    wanted = set(PEER)
    recognizers = [r for r in recognizers if wanted & set(r.supported_entities)]
    texts = json.loads(sys.stdin.read())
    start = time.perf_counter()
    out = []
    for text in texts:
        spans = {
            (f.start, f.end, PEER[f.entity_type])
            for r in recognizers
            for f in r.analyze(text, list(r.supported_entities), None) or []
            if f.entity_type in PEER and f.score >= 0.3
        }
        out.append(sorted(spans))
    json.dump({"spans": out, "seconds": time.perf_counter() - start}, sys.stdout)


def wilson(hits: int, n: int) -> tuple[float, float]:
    """95 % interval of a share."""
    if n == 0:
        return 0.0, 1.0
    z, p = 1.96, hits / n
    middle = (p + z * z / 2 / n) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    return max(0.0, middle - half), min(1.0, middle + half)


class Tally(NamedTuple):
    """Counts of one type."""

    n: int
    covered: int
    typed: int
    right: int
    wrong: int

    @property
    def recall(self) -> float:
        return self.typed / self.n if self.n else math.nan

    @property
    def precision(self) -> float:
        return self.right / (self.right + self.wrong) if self.right + self.wrong else math.nan

    @property
    def f2(self) -> float:
        p, r = self.precision, self.recall
        return 5 * p * r / (4 * p + r) if p + r > 0 else 0.0


def score(cases: Sequence[Case], found: Sequence[Sequence[Gold]]) -> dict[str, Tally]:
    """Counts per type."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for case, spans in zip(cases, found):
        for gold in case.spans:
            count = counts[gold.kind]
            count["n"] += 1
            count["covered"] += _covered(gold, spans)
            count["typed"] += _covered(gold, [s for s in spans if s.kind == gold.kind])
        for span in spans:
            touched = {g.kind for g in case.spans if g.start < span.end and span.start < g.end}
            if span.kind in touched:
                counts[span.kind]["right"] += 1
            elif not touched:
                counts[span.kind]["wrong"] += 1
    fields = Tally._fields
    return {k: Tally(*(c[f] for f in fields)) for k, c in sorted(counts.items()) if not k.startswith("~")}


def _covered(gold: Gold, spans: Iterable[Gold]) -> bool:
    inside = set(range(gold.start, gold.end))
    hit = set[int]().union(*(inside & set(range(s.start, s.end)) for s in spans))
    return len(hit) >= 0.8 * len(inside)


def report(title: str, mine: dict[str, Tally], peers: dict[str, Tally] | None) -> None:
    """A table per set."""
    print(
        f"\n{title}\n{'type':9}{'n':>6}  {'recall':>22}  {'covered':>7}  {'precision':>22}  {'F2':>5}   peer: recall precision F2"
    )
    for kind, t in mine.items():
        low, high = wilson(t.typed, t.n)
        plow, phigh = wilson(t.right, t.right + t.wrong)
        line = f"{kind:9}{t.n:6}  {t.recall:6.3f} [{low:.3f}, {high:.3f}]  {t.covered / max(1, t.n):7.3f}  "
        line += f"{t.precision:6.3f} [{plow:.3f}, {phigh:.3f}]  {t.f2:5.3f}"
        if peers is not None and kind in peers:
            p = peers[kind]
            line += f"         {p.recall:6.3f} {p.precision:9.3f} {p.f2:.3f}"
        print(line)


def by_variant(cases: Sequence[Case], found: Sequence[Sequence[Gold]]) -> None:
    """Recall (covered by a finding of any type) by way of writing."""
    groups: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for case, spans in zip(cases, found):
        for gold in case.spans:
            groups[gold.kind, case.variant].append(_covered(gold, spans))
    variants = sorted({v for _, v in groups})
    print("\nreplaced, by way of writing\n" + " " * 9 + "".join(f"{v:>10}" for v in variants))
    for kind in sorted({k for k, _ in groups}):
        cells = [groups.get((kind, v), []) for v in variants]
        print(f"{kind:9}" + "".join(f"{sum(c) / len(c):10.3f}" if c else " " * 10 for c in cells))


def lines_of(path: Path, limit: int) -> Iterator[str]:
    """Texts of a JSON-lines file (`turns` of [speaker, text]), up to `limit` bytes."""
    size = 0
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            for _, text in json.loads(line)["turns"]:
                size += len(text.encode())
                if size > limit:
                    return
                yield text


def speed(path: Path, people: int = 40) -> dict[str, float]:
    """MB of UTF-8 scrubbed per second of processor time, with `people` known persons, best of three."""
    from gemel.people import Handle, People, Person
    from gemel.privacy.scrub import Scrubber
    from gemel.privacy.vault import Vault

    texts = list(lines_of(path, 8_000_000))
    size = sum(len(t.encode()) for t in texts)
    names = [n for group in PEOPLE.values() for n in group]
    known = People(Person(id=n, name=n, handles=(Handle("chat", n, n),)) for n in names[:people])
    best = math.inf
    with tempfile.TemporaryDirectory() as folder:
        vault = Vault(Path(folder) / "vault.sqlite")
        scrubber = Scrubber(vault, known)
        for _ in range(3):
            start = time.process_time()
            for i in range(0, len(texts), 2000):
                scrubber.texts(texts[i : i + 2000])
            best = min(best, time.process_time() - start)
        vault.close()
    replaced = sum(scrubber.counts.values())
    return {"MB": size / 1e6, "texts": len(texts), "MB/s": size / 1e6 / best, "replaced": replaced}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, help="folder with the JSON files of presidio-research")
    parser.add_argument("--peer", default="", help="a Python that has presidio-analyzer")
    parser.add_argument("--speed", type=Path, nargs="*", default=[], help="JSON lines (gzip) with a field turns")
    parser.add_argument("--each", type=int, default=30, help="chat cases per language, type and way of writing")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--missed", action="store_true", help="print what was missed or taken wrongly")
    parser.add_argument("--as-peer", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.as_peer:
        return run_as_peer()
    sets = [("chat", [n for g in PEOPLE.values() for n in g], chat_cases(args.seed, args.each))]
    if args.texts:
        sets.append(("labelled", *known_half(labelled_cases(args.texts), args.seed)))
    for title, names, cases in sets:
        texts = [c.text for c in cases]
        found, seconds = gemel_spans(texts, names)
        peers = None
        if args.peer:
            spans, peer_seconds = peer_spans(texts, args.peer)
            peers = score(cases, spans)
            print(
                f"{title}: one text at a time, gemel {seconds:.2f} s, peer {peer_seconds:.2f} s for {len(texts)} texts"
            )
        report(title, score(cases, found), peers)
        if title == "chat":
            by_variant(cases, found)
        if args.missed:
            show_missed(cases, found)
    for path in args.speed:
        print(path.name, {k: round(v, 1) for k, v in speed(path).items()})


def show_missed(cases: Sequence[Case], found: Sequence[Sequence[Gold]]) -> None:
    """What to look at next."""
    for case, spans in zip(cases, found):
        for gold in case.spans:
            if not gold.kind.startswith("~") and not _covered(gold, [s for s in spans if s.kind == gold.kind]):
                print(
                    "missed",
                    gold.kind,
                    case.variant,
                    repr(case.text[gold.start : gold.end]),
                    "|",
                    repr(case.text[:120]),
                    spans,
                )
        for span in spans:
            if not any(g.start < span.end and span.start < g.end for g in case.spans):
                print("wrong", span.kind, repr(case.text[span.start : span.end]), "|", repr(case.text[:120]))


if __name__ == "__main__":
    main()
