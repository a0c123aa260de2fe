"""Named permissions and the roles that hold them: one flat list that tells all there is to permit."""

from dataclasses import dataclass

HUMAN_ROLES = ("chairman", "operator", "viewer")
"""Each can do what the next can, and more."""
WORKER_ROLES = ("lead", "member")
"""Roles of agents and bots."""
SYSTEM_ROLE = "system"
"""The server itself: supervisor, courier, clockwork. No token carries it."""

_EVERYBODY = frozenset({*HUMAN_ROLES, *WORKER_ROLES})
_SPEAKERS = _EVERYBODY - {"viewer"}


@dataclass(frozen=True)
class Permission:
    """A right with a name, what it lets one do, and the roles that hold it."""

    name: str
    description: str
    roles: frozenset[str]

    def admits(self, role: str) -> bool:
        return role in self.roles


READ = Permission("read", "See the team, its channels and what one may read in them.", _EVERYBODY | {SYSTEM_ROLE})
SPEAK = Permission(
    "speak", "Write in channels and direct messages, acknowledge, create channels.", _SPEAKERS | {SYSTEM_ROLE}
)
OPERATE = Permission(
    "operate", "Start, stop and restart agents.", frozenset({"chairman", "operator", "lead", SYSTEM_ROLE})
)
WATCH_TERMINALS = Permission(
    "watch_terminals", "See terminals, logs and exits of agents.", frozenset({*HUMAN_ROLES, "lead"})
)
TYPE_IN_TERMINALS = Permission(
    "type_in_terminals", "Type into an agent's terminal.", frozenset({"chairman", "operator"})
)
SEND_KEYS = Permission(
    "send_keys",
    "Send keys to an agent's terminal. A lead needs the grant `terminal_input` for it.",
    frozenset({"chairman", "operator", "lead"}),
)
MANAGE_MEMBERS = Permission(
    "manage_members", "Create members, mint, rotate and revoke their tokens.", frozenset({"chairman", SYSTEM_ROLE})
)
MANAGE_DATA = Permission(
    "manage_data", "Make backups, and say how long messages are kept.", frozenset({"chairman", SYSTEM_ROLE})
)
MANAGE_BUDGETS = Permission("manage_budgets", "Set what agents may cost.", frozenset({"chairman", "operator"}))
READ_AUDIT = Permission("read_audit", "Read who changed what.", frozenset({"chairman", "operator"}))
MANAGE_NOTIFICATIONS = Permission(
    "manage_notifications",
    "See what is told to the outside, test and retry it, sign chat bridges in and out.",
    frozenset({"chairman", "operator"}),
)
SYSTEM = Permission("system", "Report what the server itself observes.", frozenset({SYSTEM_ROLE}))
ANYBODY = Permission("anybody", "Needs no credentials.", _EVERYBODY | {SYSTEM_ROLE, "anonymous"})

PERMISSIONS = (
    *(READ, SPEAK, OPERATE, WATCH_TERMINALS, TYPE_IN_TERMINALS, SEND_KEYS, MANAGE_MEMBERS, READ_AUDIT, MANAGE_DATA),
    *(MANAGE_NOTIFICATIONS, MANAGE_BUDGETS, SYSTEM, ANYBODY),
)
