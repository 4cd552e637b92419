"""What `pii.py` measures on: labelled texts, and chat sentences with things injected whose truth is known."""

from __future__ import annotations

import json
import random
import unicodedata
from collections.abc import Sequence
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
    "EMAIL_ADDRESS": "email",
    "PHONE_NUMBER": "phone",
    "CREDIT_CARD": "card",
    "IBAN_CODE": "iban",
    "IP_ADDRESS": "ip",
    "US_SSN": "id",
    "STREET_ADDRESS": "address",
    "ADDRESS": "address",
    "PERSON": "name",
    "US_DRIVER_LICENSE": "id",
}
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
HARMLESS = """
see you at 10:30 or 11:45
it cost 1,299.00 in 2019
we won 21:18 25:23
version 3.11.4 is out
der zug um 14:07 gleis 12
das macht 1.250,50 €
am 12.03.2021 um 18:00
son 45.000 pesos
il 3 luglio 2018 alle 21
giá 250.000 đ nha
năm 2020 có 365 ngày
room 302 floor 3
2014-05-06 09:12:33 error 404
100 000 people came
1999-2004 was fun
iso 27001 and rfc 2616
lol 😂😂 50% off
chapter 4.2.1.3 is hard
score 3-2 2-1 6-4 7-5
my order of 3 x 25 cm
the way you said it at 5 was nice
meet me 2 hours before the place closes
i will be there by may
rose early again
12 people on the road
50 km down the road
k thx bye
42195 m is a marathon
3.14159265 is pi
1234 likes!!
"""


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
            "en": lambda: r.choice(
                [
                    f"({r.randint(201, 989)}) {r.randint(201, 989)}-{d(4)}",
                    f"07{d(3)} {d(6)}",
                    f"+1 {r.randint(201, 989)} {r.randint(201, 989)} {d(4)}",
                    f"{r.randint(201, 989)}-555-{d(4)}",
                ]
            ),
            "de": lambda: r.choice(
                [
                    f"0{r.choice(['151', '160', '170', '176'])} {d(8)}",
                    f"+49 {r.choice(['151', '170'])} {d(4)} {d(4)}",
                    f"030/{d(7)}",
                    f"0{r.choice(['221', '711'])}-{d(6)}",
                ]
            ),
            "es": lambda: r.choice(
                [f"6{d(2)} {d(3)} {d(3)}", f"+34 6{d(2)} {d(2)} {d(2)} {d(2)}", f"91 {d(3)} {d(2)} {d(2)}"]
            ),
            "it": lambda: r.choice(
                [f"3{r.choice('234')}{d(1)} {d(7)}", f"+39 3{r.choice('234')}{d(1)} {d(3)} {d(4)}", f"06 {d(4)} {d(4)}"]
            ),
            "vi": lambda: r.choice([f"09{d(2)} {d(3)} {d(3)}", f"+84 9{d(1)} {d(3)} {d(4)}", f"03{d(8)}"]),
        }[language]()

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
        return self.random.choice(
            [
                f"https://app.example.org/reset?token={token}",
                f"https://chat.whatsapp.com/{token}",
                f"https://zoom.us/j/{self.digits(10)}?pwd={token[:12]}",
                f"https://docs.google.com/document/d/{token}/edit",
                f"https://www.instagram.com/{self.email(language).split('@')[0]}",
            ]
        )

    def secret(self, language: str) -> str:
        letters = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
        return (
            self.random.choice(["sunny", "Banane", "kitty", "matkhau", "Roma"])
            + self.digits(3)
            + self.random.choice("!#xQ")
            + "".join(self.random.choices(letters, k=4))
        )

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
        year, month = self.random.randint(40, 99), self.random.choice("ABCDEHLMPRST")
        body = f"{letters}{year}{month}{self.random.randint(10, 31)}F{self.digits(3)}"
        odd = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21]
        rest = [2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23]
        value = {**dict(zip("0123456789", odd)), **dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", odd + rest))}
        total = sum(value[c] for c in body[0::2]) + sum(int(c) if c.isdigit() else ord(c) - 65 for c in body[1::2])
        return body + chr(65 + total % 26)

    def birth(self, language: str) -> str:
        r = self.random
        day, month, year = r.randint(1, 28), r.randint(1, 12), r.randint(1950, 2005)
        forms = {
            "en": [
                f"{month}/{day}/{year}",
                f"{year}-{month:02d}-{day:02d}",
                f"{day} march {year}",
                f"may {day}th, {year}",
            ],
            "de": [f"{day}.{month}.{year}", f"{day}. März {year}"],
            "es": [f"{day}/{month}/{year}", f"{day} de mayo de {year}"],
            "it": [f"{day}/{month}/{year}", f"{day} maggio {year}"],
            "vi": [f"{day}/{month}/{year}", f"{day} tháng {month} năm {year}"],
        }
        return r.choice(forms[language])

    def address(self, language: str) -> str:
        n = self.random.randint(1, 240)
        pick = self.random.choice
        return {
            "en": f"{n} {pick(['Maple', 'Kingsley', 'Harrow'])} {pick(['Street', 'Avenue', 'Road', 'Lane', 'St'])}",
            "de": f"{pick(['Hauptstraße', 'Lindenweg', 'Goethestr.', 'Marktplatz', 'Schillergasse'])} {n}",
            "es": f"{pick(['calle', 'avenida', 'plaza'])} {pick(['Mayor', 'de la Paz', 'San Miguel'])} {n}",
            "it": f"{pick(['via', 'viale', 'piazza'])} {pick(['Garibaldi', 'Dante Alighieri', 'dei Mille'])} {n}",
            "vi": f"{n} {pick(['đường', 'phố'])} {pick(['Nguyễn Trãi', 'Lê Lợi', 'Hai Bà Trưng'])}",
        }[language]

    def ascii(self, word: str) -> str:
        plain = unicodedata.normalize("NFD", word.replace("đ", "d").replace("ß", "ss"))
        return "".join(c for c in plain if ord(c) < 128)

    def misspell(self, text: str) -> str:
        """One slip of any kind in the longest word."""
        word = max(text.split(" "), key=len)
        if len(word) < 4:
            return text
        i, letters = self.random.randrange(1, len(word) - 1), "abcdefghijklmnopqrstuvwxyz"
        slipped = self.random.choice(
            [
                word[:i] + word[i + 1 :],
                word[:i] + word[i] + word[i:],
                word[:i] + word[i + 1] + word[i] + word[i + 2 :],
                word[:i] + self.random.choice(letters) + word[i + 1 :],
            ]
        )
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
    cases += [Case(text, (), "harmless") for text in HARMLESS.strip().splitlines() for _ in range(max(1, each // 4))]
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
