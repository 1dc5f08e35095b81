-- Which definition came into force last is asked for at each start.
CREATE INDEX ledger_definition ON ledger (number) WHERE kind = 'definition-in-force';
