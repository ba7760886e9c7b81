"""A direct command as the one call of the run that it asks for."""

from typing import Any

from bot.agent.grammar import Command, takes_namespace


def wish_of(command: Command) -> dict[str, Any]:
    """Its tool and arguments; kubectl's default namespace where one is meant and none is named."""
    arguments = dict(command.arguments)
    if "namespace" not in arguments and takes_namespace(command):
        arguments["namespace"] = "default"
    return {"tool": command.tool, "arguments": arguments}
