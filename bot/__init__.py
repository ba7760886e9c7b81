"""Countersign: a chat-ops bot that lives in Slack."""
