"""Every feature there is, in its declared order: a later one may call an earlier one's functions."""

from server.features import (
    agents,
    audit,
    backups,
    channel_changes,
    channels,
    deliveries,
    figures,
    goals,
    holding,
    knowledge,
    members,
    profiles,
    reads,
    reports,
    reservations,
    sessions,
    snapshot,
    team,
    terminals,
    typing,
)
from server.features.approvals import deciding, links, needs, permissions, proposals, queue, troubles
from server.features.files import adding, folders
from server.features.files import reading as files_reading
from server.features.guards import asking, decisions, limits
from server.features.inbox import acknowledging, changes, checking_in, unread, views
from server.features.messages import editing, exporting, history, pins, preview, reactions, search, sending, unseen
from server.features.notifications import chat, digests, following, targets
from server.features.notifications import queue as notification_queue
from server.features.notifications import sending as notification_sending
from server.features.retention import policy, removal, sweeping
from server.features.schedules import calendar, firing
from server.features.state import gaps, past, routing, store, trail
from server.features.tasks import board, claims, reading, reminders
from server.features.usage import agents as usage_agents
from server.features.usage import budgets, counting, exceeding, totals

FEATURES = (
    team,
    reads,
    channels,
    members,
    sessions,
    agents,
    holding,
    deliveries,
    channel_changes,
    adding,
    files_reading,
    folders,
    sending,
    preview,
    history,
    search,
    editing,
    reactions,
    pins,
    unseen,
    typing,
    limits,
    decisions,
    queue,
    deciding,
    asking,
    permissions,
    troubles,
    links,
    needs,
    proposals,
    store,
    past,
    trail,
    routing,
    gaps,
    profiles,
    board,
    reading,
    claims,
    reminders,
    calendar,
    firing,
    views,
    changes,
    unread,
    acknowledging,
    checking_in,
    knowledge,
    goals,
    reservations,
    totals,
    budgets,
    usage_agents,
    exceeding,
    counting,
    snapshot,
    terminals,
    audit,
    reports,
    figures,
    targets,
    notification_queue,
    notification_sending,
    chat,
    following,
    digests,
    policy,
    removal,
    sweeping,
    exporting,
    backups,
)
