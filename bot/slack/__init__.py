"""The only code that speaks Slack: listening, views, live progress, the outbox sender."""
