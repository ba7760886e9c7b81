"""Plugins that start what many tests share."""
