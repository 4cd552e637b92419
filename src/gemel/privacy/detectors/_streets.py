"""How addresses are written: streets and their numbers in a dozen languages, and what stands around them.

Patterns named `*_LOW` read lower-cased text, the others text as it stands, because a capital tells a town from what
somebody says next. Every pattern is matched at a place where a trigger was found, never searched for.
"""

from __future__ import annotations

import re


def words(text: str) -> tuple[str, ...]:
    """The words of a list that is written as one text."""
    return tuple(text.split())


NAME = r"[^\W\d_][\w.'’\-]*"
CAPITAL = r"[A-ZÀ-ÖØ-ÞĀ-ſΑ-Ω][\w'’.\-]*"
PARTICLE = r"(?:de l['’]|de|del|della|delle|dei|degli|des|du|da|do|dos|la|le|les|van|von|der|[dl]['’])"
STRONG = "street|str|st|avenue|ave|road|rd|lane|ln|boulevard|blvd|parkway|highway|crescent|terrace"
WEAK = (
    "drive|dr|av|court|ct|place|pl|square|sq|ter|close|circle|cir|way|trail|grove|gardens|walk|mews|row|hill|quay|alley"
)
_FLAT = (
    r"(?:apt|apartment|suite|ste|unit|flat|room|floor|fl|whg|wohnung|piso|puerta|interno|int|scala|stock|appt"
    r"|appartement|étage|tầng|phòng|p\.?o\.? box|box)\.?\s?#?\s?\d{1,5}(?: ?[a-z](?![^\W_]))?(?![^\W_])"
)
_LINE = r"[ \t]*[,\n][\s,>?]{0,8}"
"""Between two lines of an address: a comma or a new line, with the marks of quoted mail."""
_PART = r"[^\W\d_][^\n,.;:!?\d\x00]{0,30}(?: \d{1,2}(?!\d))?"
_CODE = (
    r"(?:(?i:(?:[a-z]{1,2}-)?\d{4,6}(?:-\d{3,4})?|[a-z]{1,2}\d[a-z\d]? ?\d[a-z]{2})(?![^\W_]|[.,: ]\d)"
    rf"|\d{{3}} \d{{2}}(?= {CAPITAL}))"
)


REST = re.compile(
    rf"(?P<flat>(?:[,\n >?]{{1,8}}|/)(?i:{_FLAT}))?"
    rf"(?:(?:{_LINE}{_PART}){{0,4}}(?:{_LINE}{_PART} |{_LINE}|(?(flat)[ ]|(?!))(?:{CAPITAL} ){{0,4}}){_CODE}"
    rf"(?:,? {CAPITAL}){{0,3}}"
    rf"|(?:{_LINE}{CAPITAL}(?: {CAPITAL}){{0,3}}){{1,3}}(?=\s*(?:$|[\n.!?;)\x00]))"
    rf"|(?(flat)(?: {CAPITAL}){{1,4}}|(?!)))?"
)
"""What follows street and number: a flat, lines of town and country up to a postcode, a postcode with its town;
where there is no postcode only towns with a capital that end the line."""
REST_LOW = re.compile(rf"[,\n ]{{1,3}}\d{{4,5}} {NAME}(?! ?{NAME})")
BEFORE = re.compile(rf"(?<![\w.,:/\-])(?:{_FLAT},?|\d{{1,5}}[a-z]?[,/]?)\s$", re.I)
"""A flat or a second number before the number of a house."""
BEFORE_FLAT = re.compile(
    rf"(?<![^\s,>(:])(?:\d{{1,5}} )?{CAPITAL} (?:(?:{CAPITAL}|{PARTICLE}) ){{0,3}}\d{{1,5}}[a-z]?\.?[,\s>?]{{1,8}}$"
)
"""A street of any language before its flat: a name with a capital and a number."""

ENGLISH_LOW = re.compile(
    rf"\d{{1,6}}[a-z]?,? (?P<name>(?:{NAME} |\d{{1,3}}(?:st|nd|rd|th) ){{1,4}}?)"
    rf"(?:{STRONG}|(?P<weak>{WEAK}))(?![^\W_])\.?"
)
FRENCH = re.compile(
    r"\d{1,4}(?: ?(?:bis|ter|quater|[a-dA-D]))?,? (?i:rue|avenue|av|boulevard|bd|place|chemin|impasse|allée|quai|route"
    r"|cours|passage|square|ruelle|sentier|faubourg|résidence)\.? "
    rf"(?P<name>(?:{PARTICLE} ?)*[^\W\d_][\w'’\-]*(?: (?!(?i:{_FLAT}))(?:{PARTICLE} ?)*{CAPITAL})*)"
)
ROMANCE_LOW = re.compile(
    r"(?<![^\W_])(?:calle|c/|avenida|avda\.?|av\.|plaza|plazuela|paseo|camino|carrer|carretera|ronda|glorieta|rambla|via"
    r"|viale|piazza|piazzetta|piazzale|corso|vicolo|largo|lungomare|contrada|strada|rue|avenue|boulevard|chemin|impasse"
    r"|rua|rúa|travessa|praça|ul\.|ulica|đường|phố|ngõ|hẻm)\s?"
    rf"(?P<name>(?:{NAME} ?){{1,5}}?)[ ,]{{1,2}}(?:n[º°.]?\s?|nr\.?\s?|núm\.?\s?|số )?"
    r"\d{1,5}(?:/?[a-z])?(?![^\W_]|[.:,]\d)(?:, ?\d{1,2}[º°ª]\s?(?:[a-z](?![^\W_]))?)?"
)
_DISTRICT = (
    rf"(?:(?:phường|p\.?|quận|q\.?|huyện|xã|thị trấn|thị xã|tỉnh|tp\.?|thành phố) ?"
    rf"(?:\d{{1,2}}|{NAME}(?: {NAME}){{0,2}})"
    r"|hà nội|sài gòn|hồ chí minh|đà nẵng|hải phòng|cần thơ|nha trang|vũng tàu|đà lạt)(?![^\W_])"
)
_HOUSE = r"(?:số (?:nhà )?)?\d{1,5}(?:/\d{1,4}){0,3}[a-z]?"
VIETNAMESE_LOW = re.compile(
    rf"{_HOUSE},? (?:đường|phố|ngõ|hẻm|đ\.) (?:{NAME} ?){{1,4}}(?:, ?{_DISTRICT})*"
    rf"|{_HOUSE} (?:{NAME}[ ,]+){{1,4}}?{_DISTRICT}(?:, ?{_DISTRICT})*"
)
LANE_LOW = re.compile(
    rf"(?:ngõ|ngách|hẻm|kiệt|thôn|ấp|tổ) \d{{1,4}}(?:/\d{{1,4}})*[ ,]+(?:đường |phố )?(?:{NAME} ?){{1,4}}"
    rf"(?:, ?{_DISTRICT})*"
)
ENDS = words(
    """straße strasse str. strase weg platz gasse allee damm ufer steig straat laan plein gracht gatan gata gade vägen
    vænget vej veien veg katu kuja polku utca útja"""
)
"""Ends of one-word streets."""
APART = words("str. straße weg platz utca út útja tér u. ulica ulice nám. náměstí trg tee põik tie")
"""The same as words of their own."""
GERMAN_LOW = re.compile(
    rf"[^\W\d_][\w\-]*(?:{'|'.join(map(re.escape, ENDS))})$"
    rf"|[^\W\d_][\w\-]*(?: [^\W\d_][\w\-]*)? (?:{'|'.join(map(re.escape, APART))})$"
)
GERMAN_END_LOW = re.compile(r"\s?\d{1,3}(?!\d)\s?(?:[a-f](?![^\W_]))?(?![^\W_]|[.:]\d)\.?")
PREPOSED = re.compile(
    rf"(?i:am|an der|an den|auf der|auf dem|im|in der|in den|unter den|zum|zur|vor dem|beim) {CAPITAL}(?: {CAPITAL})? $"
)
"""German streets that begin with a preposition; taken only where a postcode follows."""
GERMAN_CODE = re.compile(rf"\d{{1,3}}\s?[a-f]?(?:{_LINE}| )(?:D-)?\d{{5}} {CAPITAL}(?: {CAPITAL})?")

TOLD_LOW = re.compile(
    r"(?:\s(?:is|ist|es|è|est|lautet|là)\s?:?|\s?:)\s+(?=[^\n.!?\x00]{0,40}\d)(?!\d+(?:[.:]\d+)*(?:\s\d|\s?(?:[ap]m|uhr|h)\b))"
    r"[^\W_][^\n!?\x00]{5,60}?(?=[.!?;\n\x00]|$)"
)
"""What is said to be an address: a line with a number in it, which is not a time or a number alone."""
LIVES = re.compile(
    rf"[^\W\d_]* (?:at|in|to|en|à|ở) (?P<what>(?:\d{{1,5}}[a-z]? )?{CAPITAL}(?: (?:{CAPITAL}|{PARTICLE})){{0,4}} "
    r"\d{1,4}[a-z]?(?![^\W_]|[.:,/]\d|%))"
)
BOX_LOW = re.compile(
    r"(?:(?:psc|unit|cmr) \d{1,5},? box \d{1,5}|(?:p\.? ?o\.? ?box|postbox|postfach|boîte postale|apartado)"
    r"\s?#?\s?\d[\d ]{1,8}|(?:apo|fpo|dpo),? (?:aa|ae|ap),? \d{5})(?![^\W_])"
)
LONE_LOW = re.compile(r"(?:apt\.?|apartment|suite|flat)\s?#?\s?\d{1,5}[a-z]?(?![^\W_]|\.\d)")
ZIP_LOW = re.compile(rf"(?: ?code)?(?: is| ist)?\s?:?\s{{0,2}}(?P<what>{_CODE})")
