"""Order: seq is the order of commits, and every reader gets every event once, whenever it joins."""

import asyncio
import itertools
import random

from tests.conftest import Door, OfficeUnderTest, until
from tests.following import following

WRITERS = 64


async def write(door: Door, name: str, count: int) -> list[int]:
    """Send one message after another, and return the seqs as they were answered."""
    return [(await door.send("general", f"{name}-{number}"))["seq"] for number in range(count)]


async def test_seq_is_the_order_of_commits_under_concurrent_writers(office: OfficeUnderTest) -> None:
    async with following(office.chairman) as follower:
        answered = await asyncio.gather(*(write(office.chairman, f"w{number}", 8) for number in range(WRITERS)))
        everything = sorted(itertools.chain.from_iterable(answered))
        await follower.wait_for_seq(everything[-1])

    assert all(seqs == sorted(seqs) for seqs in answered), "what was answered first stands first"
    assert follower.seqs == everything
    first, last = everything[0], everything[-1]
    assert everything == list(range(first, last + 1)), "one sequence without a hole"
    messages = [event["message"] for event in follower.events]
    assert [message["seq"] for message in messages] == follower.seqs
    numbers = [int(message["id"].removeprefix("msg_")) for message in messages]
    assert numbers == sorted(numbers), "ids grow with seq"


async def test_every_reader_gets_everything_once_in_order_whenever_it_joins(office: OfficeUnderTest) -> None:
    chance = random.Random(7)  # noqa: S311 (no secret)
    begun = (await office.chairman.get("/api/snapshot"))["seq"]
    told = [begun]
    stopped = asyncio.Event()

    async def produce(name: str) -> None:
        for number in itertools.count():
            if stopped.is_set():
                return
            told.append((await office.chairman.send("general", f"{name}-{number}"))["seq"])

    async def read(pause: int) -> tuple[int, list[int]]:
        """Join after some more events, from some point in the past; drop out and resume a few times."""
        target = begun + pause
        await until(lambda: max(told) >= target)
        since = chance.randint(begun, max(told))
        seen: list[int] = []
        resume: dict[str, str] = {}
        for _ in range(4):
            async with following(office.chairman, f"?since={since}", **resume) as follower:
                goal = max(told) + chance.randint(1, 60)
                await follower.wait_for_seq(goal)
                seen += follower.seqs
                resume = {"Last-Event-ID": follower.last_id}
        return since, seen

    async with asyncio.TaskGroup() as tasks:
        for number in range(6):
            tasks.create_task(produce(f"w{number}"))
        readers = [tasks.create_task(read(chance.randint(0, 400))) for _ in range(12)]
        await asyncio.wait(readers)
        stopped.set()

    for reader in readers:
        since, seen = reader.result()
        assert seen == list(range(since + 1, since + 1 + len(seen))), "no gap, nothing twice"
        assert len(seen) > 4


async def test_the_poll_gives_the_same_as_the_stream(office: OfficeUnderTest) -> None:
    begun = (await office.chairman.get("/api/snapshot"))["seq"]
    polled: list[dict[str, object]] = []
    last = asyncio.get_running_loop().create_future()

    async def poll() -> None:
        seq = begun
        while not (last.done() and seq >= last.result()):
            answer = await office.chairman.get(f"/api/events/poll?since={seq}&wait_s=2&limit=7")
            assert answer["timed_out"] == (not answer["events"])
            polled.extend(answer["events"])
            seq = answer["next"]

    async with following(office.chairman, f"?since={begun}") as follower, asyncio.TaskGroup() as tasks:
        tasks.create_task(poll())
        answered = await asyncio.gather(*(write(office.chairman, f"w{number}", 5) for number in range(8)))
        await office.chairman.post("/api/channels", {"id": "topic:late", "type": "topic"})
        last.set_result((await office.chairman.send("topic:late", "the last"))["seq"])
        await follower.wait_for_seq(last.result())

    assert polled == follower.events
    assert len(polled) >= sum(map(len, answered)) + 2
