"""Every step of a walk at which something may happen, and how a test stops the bot exactly there.

Nothing of it is in the bot: what the world holds back, at a wire or at the database's door, stops
it between two steps as a fault point in its code would, and exists only when a test asks.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum

from tests.faults.scene import Scene
from tests.faults.wire import Held
from tests.standins.model import Json, Turn, calls, says

READ = ("k8s_get", {"kind": "pods", "namespace": "shop"})
SCALE = (
    "k8s_scale",
    {"namespace": "shop", "kind": "deployment", "name": "web", "replicas": 5},
)
LAST_WORDS = "That is all"


class Step(StrEnum):
    """In their order in one walk: a mention, a read, a change, a click, an answer."""

    EVENT_STORED = "event stored"
    ACKED = "acked"
    RUN_CLAIMED = "run claimed"
    MODEL_ANSWERED = "model answered"
    READS_DONE = "reads done"
    CALL_INSERTED = "call inserted"
    CARD_SENT = "card sent"
    VOTE_STORED = "vote stored"
    RESUMED = "resumed"
    EXECUTING = "executing"
    REQUEST_SENT = "request sent"
    APPLIED = "applied"
    DONE_WRITTEN = "done written"
    VERIFIED = "verified"
    ANSWER_STORED = "answer stored"
    ANSWER_SENT = "answer sent"
    SWEPT = "swept"


def walks(request: Json) -> Turn:
    """The model of that walk: it looks, proposes, and says what came of it."""
    results = [str(m["content"]) for m in request["messages"] if m["role"] == "tool"]
    if not results:
        return calls(READ)
    return calls(SCALE) if len(results) == 1 else says(f"{LAST_WORDS}: {results[-1]}")


def is_patch(line: str, _: str) -> bool:
    """The mutating request itself."""
    return line.startswith("PATCH") and "dryRun" not in line


def _shows_card(line: str, body: str) -> bool:
    return "chat.postMessage" in line and "Approve" in body


def _answers(line: str, body: str) -> bool:
    return "/api/chat." in line and LAST_WORDS in body


HOLDS: Mapping[Step, Callable[[Scene], Held]] = {
    # the event's acknowledgement waits for this answer
    Step.EVENT_STORED: lambda at: at.door.hold("take_request", answer=True),
    Step.ACKED: lambda at: at.door.hold("claim_run"),
    Step.RUN_CLAIMED: lambda at: at.door.hold("claim_run", answer=True),
    # it has answered, and nothing of that is stored
    Step.MODEL_ANSWERED: lambda at: at.door.hold("note_model_call"),
    Step.READS_DONE: lambda at: at.door.hold("insert_read", answer=True),
    Step.CALL_INSERTED: lambda at: at.door.hold("commit of insert_change", answer=True),
    # people see it, and nobody here knows that they do
    Step.CARD_SENT: lambda at: at.slack.hold_answer(_shows_card),
    Step.VOTE_STORED: lambda at: at.door.hold("take_approval", answer=True),
    Step.RESUMED: lambda at: at.door.hold("claim_run", after="take_approval", answer=True),
    Step.EXECUTING: lambda at: at.door.hold("begin_call", answer=True),
    Step.REQUEST_SENT: lambda at: at.cluster.hold_request(is_patch),
    Step.APPLIED: lambda at: at.cluster.hold_answer(is_patch),
    Step.DONE_WRITTEN: lambda at: at.door.hold("commit of finish_call", answer=True),
    Step.VERIFIED: lambda at: at.door.hold("commit of judge_call", answer=True),
    Step.ANSWER_STORED: lambda at: at.door.hold("commit of close_run", answer=True),
    Step.ANSWER_SENT: lambda at: at.slack.hold_answer(_answers),
    Step.SWEPT: lambda at: at.door.hold("commit of mark_swept", answer=True),
}
