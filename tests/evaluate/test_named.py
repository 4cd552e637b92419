"""Names come back in the text of a page and nowhere else."""

from __future__ import annotations

from gemel.evaluate.named import named

PAGE = "<style>p.Rose{color:rose}</style><h1 class='Rose'>How alike: Rose</h1><p>Rose &amp; Tom &lt;3 rose</p>"


def test_text_is_named_and_markup_is_not() -> None:
    got = named(PAGE, lambda text: text.replace("Rose", "Ann <b>").replace("Tom", "Thomas"))
    assert got == (
        "<style>p.Rose{color:rose}</style><h1 class='Rose'>How alike: Ann &lt;b&gt;</h1>"
        "<p>Ann &lt;b&gt; &amp; Thomas &lt;3 rose</p>"
    )
    assert named(PAGE, str) == PAGE
