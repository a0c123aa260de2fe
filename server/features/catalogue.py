"""Every feature there is, in its declared order: a later one may call an earlier one's functions."""

from server.features import (
    agents,
    audit,
    channel_changes,
    channels,
    deliveries,
    figures,
    goals,
    inbox,
    knowledge,
    members,
    profiles,
    reports,
    reservations,
    sessions,
    snapshot,
    team,
    terminals,
)
from server.features.approvals import proposals, queue
from server.features.files import adding, folders
from server.features.files import reading as files_reading
from server.features.guards import asking, decisions, limits
from server.features.messages import editing, history, pins, preview, reactions, search, sending, unseen
from server.features.notifications import chat, digests, following, targets
from server.features.notifications import queue as notification_queue
from server.features.notifications import sending as notification_sending
from server.features.schedules import calendar, firing
from server.features.state import gaps, past, routing, store, trail
from server.features.tasks import board, claims, reading, reminders

FEATURES = (
    team,
    channels,
    members,
    sessions,
    agents,
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
    inbox,
    limits,
    decisions,
    queue,
    asking,
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
    knowledge,
    goals,
    reservations,
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
)
