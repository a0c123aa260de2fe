"""Attaching files to messages: a file that was nobody's but its uploader's comes into the message's channel."""

from collections.abc import Sequence

from server.core.call import Call
from server.events.log import next_seq
from server.features.channels import Channel
from server.features.files.model import AttachedFile, file_of, find_file, tell


def shown_files(call: Call, numbers: Sequence[int]) -> list[AttachedFile]:
    """Return files as they are shown with a message. Raises NotFound for one that the sender may not have."""
    files = [file_of(find_file(call, number)) for number in dict.fromkeys(numbers)]
    return [
        {"id": file["id"], "name": file["name"], "size": file["size"], "media_type": file["media_type"]}
        for file in files
    ]


def attach_files(call: Call, message: int, channel: Channel, numbers: Sequence[int]) -> None:
    """Let whoever may read a message have the files it shows."""
    for number in dict.fromkeys(numbers):
        call.transaction.run(
            "INSERT INTO message_file (file, message) VALUES (:file, :message)", {"file": number, "message": message}
        )
        unplaced = call.transaction.run(
            "UPDATE file SET channel = :channel, seq = :seq WHERE id = :id AND channel IS NULL AND task IS NULL",
            {"channel": channel.id, "seq": next_seq(call.transaction), "id": number},
        )
        if unplaced:
            tell(call, number)
