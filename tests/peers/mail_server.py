"""A mail server on the loopback interface: STARTTLS or TLS with a certificate of its own, sign-in, and all it took."""

import asyncio
import datetime
import email
import email.policy
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class MailServer:
    """What it took, and what it answers next; then 250."""

    port: int = 0
    certificate: Path = Path()
    taken: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    were_encrypted: list[bool] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.answers:
            return self.answers.pop(0)
        content = envelope.content
        assert isinstance(content, bytes)
        message = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.taken.append((list(envelope.rcpt_tos), message))
        assert server.transport is not None
        self.were_encrypted.append(server.transport.get_extra_info("ssl_object") is not None)
        return "250 taken"


def _authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    assert isinstance(data, LoginPassword)
    # Not handled: the server itself answers the refusal.
    return AuthResult(success=(data.login, data.password) == (b"bullpen", b"p@ss/word"), handled=False)


@asynccontextmanager
async def open_mail_server(folder: Path, *, is_tls: bool = False) -> AsyncIterator[MailServer]:
    """Listen. Its certificate, which is its own authority, is in `certificate`."""
    server = MailServer(certificate=folder / "mail.pem")
    context = _certificate(server.certificate)
    open_transports: set[asyncio.BaseTransport] = set()

    class Protocol(SMTP):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            open_transports.add(transport)
            super().connection_made(transport)

    def protocol() -> SMTP:
        return Protocol(
            server,
            hostname="127.0.0.1",
            tls_context=None if is_tls else context,
            require_starttls=not is_tls,
            authenticator=_authenticate,
            auth_required=not is_tls,  # it knows of STARTTLS alone, and warns of a password without
            auth_require_tls=not is_tls,
        )

    listening = await asyncio.get_running_loop().create_server(
        protocol, "127.0.0.1", 0, ssl=context if is_tls else None
    )
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        for transport in open_transports:
            if isinstance(transport, asyncio.Transport):
                transport.abort()
        listening.close()
        await listening.wait_closed()


def _certificate(file: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a mail server of the tests")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
