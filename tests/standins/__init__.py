"""Stand-ins at the wire: small servers that speak the protocol of what the bot talks to."""
