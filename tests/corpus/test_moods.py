from __future__ import annotations

import pytest

from gemel.corpus.moods import Languages, sentiment, switches, vietnamese

detect = Languages(("en", "vi", "de", "es", "it", "fr"))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("see you tomorrow at the station", "en"),
        ("Hôm nay trời đẹp quá, mình đi chơi nhé", "vi"),
        ("ừ được", "vi"),
        ("khong sao, ngay mai minh ve", "vi"),
        ("Wir sehen uns morgen am Bahnhof", "de"),
        ("nos vemos mañana en la estación", "es"),
        ("chi di voi che parla italiano bene", "it"),
        ("on se voit demain à la gare", "fr"),
        ("👍", None),
        ("12:30", None),
    ],
)
def test_languages(text: str, language: str | None):
    assert detect(text) == language


def test_one_language_is_always_the_answer():
    assert Languages(("de",))("see you tomorrow") == "de"
    assert Languages(("de",))("...") is None


def test_code_switching_needs_a_sure_word_of_each():
    assert switches("mai mình có meeting lúc 3h nhé")
    assert switches("ok mai gặp nhau ở quán cũ nha")
    assert not switches("Hôm nay trời đẹp quá")
    assert not switches("the meeting is at three")
    assert not switches("naïve café is the place")


def test_the_share_of_vietnamese_words():
    assert vietnamese("được rồi") == 1
    assert vietnamese("I like phở") == pytest.approx(1 / 3)
    assert vietnamese("") == 0


def test_sentiment_has_the_right_sign_and_laughing_tears_do_not_count():
    assert sentiment("I love this, great!") > 0.5
    assert sentiment("this is terrible, I hate it") < -0.5
    assert sentiment("what 😭😭") == 0
