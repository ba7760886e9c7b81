"""Addresses of messages in the workspace, made without asking Slack."""

import re

_WORKSPACE = re.compile(r"https://[a-z0-9.-]+/", re.IGNORECASE)
_CHANNEL = re.compile(r"[A-Z0-9]{1,40}")
_TS = re.compile(r"[0-9]{1,12}\.[0-9]{1,6}")


def link(workspace: str, channel: str, ts: str, label: str, thread_ts: str = "") -> str:
    """A link to a message in Slack's formatting; only the label where an address cannot be made.

    `workspace` is its address as `auth.test` says it, `label` a word of ours.
    """
    known = _WORKSPACE.fullmatch(workspace) and _CHANNEL.fullmatch(channel) and _TS.fullmatch(ts)
    if not known:
        return label
    address = f"{workspace}archives/{channel}/p{ts.replace('.', '')}"
    if thread_ts and thread_ts != ts and _TS.fullmatch(thread_ts):
        address += f"?thread_ts={thread_ts}&cid={channel}"
    return f"<{address.replace('&', '&amp;')}|{label}>"
