"""HTTP endpoints: health and readiness."""
