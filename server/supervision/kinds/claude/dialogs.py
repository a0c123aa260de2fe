"""Questions on Claude Code's screen that keep it from its prompt. Their default is to exit or to refuse."""

from server.supervision.kinds.kind import Activity

_DIALOGS = (
    ("Quick safety check", "asks whether to trust its folder: answer in its terminal", "trust"),
    ("Detected a custom API key", "asks whether to use its key: answer in its terminal", "trust"),
    ("Select login method", "is not signed in: sign in in its terminal", "login"),
    ("Please run /login", "is not signed in: type /login in its terminal", "login"),
    ("Unable to connect to Anthropic services", "cannot reach its vendor's service", "login"),
    ("Bypass Permissions mode", "asks whether to act without asking: answer in its terminal", "trust"),
)


def dialog_on(text: str) -> Activity | None:
    """Return what a screen asks, or None if there is no question on it that we know."""
    joined = " ".join(text.split())
    for words, reason, code in _DIALOGS:
        if words in joined:
            return Activity("needs_you", reason, "screen", code)
    return None
