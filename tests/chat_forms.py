"""Chat templates and tokenizers in the forms of well-known families."""

from __future__ import annotations

from typing import Any

from tiny import tiny_tokenizer
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers
from transformers import PreTrainedTokenizerFast

from gemel.model.template import BEGIN, END, SPECIAL_TOKENS

__all__ = ["CHATML", "FORMS", "chat_tokenizer", "sentencepiece_tokenizer"]

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA3 = (
    "<|begin|>{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
    "{{ m['content'] | trim }}<|eot_id|>{% endfor %}"
)
GEMMA = (
    "<|begin|>{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "<start_of_turn>{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n"
    "{{ m['content'] | trim }}<end_of_turn>\n{% endfor %}"
)
MISTRAL = (
    "<|begin|>{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]"
    "{% else %} {{ m['content'] }}<|end|>{% endif %}{% endfor %}"
)
R1 = (
    "<|begin|>{% for m in messages %}{% if m['role'] == 'user' %}<|User|>{{ m['content'] }}"
    "{% else %}{% set c = m['content'] %}{% if '</think>' in c %}{% set c = c.split('</think>')[-1] %}{% endif %}"
    "<|Assistant|>{{ c }}<|end|>{% endif %}{% endfor %}{% if add_generation_prompt %}<|Assistant|><think>\n{% endif %}"
)
QWEN3 = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['role'] == 'assistant' and loop.last %}"
    "<think>\n\n</think>\n\n{% endif %}{{ m['content'] }}<|im_end|>\n{% endfor %}"
)
FORMS = {"chatml": CHATML, "llama3": LLAMA3, "gemma": GEMMA, "mistral": MISTRAL, "r1": R1, "qwen3": QWEN3}
MARKS = (
    *("<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    *("<start_of_turn>", "<end_of_turn>", "[INST]", "[/INST]", "<|User|>", "<|Assistant|>"),
)


def chat_tokenizer(form: str, *, sentencepiece: bool | None = None) -> Any:
    """A tokenizer with a family's chat template.

    Args:
        sentencepiece: with SentencePiece's pieces ("▁" for a space, bytes as a way out) instead of byte-level ones:
            true where a space is put before every text (Llama 2, Mistral), false where it is not (Gemma).
    """
    special = (*SPECIAL_TOKENS, *MARKS)
    if sentencepiece is None:
        tokenizer = tiny_tokenizer(special, bos_token=BEGIN, eos_token=END)
    else:
        tokenizer = sentencepiece_tokenizer(special, prefix=sentencepiece, bos_token=BEGIN, eos_token=END)
    tokenizer.chat_template = FORMS[form]
    return tokenizer


def sentencepiece_tokenizer(special: tuple[str, ...], *, prefix: bool, **names: str) -> Any:
    """ASCII letters, "▁" and bytes, nothing merged; `names` are bos_token, eos_token, pad_token."""
    pieces = [*special, *(f"<0x{i:02X}>" for i in range(256)), "▁", *map(chr, range(33, 127)), "\n"]
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], byte_fallback=True, fuse_unk=True))
    replace = normalizers.Replace(" ", "▁")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), replace]) if prefix else replace
    ending = [decoders.Strip(" ", 1, 0)] if prefix else []
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *ending]
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)
