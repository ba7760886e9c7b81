"""Values, errors, clock, ids, supervised tasks, logging. No client of anything."""
