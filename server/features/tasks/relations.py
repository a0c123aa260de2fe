"""What a task is found by, and what it waits for."""

from collections.abc import Sequence

from server.core.call import Call, Row, Transaction
from server.core.errors import BadArgument


def set_dependencies(call: Call, number: int, needed: Sequence[Row]) -> None:
    """Let a task wait for these and no others. Raises BadArgument for a circle, naming it."""
    call.transaction.run("DELETE FROM task_dependency WHERE task = :task", {"task": number})
    for row in needed:
        circle = call.transaction.one(
            "WITH RECURSIVE reached (id) AS (SELECT :needs UNION SELECT needs FROM task_dependency JOIN reached"
            " ON task_dependency.task = reached.id) SELECT 1 FROM reached WHERE id = :task",
            {"needs": row["id"], "task": number},
        )
        if circle is not None:
            raise BadArgument(
                f"#{number} and #{row['id']} would wait for each other.", hint="Leave one out.", field="depends_on"
            )
        call.transaction.run(
            "INSERT INTO task_dependency (task, needs) VALUES (:task, :needs)", {"task": number, "needs": row["id"]}
        )


def set_labels(transaction: Transaction, number: int, labels: Sequence[str]) -> None:
    """Let a task be found by these labels and no others."""
    transaction.run("DELETE FROM task_label WHERE task = :task", {"task": number})
    for label in dict.fromkeys(labels):
        transaction.run("INSERT INTO task_label (label, task) VALUES (:label, :task)", {"label": label, "task": number})
