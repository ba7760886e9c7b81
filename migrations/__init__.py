"""Numbered plain SQL, forward only (package data)."""
