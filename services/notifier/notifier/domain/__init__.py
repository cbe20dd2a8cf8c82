"""Pure rules of outreach: the case as a fold of facts, contact hours, backoff. Standard library only."""
