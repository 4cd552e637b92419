"""A voice in llama.cpp's format: the same log-probabilities, the same tokens, and what it cannot hold is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from jinja2 import Template
from transformers import AutoModelForCausalLM

from gemel.cli.export import command
from gemel.errors import ConfigError, Refused
from gemel.examples import Role, Turn
from gemel.model.base import load_base, save_base_file
from gemel.model.lora import AdapterSpec, inject, save_adapter
from gemel.model.template import reply_header
from gemel.pipeline.llamacpp import chat_template, export_gguf, modelfile, write_gguf
from gemel.pipeline.merged import folded
from gemel.privacy.unservable import mark_unservable
from gemel.workspace import Manifest, Workspace
from tests.tiny import tiny_base
from tests.twins import twin_config, twin_workspace

gguf = pytest.importorskip("gguf")
IDS = [1, 40, 41, 42, 3, 99, 98, 6]


def adapted(root: Path) -> Workspace:
    """A twin whose voice is an adapter."""
    workspace = twin_workspace(root, run=False)
    base = load_base(twin_config(root).model)
    folder = workspace.run("r2")
    folder.mkdir(parents=True)
    inject(base.model, AdapterSpec(rank=4, alpha=8.0), seed=1)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, p in base.model.named_parameters():
            if "lora_B" in name:
                p.normal_(std=0.3)
    save_adapter(base.model, folder / "adapter", base="tiny")
    save_base_file(folder, base, "")
    Manifest(stage="train", fingerprint="t").write(folder)
    workspace.promote("r2")
    return workspace


def log_probs(model: torch.nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        return torch.log_softmax(model(torch.tensor([IDS])).logits.float(), -1)


@pytest.mark.parametrize(("dtype", "gap"), [("fp32", 1e-5), ("fp16", 0.02)])
def test_the_file_agrees_with_the_voice(tmp_path: Path, dtype: str, gap: float) -> None:
    here, config = adapted(tmp_path), twin_config(tmp_path)
    made = export_gguf(here, config, tmp_path / "voice.gguf", dtype=dtype)
    assert made.template == "gemel"
    read = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="voice.gguf", dtype=torch.float32)
    voice = folded(here, config).base
    assert float((log_probs(read) - log_probs(voice.model)).abs().max()) < gap
    assert float((log_probs(read) - log_probs(load_base(config.model).model)).abs().max()) > 10 * gap
    with pytest.raises(ConfigError, match="there already"):
        export_gguf(here, config, tmp_path / "voice.gguf")


@pytest.mark.parametrize(
    "shape", [{}, {"num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": False}]
)
def test_heads_and_heads_of_their_own(tmp_path: Path, shape: dict[str, int]) -> None:
    base = tiny_base(tmp_path / "base", **shape)
    write_gguf(base, tmp_path / "a.gguf", me="Tom", partner="Mara", dtype="fp32")
    read = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="a.gguf", dtype=torch.float32)
    assert torch.allclose(log_probs(read), log_probs(base.model), atol=1e-5)


def test_tokens_and_disclosure_are_in_the_file(tmp_path: Path) -> None:
    base = tiny_base(tmp_path / "base")
    write_gguf(base, tmp_path / "a.gguf", me="Tom", partner="Mara")
    said = gguf.GGUFReader(tmp_path / "a.gguf").fields
    tokens = said["tokenizer.ggml.tokens"].contents()
    assert len(tokens) == base.model.config.vocab_size
    assert [tokens[i] for i in (0, 1, 2, 3, 4, 6)] == [
        "<|pad|>",
        "<|begin|>",
        "<|end|>",
        "<|turn|>",
        "<|says|>",
        "<|eot|>",
    ]
    assert tokens[5] == "\n"  # what parts two messages is a line break for everybody else
    assert said["tokenizer.ggml.token_type"].contents()[3:6] == [3, 3, 4]
    assert said["general.name"].contents() == "AI imitation of Tom"


def test_templates_write_what_the_voice_reads() -> None:
    turns = [
        Turn(role=Role.system, parts=("be short",)),
        Turn(role=Role.other, parts=("are you there?",), name="Mara"),
        Turn(role=Role.me, parts=("yes",), name="Tom"),
        Turn(role=Role.other, parts=("and now?",), name="Mara"),
    ]
    roles = {Role.system: "system", Role.other: "user", Role.me: "assistant"}
    messages = [{"role": roles[t.role], "content": t.text} for t in turns]
    wanted = "".join(s.text for s in reply_header(turns, name="Tom"))
    jinja = Template(chat_template(me="Tom", partner="Mara"))
    assert jinja.render(messages=messages, add_generation_prompt=True) == wanted
    said = modelfile(me='To"""m', partner="Mara", context=512)
    assert "AI imitation of Tom" in said
    assert said.count('"""') == 4


def test_other_bases_and_forgotten_voices_are_refused(tmp_path: Path) -> None:
    from dataclasses import replace

    base = tiny_base(tmp_path / "b")
    with pytest.raises(ConfigError, match="not written as GGUF"):
        write_gguf(replace(base, added=3), tmp_path / "a.gguf", me="Tom", partner="")
    here = adapted(tmp_path)
    mark_unservable(here.run("r2"), "somebody was forgotten")
    with pytest.raises(Refused):
        export_gguf(here, twin_config(tmp_path), tmp_path / "voice.gguf")
    assert not (tmp_path / "voice.gguf").exists()


def test_the_commands(tmp_path: Path) -> None:
    here = adapted(tmp_path)
    here.config_path.write_text('[model]\nembedder = "hash"\n', encoding="utf-8")
    run = CliRunner()
    done = run.invoke(command, ["gguf", str(tmp_path / "v.gguf"), "--twin", str(here.root)])
    assert done.exit_code == 0, done.output
    done = run.invoke(command, ["ollama", str(tmp_path / "o"), "--twin", str(here.root), "--dtype", "fp32"])
    assert done.exit_code == 0, done.output
    assert sorted(p.name for p in (tmp_path / "o").iterdir()) == ["Modelfile", "voice.gguf"]
    assert (tmp_path / "o" / "Modelfile").read_text(encoding="utf-8").startswith("FROM ./voice.gguf\n")
