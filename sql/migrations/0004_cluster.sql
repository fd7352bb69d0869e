-- A database belongs to the first cluster whose master serves it: masters of another one would take each other for dead.

ALTER TABLE ringmaster.meta ADD COLUMN cluster text;
COMMENT ON COLUMN ringmaster.meta.cluster IS 'Whose masters may serve it; NULL: of the first that comes.';
