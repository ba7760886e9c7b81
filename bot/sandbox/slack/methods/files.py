"""files.*: the upload in three steps, and what is known of a file."""

from urllib.parse import quote

from bot.sandbox.slack.checks import content_of, require_postable, require_visible
from bot.sandbox.slack.methods.registry import Arguments, Services, method
from bot.sandbox.slack.model import Json, SlackError, StoredFile


@method("files.getUploadURLExternal", "files:write", tier=4)
def upload_url(on: Services, args: Arguments) -> Json:
    """Promise a file: its name and exact length in bytes."""
    name, length = args.required("filename"), args.number("length", 0)
    if length <= 0:
        raise SlackError("invalid_arguments")
    state = on.state
    file = StoredFile(state.ids.next("F"), name, length, state.bot_user_id)
    file.url = f"{state.base_url}/files/{file.id}/{quote(name, safe='')}"
    state.files[file.id] = file
    return {"upload_url": f"{state.base_url}/upload/v1/{file.id}", "file_id": file.id}


@method("files.completeUploadExternal", "files:write", tier=4)
def complete(on: Services, args: Arguments) -> Json:
    """Finish uploads and, if a channel is named, share them in one message."""
    wanted = args.get("files")
    if not isinstance(wanted, list) or not wanted:
        raise SlackError("invalid_arguments")
    files = [_uploaded(on, entry) for entry in wanted]
    channels = [c for c in (args.text("channel_id") or args.text("channels")).split(",") if c]
    targets = [require_visible(on.state, where) for where in channels]
    for channel in targets:
        require_postable(on.state, channel)
    thread_ts = args.text("thread_ts") or None
    if thread_ts and any(thread_ts not in channel.messages for channel in targets):
        raise SlackError("thread_not_found")
    for file, entry in zip(files, wanted, strict=True):
        file.complete = True
        file.title = str(entry.get("title") or file.name)
        file.channels = [channel.id for channel in targets]
        on.state.feed.publish("file", file.as_json())
    comment = {"text": args.text("initial_comment"), "blocks": args.get("blocks")}
    for channel in targets:
        content = content_of(comment) | {
            "files": [file.as_json() for file in files],
            "subtype": "file_share",
            "upload": True,
        }
        on.messages.add(channel, on.messages.app_message(content), thread_ts)
    return {"files": [file.as_json() for file in files]}


@method("files.info", "files:read", tier=4)
def info(on: Services, args: Arguments) -> Json:
    """Describe a file."""
    file = on.state.files.get(args.required("file"))
    if file is None or not file.complete:
        raise SlackError("file_not_found")
    return {"file": file.as_json(), "comments": [], "response_metadata": {"next_cursor": ""}}


def _uploaded(on: Services, entry: object) -> StoredFile:
    file_id = entry.get("id") if isinstance(entry, dict) else None
    file = on.state.files.get(str(file_id))
    if file is None or file.content is None or file.complete:
        raise SlackError("file_not_found")
    return file
