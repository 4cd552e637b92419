"""Step 6: write a checkpoint as a plain Hugging Face folder, and prove that it says the same there.

    python recipes/seedling/export.py --out .work/seedling --run polish-first --to src/gemel/assets/seedling

The folder loads with `AutoModelForCausalLM` and `AutoTokenizer`, without remote code. Weights are bf16
safetensors. The stock class must agree with the trained one before anything is written. The model card is
written by hand and left alone.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from llama import Llama, Shape
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

from gemel.model.template import BEGIN, END, EOT, PAD, SPECIAL_TOKENS

POSITIONS = 2048


def config(shape: Shape) -> LlamaConfig:
    """The stock configuration of this network; ids follow `SPECIAL_TOKENS`."""
    ids = {name: SPECIAL_TOKENS.index(token) for name, token in (("pad", PAD), ("bos", BEGIN), ("eos", END))}
    return LlamaConfig(
        vocab_size=shape.vocab_size,
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_hidden_layers=shape.num_hidden_layers,
        num_attention_heads=shape.num_attention_heads,
        num_key_value_heads=shape.num_attention_heads,
        rms_norm_eps=shape.rms_norm_eps,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_theta},
        max_position_embeddings=POSITIONS,
        tie_word_embeddings=True,
        attention_bias=False,
        mlp_bias=False,
        dtype="bfloat16",
        architectures=["LlamaForCausalLM"],
        **{f"{name}_token_id": i for name, i in ids.items()},
    )


def shape_of(state: dict[str, torch.Tensor]) -> Shape:
    """Read the dials off a checkpoint's tensors; heads are 64 wide."""
    vocab, hidden = state["model.embed_tokens.weight"].shape
    layers = 1 + max(int(n.split(".")[2]) for n in state if n.startswith("model.layers."))
    wide = state["model.layers.0.mlp.gate_proj.weight"].shape[0]
    return Shape(
        vocab_size=vocab,
        hidden_size=hidden,
        intermediate_size=wide,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 64,
    )


@torch.no_grad()
def difference(state: dict[str, torch.Tensor], shape: Shape) -> float:
    """Greatest difference of log-probabilities between the trained module and the stock class in fp32."""
    ours, stock = Llama(shape).eval(), LlamaForCausalLM(config(shape)).float().eval()
    ours.load_state_dict(state)
    stock.load_state_dict({**state, "lm_head.weight": state["model.embed_tokens.weight"]})
    ids = torch.randint(0, shape.vocab_size, (2, 96), generator=torch.Generator().manual_seed(0))
    return (ours.logits(ids).log_softmax(-1) - stock(ids).logits.log_softmax(-1)).abs().max().item()


def write(state: dict[str, torch.Tensor], tokenizer: Path, to: Path) -> int:
    """Write the folder; returns its size in bytes."""
    shape = shape_of(state)
    to.mkdir(parents=True, exist_ok=True)
    save_file(
        {n: t.to(torch.bfloat16).contiguous() for n, t in state.items()},
        to / "model.safetensors",
        metadata={"format": "pt"},
    )
    config(shape).save_pretrained(to)
    eos = [SPECIAL_TOKENS.index(EOT), SPECIAL_TOKENS.index(END)]
    pad, bos = SPECIAL_TOKENS.index(PAD), SPECIAL_TOKENS.index(BEGIN)
    _json(to / "generation_config.json", {"bos_token_id": bos, "eos_token_id": eos, "pad_token_id": pad})
    raw = json.loads(tokenizer.read_text(encoding="utf-8"))
    _json(to / "tokenizer.json", raw)
    specials = {"bos_token": BEGIN, "eos_token": END, "pad_token": PAD}
    _json(to / "special_tokens_map.json", specials)
    _json(
        to / "tokenizer_config.json",
        {
            **specials,
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": POSITIONS,
            "clean_up_tokenization_spaces": False,
            "additional_special_tokens": [t for t in SPECIAL_TOKENS if t not in (BEGIN, END, PAD)],
        },
    )
    return sum(p.stat().st_size for p in to.iterdir())


def _json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--run", default="trunk", help="trunk or polish-NAME")
    parser.add_argument("--to", type=Path, required=True)
    args = parser.parse_args()
    loaded = load_file(args.out / args.run / "state.safetensors")
    state = {n.removeprefix("model."): t for n, t in loaded.items() if n.startswith("model.")}
    gap = difference(state, shape_of(state))
    if gap > 1e-3:
        raise SystemExit(f"the stock class differs by {gap:.2g} nats: nothing written")
    size = write(state, args.out / "tokenizer.json", args.to)
    print(
        f"{args.to}: {size / 1e6:.1f} MB, {sum(t.numel() for t in state.values()):,} parameters, differs by {gap:.1g}"
    )


if __name__ == "__main__":
    main()
