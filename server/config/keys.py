"""What the team file may say, and what of the format this version refuses because it could not honour it.

Nothing that a person relies on is ever ignored: a budget, a permission, an isolation that is not built yet is an error.
"""

KINDS = ("claude", "codex", "custom", "demo", "external", "gemini")
KINDS_NOT_YET = ("opencode",)
KINDS_THAT_THINK = ("claude", "codex", "gemini")
"""They have a model, permissions and instructions."""
KINDS_WITH_MODEL_CHOICES = ("claude",)
"""They can be told a fallback and how hard to think."""
KINDS_WITH_COMMAND = (*KINDS_THAT_THINK, "custom")
OPTIONS = {"codex": ("trust_project",), "demo": ("partner",), "gemini": ("trust_project",)}
"""What a kind understands beside the settings of all."""

JOBS = ("demo", "developer", "lead", "reviewer")
"""Roles that need not be declared: each has its instructions in `templates/roles`."""

HUMAN_ROLES = ("chairman", "operator", "viewer")
TOKEN_ROLES = ("lead", "member")
GRANTS = ("terminal_input",)
"""What a lead may do only where the team file says so."""
AUTHS = ("oauth", "api_key", "bedrock", "vertex", "none")
PERMISSION_MODES = ("ask", "plan", "accept_edits", "auto")

TOP = ("version", "team", "server", "humans", "channels", "defaults", "roles", "providers", "agents", "notifications")
TOP_NOT_YET = {
    "include": "Keep the team in one file.",
}

SERVER = (
    "host", "port", "data_dir", "register_secret", "behind_proxy", "public_url", "files", "retention", "backups",
)  # fmt: skip
FILES = ("max_size", "per_member")
SERVER_NOT_YET = {
    "tls": "Put a proxy that ends TLS in front and set behind_proxy: true.",
    "timezone": "Times are UTC, and shown in the reader's own zone.",
}

HUMAN = ("name", "role")
RETENTION = ("messages", "audit")
RETENTION_NOT_YET = {
    "terminal_log": "A terminal keeps its last 16 MiB.",
    "usage": "No usage is recorded.",
}
BACKUPS = ("every", "keep")

CHANNEL = ("id", "topic", "default_for", "keep")
CHANNEL_NOT_YET = {"posts": "Every member of a channel may write in it."}
PROVIDER = ("auth", "base_url", "token", "config_dir")

SETTINGS = (
    "kind", "role", "rights", "prompt", "model", "command", "workdir", "env", "restart", "stop", "session",
    "permissions", "channels", "autostart", "enabled", "description", "options", "guards", "budget", "limits",
    "grants", "on_rate_limit", "isolation",
)  # fmt: skip
"""Of an agent, a role and the defaults."""
AGENT_ONLY = ("count",)
ROLE = (*(key for key in SETTINGS if key != "role"), "extends")
SETTINGS_NOT_YET = {
    "tools": "Every agent gets the tools of its rights.",
    "notify": "Nothing would be sent.",
    "schedules": "Make them in the dashboard or with `bullpen schedule add`.",
    "depends_on": "Agents start side by side.",
    "healthcheck": "Only the end of the process and the connection of the agent are watched.",
    "idle_stop": "Agents run until they are stopped.",
    "can": "What an agent may do follows from its rights: lead or member.",
}

NOTIFICATIONS = ("quiet_hours", "targets", "digest")
QUIET_HOURS = ("from", "to", "tz", "except")
DIGEST = ("cron", "to", "tz")
TARGET_TYPES = ("webhook", "ntfy", "email", "wechat")
TARGET = ("type", "events", "allow_private")
TARGET_OF = {
    "webhook": (*TARGET, "url", "for", "format", "secret"),
    "ntfy": (*TARGET, "url", "for", "token"),
    "email": (*TARGET, "url", "for", "from", "to"),
    "wechat": (*TARGET, "senders", "inbound", "base_url"),
}
TARGET_KEYS = tuple(dict.fromkeys(key for known in TARGET_OF.values() for key in known))
WEBHOOK_FORMATS = ("json", "slack")
NOTIFICATION_KINDS = ("needs_you", "agent_failed", "mention", "dm", "task_done", "guard", "digest")
"""What a target can be told of."""
PERSONAL_KINDS = ("mention", "dm")
"""What concerns one person alone."""
NOTIFICATION_REASONS = ("permission", "question", "approval", "crash_loop", "fatal", "budget_exceeded")
"""What quiet hours tell apart within a kind."""

GUARDS = (
    "hops", "pair_per_min", "pair_per_5_min", "agent_msgs_without_human", "repeats", "self_per_min", "human_per_min",
    "bot_per_min",
)  # fmt: skip
"""Numbers of `guards`, beside the flag `acknowledgements`."""
MODEL = ("name", "provider", "fallback", "effort")
EFFORTS = ("low", "medium", "high", "xhigh", "max")
WORKDIR_MODES = ("dir", "worktree", "clone", "temp")
WORKDIR = ("mode", "path", "repo", "base", "branch", "copy", "setup", "on_stop")
BRANCH_FIELDS = ("name", "team", "date")
"""What a branch may hold in braces."""
ISOLATIONS = ("none", "bwrap")
ISOLATION = ("mode", "read", "write")
ENV = ("allow", "set", "secret")
ENV_OURS = ("HOME", "TMPDIR", "CLAUDE_CONFIG_DIR", "CODEX_HOME", "GEMINI_CLI_HOME")
RESTART = ("policy", "backoff", "max", "within", "min_uptime")
RESTART_POLICIES = ("never", "on-failure", "always")
STOP = ("grace", "signal", "tree")
BUDGET = ("per_day", "per_task", "per_month", "warn_at", "on_exceed")
ON_EXCEED = ("notify", "pause_and_ask", "stop")
LIMITS = ("memory", "cpu", "pids", "open_files")
SESSION = ("resume",)
PERMISSIONS = ("mode", "i_understand", "allow", "deny", "remember", "timeout", "on_timeout")
PERMISSIONS_OF_CLAUDE = ("allow", "deny", "remember", "timeout", "on_timeout")
"""The others ask in their terminal, and have rules of another form."""
REMEMBER = ("none", "session", "always")
ON_TIMEOUT = ("deny", "keep_waiting")
ON_RATE_LIMIT = ("wait_and_resume", "hold", "stop")
STALL = ("stall_after", "on_stall")
"""Of `guards`, too."""
ON_STALL = ("notify", "interrupt", "restart")
