"""How often votes mislead, and how many are needed: the e-value of `gemel.improve.evidence` beside a peeking z-test.

    python bench/votes.py [--runs 1000]

Both are looked at after every vote; both see the same simulated votes.
"""

from __future__ import annotations

import argparse
import math

import numpy as np

from gemel.evaluate.statistics import wilson
from gemel.improve.evidence import ALPHA, log_e_values, peeking_z, weigh

LENGTHS = (100, 200, 500, 1000)
RATES = (0.55, 0.6, 0.65, 0.7, 0.8)
MOST = 4_000
"""Votes at most in the runs in which one arm is better."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000)
    runs = parser.parse_args().runs
    rng = np.random.default_rng(0)
    limit = math.log(1 / ALPHA)
    fair = rng.random((runs, max(LENGTHS))) < 0.5
    ever = [(log_e_values(row) >= limit) for row in fair]
    print("Equal arms: share of runs that ever call one better (95 % interval)")
    for length in LENGTHS:
        ours = sum(bool(row[:length].any()) for row in ever)
        theirs = sum(peeking_z(row[:length]) for row in fair)
        shown = [f"{n / runs:6.1%} ({wilson(n, runs)[0]:.1%} to {wilson(n, runs)[1]:.1%})" for n in (ours, theirs)]
        print(f"  {length:5,} votes: e-value {shown[0]}, z-test looked at after every vote {shown[1]}")
    print("One arm better: votes until it is found, and runs that find the wrong one")
    for rate in RATES:
        won = rng.random((runs, MOST)) < rate
        first = np.array(
            [int(np.argmax(hit)) + 1 if hit.any() else MOST for hit in (log_e_values(w) >= limit for w in won)]
        )
        wrong = sum(weigh("a", "b", ["a" if v else "b" for v in w[:n]]).decision == "b" for w, n in zip(won, first))
        half, most, nearly = np.quantile(first, [0.5, 0.8, 0.9])
        within = f"half within {half:,.0f}, 80 % within {most:,.0f}, 90 % within {nearly:,.0f}"
        print(f"  {rate:.0%}: {within}; wrong {wrong}")


if __name__ == "__main__":
    main()
