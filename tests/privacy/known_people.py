"""The people that the tests of privacy know."""

from __future__ import annotations

from gemel.people import Handle, People, Person

ME = Person(id="me", name="Tom Meyer", handles=(Handle("whatsapp", "Tom", "Tom"),), me=True)
ANNA = Person(
    id="anna",
    name="Anna Schmidt",
    handles=(Handle("whatsapp", "Anna Schmidt", "Anna Schmidt"), Handle("telegram", "user7", "Anna")),
    aliases=("Annchen",),
)
CHRIS = Person(id="chris", name="Christopher Müller", handles=(Handle("whatsapp", "Christopher Müller", ""),))
THAO = Person(id="thao", name="Nguyễn Thị Minh Thảo", handles=(Handle("telegram", "user9", "Minh Thảo"),))
ROSE = Person(id="rose", name="Rose Calder", handles=(Handle("whatsapp", "Rose Calder", "Rose Calder"),))
MUM = Person(id="mum", name="Mum ❤️", handles=(Handle("whatsapp", "Mum ❤️", "Mum ❤️"),))
PEOPLE = People([ME, ANNA, CHRIS, THAO, ROSE, MUM])
