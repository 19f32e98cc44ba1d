"""Answers a scenario's questions, which come as JSON lines on standard input, until that is closed.

Question: {"id": 1, "command": "play", "arguments": {...}}; answer: {"id": 1, "value": ...} or {"id": 1, "error": "..."}.
"""

import asyncio
import json
import sys


async def serve(commands):
    """Calls the coroutine of each command with the question's arguments, one after the other."""
    questions = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(questions), sys.stdin)
    while line := await questions.readline():
        question = json.loads(line)
        answer = {"id": question["id"]}
        try:
            answer["value"] = await commands[question["command"]](**question["arguments"])
        except Exception as error:  # Whatever went wrong is the scenario's to judge.
            answer["error"] = str(error) or type(error).__name__
        print(json.dumps(answer), flush=True)


def packets(file):
    """The Opus packets of a speech file: one a line, in hexadecimal."""
    with open(file) as lines:
        return [bytes.fromhex(line) for line in lines]
