"""`gemel talk`: talk to the twin in the terminal, or through a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gemel.cli.output import show_progress, twin_option

if TYPE_CHECKING:
    from gemel.examples import Turn
    from gemel.speaker import Reply

__all__ = ["command"]

HELP = """\
/voice  /assisted    answer by the model alone, or choose between samples and quotations
/to NAME             speak as NAME; /to alone lists who is known
/temperature X       0 to 2; 1 keeps the person's own spread
/again               another answer to the last message
/why                 where the last answer comes from
/good  /bad          sounds like me, does not
/edit TEXT           what I would have said (/ between messages)
/rule TEXT           something that always holds; /rule alone lists them
/save FILE           write this conversation to a file
/new                 begin another conversation
/quit                leave (also Ctrl-D); Ctrl-C stops an answer"""


@click.command()
@twin_option
@click.option("--voice", "answer", flag_value="voice", help="Answer by the model alone; streams.")
@click.option("--assisted", "answer", flag_value="assisted", help="Choose between samples and quotations.")
@click.option("--to", "recipient", default="", help="Who you speak as; default: who the person writes with most.")
@click.option("--temperature", type=click.FloatRange(0, 2), default=1.0, show_default=True)
@click.option(
    "--max-tokens", type=click.IntRange(1), default=120, show_default=True, help="Length of an answer at most."
)
@click.option("--seed", type=int, default=None, help="Repeatable answers.")
def command(
    twin: Path, answer: str | None, recipient: str, temperature: float, max_tokens: int, seed: int | None
) -> None:
    """Talk to the twin. Lines that begin with / are commands: /help lists them.

    Input may be piped: every line is a message, and the answers are plain lines.
    """
    with show_progress():
        talk = _Talk(twin, answer, temperature, max_tokens, seed)
    try:
        if recipient:
            talk.to(recipient)
        talk.run()
    finally:
        talk.close()


class _Talk:
    """One conversation, with what can be said about it."""

    def __init__(self, folder: Path, answer: str | None, temperature: float, max_tokens: int, seed: int | None) -> None:
        from gemel.feedback import Feedback
        from gemel.model.display import Display
        from gemel.model.outgoing import Outgoing
        from gemel.model.twin import load_twin
        from gemel.workspace import Workspace

        self.workspace = Workspace(folder)
        self.config = self.workspace.config()
        self.twin = load_twin(self.workspace, self.config, answer, batch=8)
        self.display = Display(self.workspace, self.config)
        self.outgoing = Outgoing(self.workspace, self.config)
        self.feedback = Feedback(self.workspace.feedback_path)
        self.temperature, self.max_tokens, self.seed = temperature, max_tokens, seed
        self.name = self.twin.partner
        self.rules: list[str] = []
        self.turns: list[Turn] = []
        self.reply: Reply | None = None
        self.conversation: str | None = None
        self.last_id: str | None = None
        self.asked_id: str | None = None
        self.reply_id: str | None = None
        self.terminal = sys.stdin.isatty() and sys.stdout.isatty()

    # the loop -----------------------------------------------------------------
    def run(self) -> None:
        """Until the end of the input."""
        if self.terminal:
            voice = (
                f", voice {self.twin.run}" if self.twin.run else ", no voice trained yet: the base, told by the card"
            )
            click.secho(self.twin.disclosure, bold=True)
            click.echo(f"{self.twin.answer}{voice}. You speak as {self._shown(self.name) or 'nobody in particular'}.")
            click.echo("/help lists what you can do.\n")
        for line in _lines(self.terminal):
            text = line.strip()
            if text in ("/quit", "/exit", "/q"):
                break
            if text.startswith("/"):
                self.obey(text)
            elif text:
                self.say(text)

    def close(self) -> None:
        """Let go of the twin and the feedback."""
        self.twin.close()
        self.outgoing.close()
        self.feedback.close()

    def say(self, text: str) -> None:
        """A message to the twin and its answer."""
        from gemel.examples import Role, Turn
        from gemel.feedback import Said

        if not self.terminal:
            click.echo(f"{self._shown(self.name) or 'you'}: {text}")
        inside = tuple(self.display.inward(part.strip()) for part in text.split(" / ") if part.strip())
        self.turns.append(Turn(role=Role.other, parts=inside, name=self.name, time=datetime.now(UTC)))
        said = Said(role="other", parts=tuple(text.split(" / ")), name=self._shown(self.name), parent=self.last_id)
        self.last_id = self.asked_id = self.feedback.add(self._conversation(text), said)
        self.answer()

    def answer(self) -> None:
        """Answer what stands."""
        from gemel.examples import Role, Turn
        from gemel.feedback import Said
        from gemel.speaker import Reply, Sampling

        seed = None if self.seed is None else self.seed + len(self.turns)
        sampling = Sampling(
            temperature=self.temperature, top_p=self.config.serve.top_p, max_tokens=self.max_tokens, seed=seed
        )
        done: list[Reply] = []

        def pieces() -> Iterator[str]:
            for piece in self.outgoing.pieces(self.twin.stream(self.turns, sampling=sampling)):
                if isinstance(piece, Reply):
                    done.append(piece)
                else:
                    yield piece

        indent = " " * (len(self.twin.name) + 2)
        click.secho(f"{self.twin.name}: ", nl=False, fg="cyan")
        try:
            for piece in self.display.stream(pieces()):
                click.echo(piece.replace("\n", f"\n{indent}"), nl=False)
        except KeyboardInterrupt:
            click.echo(" (stopped)")
            return
        reply = self.reply = done[0]
        click.echo(f"   [{self._source(reply)}]" if reply.quoted else "")
        if self.terminal:
            click.echo()
        self.turns.append(Turn(role=Role.me, parts=reply.parts, name=self.twin.me, time=datetime.now(UTC)))
        shown = tuple(self.display.outward(part) for part in reply.parts)
        extra = {"quoted": reply.quoted, "record": reply.citations[0].record if reply.citations else ""}
        said = Said(
            role="me",
            parts=shown,
            name=self.twin.name,
            parent=self.asked_id,
            speaker=reply.speaker,
            version=self.twin.run,
            extra=extra,
        )
        self.last_id = self.reply_id = self.feedback.add(self._conversation(""), said)

    # commands -------------------------------------------------------------------
    def obey(self, text: str) -> None:
        """A line that begins with a slash."""
        name, _, rest = text[1:].partition(" ")
        commands: dict[str, Callable[[str], None]] = {
            "help": lambda _: click.echo(HELP),
            "voice": lambda _: self.by("voice"),
            "assisted": lambda _: self.by("assisted"),
            "memory": lambda _: self.by("memory"),
            "to": self.to,
            "temperature": self.warm,
            "again": lambda _: self.again(),
            "why": lambda _: self.why(),
            "good": lambda _: self.rate(1),
            "bad": lambda _: self.rate(-1),
            "edit": self.edit,
            "rule": self.rule,
            "save": self.save,
            "new": self.new,
        }
        if name not in commands:
            click.echo(f"There is no command /{name}. /help lists them.")
            return
        commands[name](rest.strip())

    def by(self, way: str) -> None:
        """Another way to answer."""
        if way in self.twin.speakers:
            self.twin.answer = way
            click.echo(f"Answers by {way}.")
        else:
            click.echo(f"This twin has no '{way}'. It has: {', '.join(self.twin.speakers)}.")

    def to(self, name: str) -> None:
        """Speak as somebody."""
        if not name:
            known = [f"{self._shown(n)} ({count})" for n, count in list(self.twin.card.partners.items())[:20]]
            click.echo(f"You speak as {self._shown(self.name) or 'nobody in particular'}. Known: {', '.join(known)}.")
            return
        inside = self.display.inward(name)
        partners = {p.casefold(): p for p in self.twin.card.partners}
        self.name = partners.get(inside.casefold(), inside)
        known_as = "" if self.name in self.twin.card.partners else ", whom the twin has never met"
        click.echo(f"You speak as {name}{known_as}.")

    def warm(self, value: str) -> None:
        """Another temperature."""
        try:
            wanted = float(value)
        except ValueError:
            wanted = -1.0
        if 0 <= wanted <= 2:
            self.temperature = wanted
        click.echo(f"Temperature {self.temperature:g}." + ("" if 0 <= wanted <= 2 else " It goes from 0 to 2."))

    def again(self) -> None:
        """Another answer to the same."""
        from gemel.examples import Role

        if not self.turns:
            click.echo("Nothing was asked yet.")
            return
        if self.turns[-1].role is Role.me:
            self.turns.pop()
        self.seed = None if self.seed is None else self.seed + 1000
        self.answer()

    def why(self) -> None:
        """Where the last answer comes from."""
        if self.reply is None:
            click.echo("Nothing was answered yet.")
            return
        click.echo(f"By {self.reply.speaker}, temperature {self.temperature:g}.")
        for citation in self.reply.citations:
            click.echo(f"  own words, {citation.title or 'undated'}, record {citation.record}")
        candidates = self.reply.extra.get("candidates", ())
        for candidate in candidates[:6]:
            kind = "quoted" if candidate.past else "sampled"
            click.echo(f"  {candidate.gain:+7.2f} nats  {kind:8}{self._shown(' / '.join(candidate.parts))}")
        if candidates:
            click.echo("  Ranked by what the conversation adds to an answer's log-probability.")

    def rate(self, value: int) -> None:
        """Sounds like me, or not."""
        if self.reply_id is None:
            click.echo("Nothing was answered yet.")
            return
        self.feedback.rate(self.reply_id, value)
        click.echo("Noted.")

    def edit(self, text: str) -> None:
        """What I would have said."""
        from dataclasses import replace

        if self.reply_id is None or not text:
            click.echo("Say what you would have said: /edit TEXT, after an answer.")
            return
        parts = tuple(p.strip() for p in text.split(" / ") if p.strip())
        self.feedback.edit(self.reply_id, parts)
        self.turns[-1] = replace(self.turns[-1], parts=tuple(self.display.inward(p) for p in parts))
        click.echo("Noted; the conversation goes on from there.")

    def rule(self, text: str) -> None:
        """Something that always holds."""
        if text:
            from gemel.model.never import forbidden
            from gemel.model.twin import SMALL, ruled

            self.feedback.add_rule(text)
            self.rules.append(text)
            self.twin.speakers.update(ruled(self.twin, self.twin.speakers, self.rules))
            base = self.twin.engine and self.twin.engine.base
            heeded = base is None or base.parameters >= SMALL or forbidden([text])
            click.echo(
                "Kept: it holds from the next answer on."
                if heeded
                else "Kept, but a base this small can only avoid words (never say X); larger ones follow it."
            )
        for rule in self.feedback.rules():
            click.echo(f"  {rule.text}")

    def save(self, name: str) -> None:
        """Write the conversation to a file."""
        path = Path(name or f"talk-{datetime.now():%Y-%m-%d-%H%M}.txt").expanduser()
        lines = [f"{self.twin.disclosure} ({self.twin.answer}, {self.twin.run or 'no voice'})", ""]
        lines += [f"{self._shown(t.name)}: {self._shown(' / '.join(t.parts))}" for t in self.turns]
        try:
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        except OSError as error:
            click.echo(f"{path} cannot be written: {error.strerror}.")
        else:
            click.echo(f"Written to {path}.")

    def new(self, _: str) -> None:
        """Begin another conversation."""
        self.turns = []
        self.reply = None
        self.conversation = self.last_id = self.asked_id = self.reply_id = None

    # inside -----------------------------------------------------------------------
    def _conversation(self, title: str) -> str:
        if self.conversation is None:
            self.conversation = self.feedback.begin(title[:60], recipient=self._shown(self.name))
        return self.conversation

    def _shown(self, text: str) -> str:
        if text == self.twin.me:
            return self.twin.name
        return self.display.outward(text)

    @staticmethod
    def _source(reply: Any) -> str:
        title = reply.citations[0].title if reply.citations else ""
        return "own words" + (f", {title}" if title else "")


def _lines(terminal: bool) -> Iterator[str]:
    """Lines that were typed or piped; Ctrl-C clears a line."""
    if not terminal:
        yield from sys.stdin
        return
    try:
        import readline  # noqa: F401 (arrow keys and history in input)
    except ImportError:
        pass
    while True:
        try:
            yield input("you: ")
        except EOFError:
            click.echo()
            return
        except KeyboardInterrupt:
            click.echo()
