"""A mail server that keeps what it gets: as much of SMTP as Alertmanager speaks to one."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass
class Sink:
    """``mails`` in the order they came; ``logins`` as user and password."""

    address: str = ""
    mails: list[EmailMessage] = field(default_factory=list)
    logins: set[tuple[str, str]] = field(default_factory=set)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        writer.write(b"220 sink\r\n")
        async for line in reader:
            command = line.decode().strip()
            match command.partition(" ")[0].upper():
                case "EHLO":
                    writer.write(b"250-sink\r\n250 AUTH PLAIN\r\n")
                case "AUTH":
                    _, user, password = base64.b64decode(command.split()[2]).decode().split("\0")
                    self.logins.add((user, password))
                    writer.write(b"235 welcome\r\n")
                case "DATA":
                    writer.write(b"354 go on\r\n")
                    self.mails.append(await _mail(reader))
                    writer.write(b"250 kept\r\n")
                case "QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                case _:
                    writer.write(b"250 fine\r\n")
        writer.close()


async def _mail(reader: asyncio.StreamReader) -> EmailMessage:
    raw = await reader.readuntil(b"\r\n.\r\n")
    mail = message_from_bytes(raw.replace(b"\r\n..", b"\r\n.")[:-3], policy=policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


@asynccontextmanager
async def smtp_sink() -> AsyncIterator[Sink]:
    """A sink at a free port of the loopback address."""
    sink = Sink()
    server = await asyncio.start_server(sink.converse, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    sink.address = f"{host}:{port}"
    async with server:
        yield sink
