"""A voice as one GGUF file for llama.cpp, and with a Modelfile for Ollama.

Weights are folded as in `merged` and agree with the voice's own within the type's rounding. Voices on the base that
ships are written here; for other bases llama.cpp's own converter, which knows their tokenizers, reads what
`gemel export merged` writes. Text is cut into tokens by the nearest rule that llama.cpp has.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gemel.config import Config
from gemel.errors import ConfigError, MissingExtra
from gemel.model.base import Base
from gemel.model.template import ALSO, BEGIN, END, EOT, NOTE, PAD, SAYS, SPECIAL_TOKENS, TURN
from gemel.model.twin import prepare
from gemel.pipeline.merged import Merged, folded
from gemel.workspace import Workspace, atomic, atomic_folder

__all__ = ["export_gguf", "export_ollama"]

CUTS = "smollm"
"""Digits alone, then GPT-2's rule: differs from ours at typographic apostrophes and combining marks only."""
NORMAL, CONTROL, TYPED = 1, 3, 4
"""Kinds of tokens in GGUF."""
TENSORS = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
LAYER = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def export_gguf(
    workspace: Workspace, config: Config, target: Path, *, run: str | None = None, dtype: str = "fp16"
) -> Merged:
    """Write a voice (the current one by default) as the GGUF file `target`.

    Raises:
        MissingStage: when there is no voice.
        ConfigError: when `target` is there already, or llama.cpp would read the base wrongly.
        Refused: when the voice was trained on what has been forgotten since.
    """
    if target.exists():
        raise ConfigError(f"{target} is there already", hint="Give another name.")
    voice = folded(workspace, config, run)
    parts = prepare(workspace, config)
    parts.memory.close()
    me, partner = parts.card.name, next(iter(parts.card.partners), "")
    with atomic(target) as path:
        write_gguf(voice.base, path, me=me, partner=partner, dtype=dtype)
    cuts = "text with typographic apostrophes is cut into other tokens there than it was learned in"
    return Merged(parameters=voice.base.parameters, template="gemel", warnings=(*voice.warnings, cuts))


def export_ollama(
    workspace: Workspace, config: Config, target: Path, *, run: str | None = None, dtype: str = "fp16"
) -> Merged:
    """Write a voice and the Modelfile for `ollama create` into the folder `target`; raises as `export_gguf`."""
    if target.exists() and any(target.iterdir()):
        raise ConfigError(f"{target} is not empty", hint="Give a new folder.")
    with atomic_folder(target) as place:
        made = export_gguf(workspace, config, place / "voice.gguf", run=run, dtype=dtype)
        parts = prepare(workspace, config)
        parts.memory.close()
        me, partner = parts.card.name, next(iter(parts.card.partners), "")
        text = modelfile(me=me, partner=partner, context=config.model.context)
        (place / "Modelfile").write_text(text, encoding="utf-8")
    return made


def write_gguf(base: Base, path: Path, *, me: str, partner: str, dtype: str = "fp16") -> None:
    """Write a base with gemel's template.

    Args:
        me: the person's name in the examples.
        partner: name under which whoever asks is known.
        dtype: of the matrices, fp32 or fp16; vectors stay fp32.

    Raises:
        ConfigError: when it is no Llama with gemel's template.
        MissingExtra: where the package gguf is not installed.
    """
    try:
        import gguf
    except ModuleNotFoundError as error:
        raise MissingExtra("gguf", extra="export") from error
    shape = base.model.config
    rope = getattr(shape, "rope_parameters", None) or {}
    if (
        type(base.model).__name__ != "LlamaForCausalLM"
        or base.template.name != "gemel"
        or base.added
        or rope.get("rope_type", "default") != "default"
    ):
        raise ConfigError(
            f"a voice on '{base.name}' is not written as GGUF here",
            hint="`gemel export merged`, then llama.cpp's convert_hf_to_gguf.py, which knows its tokenizer.",
        )
    out = gguf.GGUFWriter(path, "llama")
    _describe(out, base, me)
    _vocabulary(out, base)
    out.add_chat_template(chat_template(me=me, partner=partner))
    half = dtype == "fp16"
    out.add_file_type(int(half))
    tied = shape.tie_word_embeddings
    for name, tensor in base.model.state_dict().items():
        if tied and name == "lm_head.weight":
            continue
        if name.endswith((".q_proj.weight", ".k_proj.weight")):
            heads = shape.num_attention_heads if ".q_proj" in name else shape.num_key_value_heads
            tensor = paired(tensor, heads)
        array = tensor.float().contiguous().numpy()
        out.add_tensor(_name(name), array.astype("float16") if half and array.ndim > 1 else array)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def paired(weight: Any, heads: int) -> Any:
    """A projection (heads * size, in) whose rotary halves stand beside each other, as llama.cpp turns them."""
    rows, width = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, width).transpose(1, 2).reshape(rows, width)


def chat_template(*, me: str, partner: str) -> str:
    """Jinja of gemel's template for one person who asks."""
    me, partner = json.dumps(me), json.dumps(partner)
    who = f"{{{{ {me} if m.role == 'assistant' else {partner} }}}}"
    head = f"{{% if m.role == 'system' %}}{NOTE}{{% else %}}{TURN}{who}{SAYS}{{% endif %}}"
    turns = f"{{% for m in messages %}}{head}{{{{ m.content }}}}{EOT}{{% endfor %}}"
    return f"{BEGIN}{turns}{{% if add_generation_prompt %}}{TURN}{{{{ {me} }}}}{SAYS}{{% endif %}}"


def modelfile(*, me: str, partner: str, context: int) -> str:
    """What `ollama create` reads."""
    who = f'{{{{ if eq .Role "assistant" }}}}{_plain(me)}{{{{ else }}}}{_plain(partner)}{{{{ end }}}}'
    turn = f'{{{{ if eq .Role "system" }}}}{NOTE}{{{{ else }}}}{TURN}{who}{SAYS}{{{{ end }}}}{{{{ .Content }}}}{EOT}'
    return (
        "FROM ./voice.gguf\n"
        f'TEMPLATE """{BEGIN}{{{{ range .Messages }}}}{turn}{{{{ end }}}}{TURN}{_plain(me)}{SAYS}"""\n'
        f"PARAMETER stop {EOT}\nPARAMETER stop {TURN}\nPARAMETER stop {END}\n"
        f"PARAMETER temperature 1\nPARAMETER num_ctx {context}\n"
        f'LICENSE """AI imitation of {_plain(me)}, made with gemel. Say so wherever it speaks."""\n'
    )


def _plain(name: str) -> str:
    return "".join(c for c in name if c.isalnum() or c in " .-'_")


def _describe(out: Any, base: Base, me: str) -> None:
    shape = base.model.config
    size = getattr(shape, "head_dim", None) or shape.hidden_size // shape.num_attention_heads
    out.add_name(f"AI imitation of {me}")
    out.add_description("A digital twin made with gemel: what it writes was not written by the person.")
    out.add_vocab_size(shape.vocab_size)
    out.add_context_length(base.context)
    out.add_embedding_length(shape.hidden_size)
    out.add_block_count(shape.num_hidden_layers)
    out.add_feed_forward_length(shape.intermediate_size)
    out.add_head_count(shape.num_attention_heads)
    out.add_head_count_kv(shape.num_key_value_heads)
    out.add_key_length(size)
    out.add_value_length(size)
    out.add_rope_dimension_count(size)
    out.add_rope_freq_base(float((shape.rope_parameters or {}).get("rope_theta", 10_000.0)))
    out.add_layer_norm_rms_eps(shape.rms_norm_eps)


def _vocabulary(out: Any, base: Base) -> None:
    said = json.loads(base.tokenizer.backend_tokenizer.to_str())["model"]
    names = {i: token for token, i in said["vocab"].items()}
    special = {base.tokenizer.convert_tokens_to_ids(token): token for token in SPECIAL_TOKENS}
    names |= special
    # The border between two messages of a burst is shown as, and read from, a line break.
    also = base.tokenizer.convert_tokens_to_ids(ALSO)
    kinds = [CONTROL if i in special or i not in names else NORMAL for i in range(base.model.config.vocab_size)]
    kinds[also] = TYPED
    names[also] = "\n"
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre(CUTS)
    out.add_token_list([names.get(i, f"<|unused:{i}|>") for i in range(len(kinds))])
    out.add_token_types(kinds)
    out.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in said["merges"]])
    by_name = {token: i for i, token in special.items()}
    out.add_bos_token_id(by_name[BEGIN])
    out.add_eos_token_id(by_name[END])
    out.add_eot_token_id(by_name[EOT])
    out.add_pad_token_id(by_name[PAD])
    out.add_add_bos_token(False)


def _name(name: str) -> str:
    if name in TENSORS:
        return TENSORS[name]
    _, _, layer, *rest = name.split(".")
    return f"blk.{layer}.{LAYER['.'.join(rest[:-1])]}.{rest[-1]}"
