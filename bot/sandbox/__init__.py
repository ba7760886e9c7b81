"""The local Slack-like workspace and the demo cluster. Talks to the bot over the wire only."""
