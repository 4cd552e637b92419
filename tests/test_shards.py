"""The same function over shards gives the same everywhere."""

from __future__ import annotations

import pytest

from gemel.errors import ConfigError
from gemel.shards import Place, over, shard_of


def squared(numbers: list[int]) -> list[int]:
    return [n * n for n in numbers]


def test_places_are_read() -> None:
    assert Place.parse("here") == Place("here")
    assert Place.parse("local:3") == Place("local", 3)
    assert Place.parse("ray://host:10001") == Place("ray", 0, "ray://host:10001")
    assert Place.parse("ray:2") == Place("ray", 2)
    for wrong in ("", "moon", "local:x", "local:0"):
        with pytest.raises(ConfigError):
            Place.parse(wrong)


def test_local_equals_here_in_order() -> None:
    shards = [[1, 2], [3], [], [4, 5]]
    here = list(over(squared, shards, Place.parse("here")))
    assert here == [[1, 4], [9], [], [16, 25]]
    assert list(over(squared, shards, Place.parse("local:2"))) == here


def test_a_key_has_one_shard_for_ever() -> None:
    assert [shard_of(k, 4) for k in ("a", "b", "ä", "\ud800")] == [shard_of(k, 4) for k in ("a", "b", "ä", "\ud800")]
    counts = [0] * 4
    for i in range(4000):
        counts[shard_of(str(i), 4)] += 1
    assert min(counts) > 900
    assert shard_of("gemel", 1000) == 665


def test_on_ray() -> None:
    pytest.importorskip("ray")
    assert list(over(squared, [[1], [2]], Place.parse("ray:1"))) == [[1], [4]]
