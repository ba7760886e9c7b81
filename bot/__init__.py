"""Countersign: a chat-ops bot that lives in Slack."""

VERSION = "0.1.0"
