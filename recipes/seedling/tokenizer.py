"""Step 3: train the byte-level BPE with gemel's conversation tokens at ids 0 to 22.

    python recipes/seedling/tokenizer.py --out .work/seedling --vocab 5120

There is no normaliser and no prefix space, and all 256 bytes are in the alphabet, so any text comes back
exactly. Digits are single tokens. A run of letters takes the space before it along.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from gemel.examples import from_json
from gemel.model.template import SPECIAL_TOKENS

WORDS = r"['’](?:[sdmt]|ll|ve|re)(?!\p{L})| ?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+|\s+(?!\S)|\s+"
"""Contractions; words with the space before them; one digit; marks; white space."""
SHARES = {"novels": 0.25}


def texts(folder: Path, seed: int = 0) -> Iterator[str]:
    """Turn texts and names of the train split; of the novels only a share."""
    rng = random.Random(seed)
    for path in sorted(folder.glob("*.jsonl")):
        share = SHARES.get(path.stem, 1.0)
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                example = from_json(line)
                if example.split == "train" and rng.random() < share:
                    for turn in example.turns:
                        yield from turn.parts
                        yield turn.name


def train(source: Iterator[str], vocab: int) -> Tokenizer:
    """A tokenizer of exactly `vocab` entries, the special tokens first."""
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(WORDS), behavior="isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=[AddedToken(t, special=True, normalized=False) for t in SPECIAL_TOKENS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(source, trainer)
    return tokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--vocab", type=int, default=5120)
    args = parser.parse_args()
    tokenizer = train(texts(args.out / "examples"), args.vocab)
    tokenizer.save(str(args.out / "tokenizer.json"))
    print(f"{tokenizer.get_vocab_size()} tokens; first ids {[tokenizer.id_to_token(i) for i in range(4)]}")


if __name__ == "__main__":
    main()
