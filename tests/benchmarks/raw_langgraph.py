"""The same turn with nothing but LangGraph and its stock Postgres saver, as a process of its own.

The same three streamed model calls with the same instructions and tools, the same read and the
same change, a pause for a person between them; no Slack, no rows of its own, no policy, no
verification. What a run of ours costs more is what those cost.

Its argument is a file of JSON (`Told`); each line of standard input is a number of runs. It answers
`ready`, then `done` each time.
"""

import asyncio
import json
import operator
import sys
from pathlib import Path
from typing import Annotated, Any, TypedDict, cast
from uuid import uuid4

import openai
from kubernetes import client as kubernetes_client
from kubernetes import config as kubernetes_config
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

Json = dict[str, Any]


class Told(TypedDict):
    """Where everything is, and what the bot says to its model before the conversation."""

    dsn: str
    base: str
    kubeconfig: str
    system: str
    tools: list[Json]


class State(TypedDict):
    """The conversation."""

    messages: Annotated[list[Json], operator.add]


class Nodes:
    """A run's steps, as one would write them first."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._model = openai.AsyncOpenAI(api_key="sk-test", base_url=told["base"], max_retries=0)
        self._api = kubernetes_client.AppsV1Api(
            kubernetes_config.new_client_from_config(config_file=told["kubeconfig"])
        )

    async def think(self, state: State) -> Json:
        """One streamed reply."""
        system = {"role": "system", "content": self._told["system"]}
        stream = await self._model.chat.completions.create(
            model="test",
            messages=cast("list[ChatCompletionMessageParam]", [system, *state["messages"]]),
            tools=cast("list[ChatCompletionToolParam]", self._told["tools"]),
            stream=True,
            stream_options={"include_usage": True},
        )
        text, wishes = "", dict[int, Json]()
        async for chunk in stream:
            for choice in chunk.choices:
                text += choice.delta.content or ""
                for part in choice.delta.tool_calls or []:
                    wish = wishes.setdefault(part.index, {"id": "", "name": "", "arguments": ""})
                    wish["id"] += part.id or ""
                    if part.function is not None:
                        wish["name"] += part.function.name or ""
                        wish["arguments"] += part.function.arguments or ""
        message: Json = {"role": "assistant", "content": text or None}
        if wishes:
            message["tool_calls"] = [
                {
                    "id": wish["id"],
                    "type": "function",
                    "function": {"name": wish["name"], "arguments": wish["arguments"]},
                }
                for wish in wishes.values()
            ]
        return {"messages": [message]}

    async def after_think(self, state: State) -> str:
        """Where the reply leads."""
        wishes = state["messages"][-1].get("tool_calls")
        if not wishes:
            return END
        return "look" if wishes[0]["function"]["name"] == "k8s_get" else "ask"

    async def look(self, state: State) -> Json:
        """The read."""
        wish, arguments = _wish(state)
        found = await asyncio.to_thread(
            self._api.list_namespaced_deployment, arguments["namespace"]
        )
        lines = [f"{d.metadata.name} {d.status.ready_replicas}" for d in found.items]
        return _result(wish, "\n".join(lines))

    async def ask(self, state: State) -> Json:
        """Wait for a person."""
        interrupt({"change": _wish(state)[1]})
        return {}

    async def act(self, state: State) -> Json:
        """The change."""
        wish, arguments = _wish(state)
        await asyncio.to_thread(
            self._api.patch_namespaced_deployment_scale,
            arguments["name"],
            arguments["namespace"],
            {"spec": {"replicas": arguments["replicas"]}},
        )
        return _result(wish, "done")


def _wish(state: State) -> tuple[Json, Json]:
    wish = state["messages"][-1]["tool_calls"][0]
    return wish, json.loads(wish["function"]["arguments"])


def _result(wish: Json, text: str) -> Json:
    return {"messages": [{"role": "tool", "tool_call_id": wish["id"], "content": text}]}


async def _serve(told: Told) -> None:
    nodes = Nodes(told)
    graph = StateGraph(State)
    graph.add_node("think", nodes.think)
    graph.add_node("look", nodes.look)
    graph.add_node("ask", nodes.ask)
    graph.add_node("act", nodes.act)
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", nodes.after_think, ["look", "ask", END])
    graph.add_edge("look", "think")
    graph.add_edge("ask", "act")
    graph.add_edge("act", "think")
    async with AsyncPostgresSaver.from_conn_string(told["dsn"]) as saver:
        await saver.setup()
        compiled = graph.compile(checkpointer=saver)
        print("ready", flush=True)
        number = 0
        while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
            for _ in range(int(line)):
                number += 1
                config: RunnableConfig = {"configurable": {"thread_id": str(uuid4())}}
                asked = {"role": "user", "content": f"scale web to {5 if number % 2 else 3}"}
                await compiled.ainvoke({"messages": [asked]}, config, durability="sync")
                await compiled.ainvoke(Command(resume=True), config, durability="sync")
            print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(_serve(json.loads(Path(sys.argv[1]).read_text())))
