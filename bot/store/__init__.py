"""Postgres and the job engine: the only code that knows them."""
