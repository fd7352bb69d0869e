-- Idempotency keys: who submits one again gets the first one's task. And a lane index without the quarantined.

CREATE TABLE ringmaster.task_key (
  ns text NOT NULL,
  key text NOT NULL,
  task bigint NOT NULL,
  payload bigint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (ns, key)
);
CREATE INDEX task_key_created ON ringmaster.task_key (created_at);
COMMENT ON TABLE ringmaster.task_key IS 'The idempotency keys of the last day, inserted in the statement that inserts their tasks.';
COMMENT ON INDEX ringmaster.task_key_created IS 'For the chore that deletes what is older than a day.';
COMMENT ON COLUMN ringmaster.task_key.task IS 'In task, in task_history, or in neither any more.';
COMMENT ON COLUMN ringmaster.task_key.payload IS 'A hash of what was submitted: another payload under the same key is refused.';

-- The quarantined are in no lane. Without them the index is of no use for a row by its id: where the planner takes the
-- table for empty, all of this index would look as cheap to it as one look-up in the primary key. Statements of the
-- version before find no index for their lanes any more: stop its masters first. While it is built nothing is accepted.
DROP INDEX ringmaster.task_lane;
CREATE INDEX task_lane ON ringmaster.task (grp, rank, id) WHERE rank < 9223372036854775807;
COMMENT ON INDEX ringmaster.task_lane IS 'The only secondary index: no change of another column can touch an index.';
