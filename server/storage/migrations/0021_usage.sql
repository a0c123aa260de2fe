-- One request of a model, or what was spent in one hour of a run without its requests being told apart. Counted once
-- by its key. Money is in millionths of a dollar; NULL says that the price is not known.
CREATE TABLE usage (
  agent TEXT NOT NULL REFERENCES member (name),
  key TEXT NOT NULL,
  run_id TEXT,
  task INTEGER REFERENCES task (id),
  claim INTEGER,        -- of the time that it was held for
  model TEXT NOT NULL,
  billing TEXT NOT NULL CHECK (billing IN ('api', 'plan', 'unknown')),
  at INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL DEFAULT 0,
  output_tokens INTEGER NOT NULL DEFAULT 0,
  cache_read_tokens INTEGER NOT NULL DEFAULT 0,
  cache_write_tokens INTEGER NOT NULL DEFAULT 0,
  requests INTEGER NOT NULL DEFAULT 0,
  cost INTEGER,
  priced INTEGER NOT NULL,
  working_ms INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (agent, key)
) WITHOUT ROWID;
CREATE INDEX usage_by_time ON usage (at);
CREATE INDEX usage_by_agent ON usage (agent, at);
CREATE INDEX usage_by_task ON usage (task) WHERE task IS NOT NULL;

-- How far each record of an agent was read (bytes), and the last total of each counter that it keeps.
CREATE TABLE usage_mark (
  agent TEXT NOT NULL REFERENCES member (name),
  source TEXT NOT NULL,
  value INTEGER NOT NULL,
  PRIMARY KEY (agent, source)
) WITHOUT ROWID;

-- What an agent's CLI said last of its conversation and of its account's limits.
CREATE TABLE usage_now (
  agent TEXT PRIMARY KEY REFERENCES member (name),
  context_percent REAL,
  context_size INTEGER,
  compactions INTEGER NOT NULL DEFAULT 0,
  windows TEXT NOT NULL DEFAULT '[]',
  at INTEGER NOT NULL
) WITHOUT ROWID;

-- Amounts as people write them: 10usd, 2h. `configured` is what agents.yaml said when it was last read.
CREATE TABLE budget (
  agent TEXT PRIMARY KEY REFERENCES member (name),
  per_day TEXT,
  per_task TEXT,
  per_month TEXT,
  warn_at INTEGER NOT NULL,
  on_exceed TEXT NOT NULL CHECK (on_exceed IN ('notify', 'pause_and_ask', 'stop')),
  configured TEXT NOT NULL DEFAULT '',
  changed_by TEXT NOT NULL,
  changed_at INTEGER NOT NULL
) WITHOUT ROWID;

-- What came of a budget in one day, month or task: once warned, once exceeded, and by how much it was raised.
CREATE TABLE budget_period (
  agent TEXT NOT NULL REFERENCES member (name),
  period TEXT NOT NULL CHECK (period IN ('day', 'month', 'task')),
  of TEXT NOT NULL,
  raised INTEGER NOT NULL DEFAULT 0,
  warned_at INTEGER,
  exceeded_at INTEGER,
  approval INTEGER,
  PRIMARY KEY (agent, period, of)
) WITHOUT ROWID;
CREATE INDEX budget_period_asked ON budget_period (approval) WHERE approval IS NOT NULL;

-- Why nothing is delivered to an agent for now; empty: it is not paused.
ALTER TABLE agent ADD COLUMN paused_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE agent ADD COLUMN paused_by TEXT NOT NULL DEFAULT '';
ALTER TABLE agent ADD COLUMN paused_at INTEGER;
-- What bounds its process, and by which means: JSON.
ALTER TABLE agent ADD COLUMN limits TEXT NOT NULL DEFAULT '{}';
CREATE INDEX task_run_by_member ON task_run (member, began_at);
