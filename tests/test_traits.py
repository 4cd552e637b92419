from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemel.errors import ConfigError, DamagedCheckpoint, TooLittle
from gemel.fields import Category, Many, Number, Ordinal, Scalar
from gemel.traits import TraitSpec, parse_traits

ROWS: list[dict[str, Any]] = [
    {
        "height": str(60 + i % 20),
        "income": "-1" if i % 3 else str(20000 * (1 + i % 5)),
        "drinks": ["not at all", "socially", "often", ""][i % 4],
        "ethnicity": ["asian, white", "white", "black"][i % 3],
        "offspring": ["doesn&rsquo;t have kids, but might want them", "has a kid, and wants more", ""][i % 3],
        "speaks": ["english (fluently), spanish (poorly)", "english"][i % 2],
        "pets": ["likes dogs and has cats", "dislikes dogs"][i % 2],
        "religion": ["atheism and laughing about it", "catholicism but not too serious about it"][i % 2],
        "sex": "mf"[i % 2],
        "hour": i % 24,
        "location": "somewhere",
    }
    for i in range(240)
]
MESSY = st.one_of(
    st.none(), st.floats(), st.integers(), st.text(max_size=12), st.lists(st.text(max_size=5), max_size=3).map(tuple)
)


@pytest.fixture(scope="module")
def spec() -> TraitSpec:
    return TraitSpec.fit(ROWS)


def test_columns_become_their_kinds_and_location_is_left_out(spec: TraitSpec) -> None:
    kinds = {f.name: type(f) for f in spec.fields}
    assert "location" not in kinds
    assert kinds["height"] is Number
    assert kinds["drinks"] is Ordinal
    assert kinds["sex"] is Category
    assert {kinds[n] for n in ("ethnicity", "offspring", "speaks", "pets")} == {Many}
    assert spec.field("offspring").slots == ("doesn't have kids", "might want them", "has a kid", "wants more")
    assert set(spec.field("pets").slots) == {"likes dogs", "has cats", "dislikes dogs"}
    assert spec.field("religion").slots == ("atheism", "catholicism")
    assert isinstance(spec.field("religion_modifier"), Ordinal)


def test_a_number_is_standardised_and_minus_one_is_a_missing_income(spec: TraitSpec) -> None:
    height = spec.scalar("height")
    assert height.position(69.5) == pytest.approx(0.0, abs=1e-9)
    assert spec.encode({"height": 60})[spec.names.index("height:u")] == pytest.approx(-9.5 / height.sd, abs=1e-5)  # type: ignore[attr-defined]
    income = spec.field("income")
    assert income.encode("-1") is None
    assert income.encode("20000") is not None


def test_graded_and_combined_values_fill_their_slots(spec: TraitSpec) -> None:
    speaks = spec.field("speaks")
    assert dict(zip(speaks.slots, speaks.encode("english (fluently), spanish (poorly)"))) == pytest.approx(  # type: ignore[arg-type]
        {"english": 1.0, "spanish": 1 / 3}
    )


def test_every_trait_that_is_missing_says_so(spec: TraitSpec) -> None:
    z = spec.encode({})
    names = spec.names
    assert [n for n, v in zip(names, z) if v] == [n for n in names if n.endswith(":missing")]
    assert np.array_equal(z, spec.nothing)


def test_a_value_never_seen_shares_the_slot_of_the_rare_or_counts_as_missing(spec: TraitSpec) -> None:
    assert spec.field("sex").encode("x") is None
    rows = [{"job": "law" if i % 2 else f"odd {i}"} for i in range(400)]
    job = TraitSpec.fit(rows).field("job")
    assert job.slots == ("law", "other")
    assert list(job.encode("never heard of")) == [0.0, 1.0]  # type: ignore[arg-type]


@settings(max_examples=150, deadline=None)
@given(traits=st.dictionaries(st.sampled_from([*ROWS[0], "unknown"]), MESSY))
@pytest.mark.parametrize("missing", ["learned", "random"])
def test_any_profile_encodes_to_finite_numbers(missing: Any, traits: dict[str, Any]) -> None:
    spec = TraitSpec.fit(ROWS[:60], missing=missing)
    z = spec.encode(traits)
    assert z.shape == (spec.dim,) == (len(spec.names),)
    assert np.isfinite(z).all()


@pytest.mark.parametrize("form", ["partition", "cumulative"])
@pytest.mark.parametrize("name", ["height", "income", "hour", "drinks"])
def test_the_slope_is_the_derivative_of_the_slots(form: Any, name: str) -> None:
    scalar = TraitSpec.fit(ROWS, ordinal=form).scalar(name)
    for u in (-0.7, 0.13, 0.6):
        step = 1e-3
        finite = (scalar.at(u + step).astype(float) - scalar.at(u - step)) / (2 * step)
        assert scalar.slope(u) == pytest.approx(finite, abs=2e-3)


@given(u=st.floats(-2, 2))
def test_a_coordinate_and_its_value_are_inverse(u: float) -> None:
    spec = TraitSpec.fit(ROWS[:60])
    for name in ("height", "income"):
        scalar = spec.scalar(name)
        assert scalar.position(scalar.value(u)) == pytest.approx(u, abs=1e-6)


def test_the_hour_before_midnight_is_beside_the_one_after(spec: TraitSpec) -> None:
    hour = spec.scalar("hour")
    late, early, noon = (hour.encode(h) for h in (23.9, 0.1, 12))
    assert late is not None
    assert np.abs(late - early).max() < 0.15 < np.abs(late - noon).max()


def test_the_two_forms_of_an_ordinal() -> None:
    levels = ("not at all", "rarely", "socially", "often", "very often", "desperately")
    partition = TraitSpec.fit(ROWS, use=["drinks"]).scalar("drinks")
    cumulative = TraitSpec.fit(ROWS, use=["drinks"], ordinal="cumulative").scalar("drinks")
    heights = [float(partition.encode(level)[0]) for level in levels]  # type: ignore[index]
    assert np.diff(heights) == pytest.approx(np.full(5, np.diff(heights)[0]), rel=1e-5)
    assert np.array_equal([cumulative.encode(level) for level in levels], np.tri(6, 5, -1))
    assert partition.show(partition.position("often") or 0.0) == "often"


def test_directions_sum_to_the_covariance_of_a_category(spec: TraitSpec) -> None:
    rows = np.stack([spec.field("sex").encode(r["sex"]) for r in ROWS])  # type: ignore[arg-type]
    total = sum(d.weight * np.outer(d.vector, d.vector) for d in spec.field("sex").directions(None))
    assert total == pytest.approx(np.cov(rows.T, bias=True), abs=1e-5)


def test_dropout_hides_whole_traits_at_the_asked_rate(spec: TraitSpec) -> None:
    z = np.repeat(spec.encode(ROWS[0])[None], 20_000, axis=0)
    hidden = spec.hide(z, np.random.default_rng(1), 0.15)
    mark = spec.names.index("height:missing")
    assert hidden[:, mark].mean() == pytest.approx(0.15, abs=0.01)
    gone = hidden[hidden[:, mark] == 1]
    at = [i for i, n in enumerate(spec.names) if n.startswith("height:") and i != mark]
    assert not gone[:, at].any()
    assert (hidden == spec.nothing).all(1).mean() == pytest.approx(0.05, abs=0.01)


def test_a_random_draw_comes_from_the_training_values() -> None:
    spec = TraitSpec.fit(ROWS, use=["height", "drinks", "sex"], missing="random")
    rng = np.random.default_rng(0)
    drawn = np.stack([spec.encode({}, rng=rng) for _ in range(4000)])
    assert drawn[:, 0].mean() == pytest.approx(0, abs=0.05)
    assert drawn[:, 0].std() == pytest.approx(1, abs=0.05)
    assert not drawn[:, -2:].any()
    with pytest.raises(ConfigError, match="no unconditional"):
        _ = spec.nothing


def test_saved_and_loaded_encodes_the_same(spec: TraitSpec, tmp_path: Path) -> None:
    spec.save(tmp_path / "traits.json")
    again = TraitSpec.load(tmp_path / "traits.json")
    assert again.names == spec.names
    assert all(np.array_equal(again.encode(r), spec.encode(r)) for r in ROWS[:20])
    (tmp_path / "traits.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DamagedCheckpoint):
        TraitSpec.load(tmp_path / "traits.json")


def test_mistakes_are_told(spec: TraitSpec) -> None:
    with pytest.raises(ConfigError, match="no example has the trait 'heigth'"):
        TraitSpec.fit(ROWS, use=["heigth"])
    with pytest.raises(TooLittle):
        TraitSpec.fit([{"sex": "m"}] * 9)
    with pytest.raises(ConfigError, match="has no slider"):
        spec.scalar("sex")
    with pytest.raises(ConfigError, match="name=value"):
        parse_traits(["height"])
    assert parse_traits(["height=70", "drinks = not at all"]) == {"height": "70", "drinks": "not at all"}


def test_traits_of_chats_need_no_declaration() -> None:
    rows = [{"year": 2010 + i % 9, "recipient": ("Ann", "Bo") if i % 2 else "Ann", "mood": i % 2} for i in range(90)]
    spec = TraitSpec.fit(rows)
    assert {f.name: f.kind for f in spec.fields} == {"year": "number", "recipient": "many", "mood": "number"}
    year = spec.field("year")
    assert isinstance(year, Scalar)
    assert year.value(year.position(2015) or math.nan) == pytest.approx(2015)
