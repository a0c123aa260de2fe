"""What happens when a budget is nearly or wholly used: one warning, then a pause and one question, or what it says."""

from server.core.amount import Amount, describe_amount, parse_amount
from server.core.call import SYSTEM_CALLER, Call, Caller
from server.core.operation import command
from server.core.permission import SYSTEM
from server.features.agents import AgentAsked, AgentStatus, find_agent, stop
from server.features.approvals.queue import ask
from server.features.holding import AgentHeld, pause, resume
from server.features.messages.sending import NOTICE_EVENTS, send_notice
from server.features.tasks.model import task_id
from server.features.usage.budgets import (
    BudgetExceeded,
    BudgetWarned,
    Standing,
    find_budget,
    standings,
)

HOLDER = "budget"
"""Who paused it, as its card says."""
KEEP, STOP = "keep paused", "stop"
_OPEN_FOR_S = 7 * 86_400
_AT_ONCE = 50


def hold_to_budget(call: Call, name: str, task: int | None) -> None:
    """Warn of what is nearly used, once; act on what is used up, once."""
    budget = find_budget(call, name)
    if budget is None:
        return
    for standing in standings(call, name, task):
        if standing.spent >= standing.limit and not standing.exceeded:
            _exceed(call, name, standing, budget["on_exceed"], budget[f"per_{standing.period}"])
        elif standing.percent >= budget["warn_at"] and not standing.warned and not standing.exceeded:
            _note(call, name, standing, "warned_at")
            amounts = (name, standing.period, standing.of, standing.spent, standing.limit, standing.unit)
            call.emit(BudgetWarned(*amounts), subject=name)
            _tell_people(call, f"{name} has used {_used(standing)}.")


@command(allow=SYSTEM, emits=[AgentHeld, AgentStatus, AgentAsked, *NOTICE_EVENTS], timed=True)
def settle_budgets(call: Call) -> int | None:
    """Do what people decided about budgets that were used up: raise and resume, keep paused, or stop."""
    rows = call.transaction.all(
        "SELECT budget_period.*, approval.status, approval.answer, approval.decided_by FROM budget_period"
        " JOIN approval ON approval.id = budget_period.approval WHERE approval.status <> 'pending' LIMIT :most",
        {"most": _AT_ONCE},
    )
    for row in rows:
        key = {"agent": row["agent"], "period": row["period"], "of": row["of"]}
        call.transaction.run(
            "UPDATE budget_period SET approval = NULL WHERE agent = :agent AND period = :period AND of = :of", key
        )
        answer = row["answer"].strip().lower()
        by = f"{row['decided_by']} decided so" if row["decided_by"] else "nobody decided in time"
        if row["status"] in ("approved", "answered") and answer not in (KEEP, STOP):
            _raise(call, key, answer.removeprefix("raise by").strip())
            if find_agent(call.transaction, row["agent"]).paused_by == HOLDER:
                resume(call, row["agent"], f"its budget was raised: {by}")
        elif answer == STOP:
            stop(call, row["agent"], f"its budget is used up: {by}")
    return call.now if len(rows) == _AT_ONCE else None


def _exceed(call: Call, name: str, standing: Standing, then: str, by_default: str) -> None:
    _note(call, name, standing, "exceeded_at")
    amounts = (name, standing.period, standing.of, standing.spent, standing.limit, standing.unit)
    call.emit(BudgetExceeded(*amounts, then), subject=name)
    sentence = f"{name} has used {_used(standing)}."
    if then == "notify" or find_agent(call.transaction, name).kind == "external":
        _tell_people(call, sentence)
        return
    if then == "stop":
        stop(call.acting_as(SYSTEM_CALLER), name, sentence)
        _tell_people(call, f"{sentence} It was stopped.")
        return
    pause(call.acting_as(SYSTEM_CALLER), name, sentence, by=HOLDER)
    asked = ask(
        call.acting_as(Caller(name, "agent", "")),
        "budget",
        summary=f"{sentence} Raise it by {describe_amount(parse_amount(by_default))}?",
        details=f"{name} is paused: its turn was interrupted, and what it is owed waits. Approved, its budget of this "
        f"{standing.period} is raised and it goes on; an answer such as “raise by 5usd” raises it by that. Rejected, "
        f"it stays paused; with the answer “{STOP}” it is stopped.",
        options=[f"raise by {by_default}", KEEP, STOP],
        expires_s=_OPEN_FOR_S,
    )
    call.transaction.run(
        "UPDATE budget_period SET approval = :approval WHERE agent = :agent AND period = :period AND of = :of",
        {"agent": name, "period": standing.period, "of": standing.of, "approval": int(asked.id.removeprefix("ap_"))},
    )


def _raise(call: Call, key: dict[str, str], by: str) -> None:
    """Raise a budget of one period: by what was said, else by as much as it was."""
    budget = find_budget(call, key["agent"])
    text = None if budget is None else budget[f"per_{key['period']}"]
    if text is None:
        return
    amount = parse_amount(text)
    try:
        said = parse_amount(by) if by else amount
    except ValueError:
        said = amount
    raised = said.value if said.unit == amount.unit else amount.value
    call.transaction.run(
        "UPDATE budget_period SET raised = raised + :raised, warned_at = NULL, exceeded_at = NULL"
        " WHERE agent = :agent AND period = :period AND of = :of",
        {**key, "raised": raised},
    )


def _note(call: Call, name: str, standing: Standing, column: str) -> None:
    call.transaction.run(
        f"INSERT INTO budget_period (agent, period, of, {column}) VALUES (:agent, :period, :of, :now)"  # noqa: S608
        f" ON CONFLICT (agent, period, of) DO UPDATE SET {column} = :now",
        {"agent": name, "period": standing.period, "of": standing.of, "now": call.now},
    )


def _used(standing: Standing) -> str:
    spent, limit = (describe_amount(Amount(standing.unit, value)) for value in (standing.spent, standing.limit))
    of = task_id(int(standing.of)) if standing.period == "task" else standing.of
    return f"{spent} of {limit} for {of}"


def _tell_people(call: Call, sentence: str) -> None:
    """Tell those who may do something about it."""
    for row in call.transaction.all(
        "SELECT name FROM member WHERE kind = 'human' AND role = 'chairman' AND retired_at IS NULL"
    ):
        send_notice(call, row["name"], sentence)
