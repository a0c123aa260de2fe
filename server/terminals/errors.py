"""What can go wrong between the server and a holder."""

from server.core.errors import Conflict, Unavailable


class AlreadyHeld(Conflict):
    """The agent has a holder: look at it with `adoption.examine` before starting another."""

    code = "already_held"


class HolderFailed(Unavailable):
    """The holder did not start, or refused what was asked of it."""

    code = "holder_failed"


class HolderLost(Unavailable):
    """The connection to a holder ended, or it does not answer."""

    code = "holder_lost"


class InputFull(Unavailable):
    """The agent does not read what was typed before; type it again later."""

    code = "input_full"
