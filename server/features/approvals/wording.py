"""What is said of a request: to a model that lists it, and to who asked."""

from server.features.approvals.model import Approval


def describe_approval(approval: Approval) -> str:
    """Say in a line what a request is and how it stands."""
    if approval.status == "pending":
        until = f" until {approval.expires_at[11:16]} UTC" if approval.expires_at else ""
        return f"{approval.id} waits for a person{until}: {approval.summary}"
    return f"{approval.id} {outcome_of(approval)}: {approval.summary}"


def outcome_of(approval: Approval) -> str:
    """Say what became of a request."""
    if approval.status == "expired":
        return "was denied by time: nobody decided"
    if approval.status == "closed":
        return f"is closed: {approval.comment}"
    if approval.status == "answered":
        return f"was answered by {approval.decided_by}: {approval.answer}"
    by = f" by {approval.decided_by}" if approval.decided_by else ""
    return f"was {approval.status}{by}" + (f" ({approval.comment})" if approval.comment else "")


def told_of(approval: Approval) -> str:
    """Say to who asked what became of it."""
    return f"{approval.id} “{approval.summary}” {outcome_of(approval)}."
