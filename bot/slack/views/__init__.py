"""All that the bot says in Slack, as pure functions: data in, messages and modals out."""
