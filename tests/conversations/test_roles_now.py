"""Who lost a role has lost it at once: what Slack says of people reaches the copy of them."""

from pathlib import Path

from bot.sandbox.slack import Settings as SlackSettings
from tests.conversations.test_more import SCRIPT, opened
from tests.world import world

PATIENT = SlackSettings(ack_seconds=3, delivery="round_robin")


async def test_an_event_ends_what_was_known_of_somebody(dsn: str, tmp_path: Path) -> None:
    """user_change, subteam_members_changed and member_left_channel, each after a look that kept."""
    async with world(dsn, tmp_path, SCRIPT, slack=PATIENT) as chat:
        card = await chat.card(await chat.ask("scale web to 5"))

        # a guest decides nothing, and a member again may
        await opened(chat, "bob", card)
        chat.slack.change_user("bob", is_restricted=True)
        await chat.slack.settled()
        await chat.press("Approve", card, by="bob")
        await chat.told("bob", "Guests can neither ask nor approve")
        chat.slack.change_user("bob", is_restricted=False)
        await chat.slack.settled()

        # nor does who left the group that may approve
        await opened(chat, "bob", card)
        chat.slack.set_group("sre", ["alice"])
        await chat.slack.settled()
        await chat.press("Approve", card, by="bob")
        await chat.told("bob", "not among those who may decide")

        # and who left the channel looks at nothing of it, also from within what he had opened
        await opened(chat, "bob", card, "Why…")
        await opened(chat, "bob", card)
        chat.slack.remove("bob", "ops")
        await chat.slack.settled()
        view = await chat.slack.wait_for_view("bob")
        await chat.slack.click_view("bob", view.id, text="Why…")
        refused = "belongs to a channel that you are not in"
        await chat.slack.wait_for(
            lambda: any(refused in str(one.payload) for one in chat.slack.views("bob")), 10
        )
        assert chat.cluster.mutations == []

        # somebody who joins is known with his first word
        chat.slack.set_group("sre", ["alice", chat.slack.add_user("erin")])
        chat.slack.invite("erin", "ops")
        await chat.slack.settled()
        await chat.press("Approve", card, by="erin")
        await chat.slack.wait_for(lambda: chat.replicas() == 5, 15)
