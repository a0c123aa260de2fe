"""E-mail: one message by one connection, always under TLS (`smtps://`, or STARTTLS with `smtp://`)."""

import asyncio
import email.utils
import ssl
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from urllib.parse import unquote, urlsplit

import aiosmtplib

from server.config import NotificationTarget
from server.outside.address import connected_socket
from server.outside.envelope import Envelope
from server.outside.errors import AddressRefused, NotDelivered

WITHIN_S = 30.0
_PORTS = {"smtp": 587, "smtps": 465}


async def send_email(envelope: Envelope, url: str, now: int) -> None:
    """Send one notification as plain text. Raises NotDelivered."""
    parts = urlsplit(url.strip())
    try:
        port = parts.port or _PORTS[parts.scheme]
    except (KeyError, ValueError):
        raise AddressRefused("its address is not smtp://USER:PASSWORD@HOST or smtps://…") from None
    if not parts.hostname:
        raise AddressRefused("its address names no host")
    is_tls = parts.scheme == "smtps"
    try:
        async with asyncio.timeout(WITHIN_S):
            sock = await connected_socket(parts.hostname, port, allow_private=envelope.target.allow_private)
            try:
                client = aiosmtplib.SMTP(
                    hostname=parts.hostname, sock=sock, use_tls=is_tls, start_tls=not is_tls,
                    tls_context=ssl.create_default_context(), local_hostname="bullpen.invalid", timeout=WITHIN_S,
                )  # fmt: skip
                async with client:
                    if parts.username:
                        await client.login(unquote(parts.username), unquote(parts.password or ""))
                    await client.send_message(message_of(envelope, envelope.target, now))
            finally:
                sock.close()
    except TimeoutError:
        raise NotDelivered(f"no answer within {WITHIN_S:g} s") from None
    except aiosmtplib.SMTPAuthenticationError:
        raise NotDelivered("it does not accept the user and the password", final=True) from None
    except aiosmtplib.SMTPResponseException as error:
        raise NotDelivered(f"it answered {error.code}", final=500 <= error.code < 600) from None
    except aiosmtplib.SMTPRecipientsRefused:
        raise NotDelivered("it refused every recipient", final=True) from None
    except (aiosmtplib.SMTPException, ssl.SSLError, OSError) as error:
        raise NotDelivered(f"it cannot be reached as it should ({type(error).__name__})") from None


def message_of(envelope: Envelope, target: NotificationTarget, now: int) -> EmailMessage:
    """Return the message. Its Message-ID is the same at every try, so a repeat is known for one."""
    message = EmailMessage(policy=SMTP_POLICY)
    message["From"] = target.sender
    message["To"] = ", ".join(target.recipients)
    message["Subject"] = f"[{envelope.team}] {envelope.title}"
    message["Date"] = email.utils.formatdate(now / 1000)
    message["Message-ID"] = f"<{envelope.outgoing.delivery_id}@{envelope.team}.bullpen.invalid>"
    message["Auto-Submitted"] = "auto-generated"  # no vacation answer comes back
    message.set_content(f"{envelope.text()}\n\n{envelope.link}\n".lstrip("\n"))
    return message
