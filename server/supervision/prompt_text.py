"""Text that enters an agent's prompt: what others wrote, cleaned and put in a frame that it cannot leave.

Cleaning changes what could steer a terminal, hide from a reader, or pass for the CLI's or the server's own words.
What a message asks for is not judged here.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

MESSAGE_LIMIT = 4_000
"""Characters of one message in a push; the rest is fetched."""
PUSH_LIMIT = 24_000
"""Characters of all messages in a push; those that do not fit are named, to be fetched."""

_PUSH_ID = re.compile(r"\[bp-([0-9a-z]{4,32})\]")
_ESCAPE_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI, with the markers of a bracketed paste
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\|\x9c)"  # OSC, DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-~]?"
)
_LINE_END = re.compile(r"\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_DROPPED = frozenset({"Cc", "Cf", "Cs", "Co"})
"""Controls; bidi, zero-width and tag characters; lone surrogates; private use."""
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u2065\u3164\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff"
    "\ufe00-\ufe0d"  # variation selectors that no ordinary text uses; FE0E and FE0F are emoji's
    "\ufdd0-\ufdef\ufffe\uffff]"
)
_TAG = re.compile(
    r"<(?=\s{0,8}/?\s{0,8}(?:[\w-]{1,32}:)?(?:"
    r"system|assistant|human|user|teammate|cross-session|channel|task-|local-command|command-|bash-|tool|function|invoke"
    r"|parameter|result|thinking|pasted_content|persisted-output|antml"
    r"))",
    re.IGNORECASE,
)
_NO_TAG = "\u2039"
"""What an opening bracket becomes; it looks much the same."""
_OWN_MARK = re.compile(r"\[(?=bp-)")


@dataclass(frozen=True)
class PromptMessage:
    """One message as it is put before an agent. All but the content is the server's word."""

    id: str
    channel: str
    """As the agent names it: `#general`, `dm:ada`."""
    sender: str
    sender_kind: str
    """human | agent | bot | system"""
    sender_role: str
    content: str
    reply_to: str | None = None


def clean_text(text: str) -> str:
    """Return what somebody wrote without what is hidden, without tags that mean something, and without push ids."""
    return _OWN_MARK.sub("(", _TAG.sub(_NO_TAG, visible_text(text)))


def visible_text(text: str) -> str:
    """Return a text without control, invisible and direction-changing characters; \\n and \\t stay."""
    text = _LINE_END.sub("\n", _ESCAPE_SEQUENCE.sub("", text))
    text = "".join(character for character in text if character in "\n\t" or not _is_hidden(character))
    return _INVISIBLE.sub("", text)


def revealed_text(text: str) -> str:
    """Return a text in which what a reader would not see is named, as ⟨U+202E⟩; \n and \t stay.

    For what a person is to decide about: nothing may be left out of it, and nothing may hide in it.
    """
    return "".join(
        f"⟨U+{ord(character):04X}⟩"
        if character not in "\n\t" and (_is_hidden(character) or _INVISIBLE.match(character))
        else character
        for character in text
    )


def compose_push(push_id: str, messages: Sequence[PromptMessage]) -> str:
    """Return one text that puts several messages before an agent, with the way to answer each.

    Every line of what others wrote begins with `| `; every other line is ours.
    """
    lines = [f"[bp-{push_id}] {_count(messages)} for you in Bullpen. Lines after | were written by the sender named."]
    room = PUSH_LIMIT
    for message in messages:
        content = clean_text(message.content)
        more = f"get_history, channel {_word(message.channel)!r}"
        lines += ["", _heading(message)]
        shown = content[: min(MESSAGE_LIMIT, room)]
        room -= len(shown)
        if shown or not content:
            lines += [f"| {line}" for line in shown.split("\n")]
        if len(shown) < len(content):
            lines.append(f"({len(content) - len(shown)} more characters: {more})")
    return "\n".join([*lines, "", _how_to_answer(messages)])


def compose_notice(push_id: str, messages: Sequence[PromptMessage]) -> str:
    """Return one line that says what waits without a word of it, for a way that has a person's authority."""
    named = (f"{_word(message.sender)} ({_word(message.sender_kind)})" for message in messages)
    senders = ", ".join(dict.fromkeys(named))
    return (
        f"[bp-{push_id}] {_count(messages)} for you in Bullpen, from {senders}. "
        f"Read with the tool check_in and answer with send_message."
    )


def find_push_ids(text: str) -> tuple[str, ...]:
    """Return the ids of our pushes in a text that came back from a CLI, in order; cleaned content has none."""
    return tuple(_PUSH_ID.findall(text))


def _is_hidden(character: str) -> bool:
    if character.isascii():
        return not character.isprintable()
    return unicodedata.category(character) in _DROPPED


def _word(text: str) -> str:
    """Return a name on one line, whatever the caller passed."""
    return " ".join(clean_text(text).split())


def _count(messages: Sequence[PromptMessage]) -> str:
    return "1 new message" if len(messages) == 1 else f"{len(messages)} new messages"


def _heading(message: PromptMessage) -> str:
    sender = f"{_word(message.sender)} ({_word(message.sender_kind)}, {_word(message.sender_role)})"
    reply = f", a reply to {_word(message.reply_to)}" if message.reply_to else ""
    return f"{_word(message.id)} in {_word(message.channel)} from {sender}{reply}:"


def _how_to_answer(messages: Sequence[PromptMessage]) -> str:
    last = messages[-1]
    # In a channel the answer stands beside the question, in a thread it stays in the thread.
    thread = f", reply_to={_word(last.id)!r}" if last.reply_to else ""
    call = f"channel={_word(last.channel)!r}{thread}"
    each = "" if len(messages) == 1 else " (each where it was asked)"
    return (
        f"Answer with the tool send_message: {call}{each}. What you only print here reaches nobody. "
        "If no answer is needed, send none."
    )
