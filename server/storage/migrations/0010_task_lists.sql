-- A list by label is read in its order, without looking at every task that has it.
ALTER TABLE task_label ADD COLUMN status TEXT NOT NULL DEFAULT '';
ALTER TABLE task_label ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
UPDATE task_label SET
  status = (SELECT iif(deleted_at IS NULL, status, '') FROM task WHERE task.id = task_label.task),
  priority = (SELECT priority FROM task WHERE task.id = task_label.task);
CREATE INDEX task_label_by_rank ON task_label (label, priority DESC, task, status);
CREATE INDEX task_label_by_task ON task_label (task);
CREATE TRIGGER task_label_added AFTER INSERT ON task_label BEGIN
  UPDATE task_label SET (status, priority) =
    (SELECT iif(deleted_at IS NULL, task.status, ''), task.priority FROM task WHERE task.id = new.task)
  WHERE label = new.label AND task = new.task;
END;
CREATE TRIGGER task_label_followed AFTER UPDATE OF status, priority, deleted_at ON task BEGIN
  UPDATE task_label SET status = iif(new.deleted_at IS NULL, new.status, ''), priority = new.priority
  WHERE task = new.id;
END;
CREATE INDEX task_by_status_seq ON task (status, seq) WHERE deleted_at IS NULL;
CREATE INDEX task_by_status_age ON task (status, id) WHERE deleted_at IS NULL;
