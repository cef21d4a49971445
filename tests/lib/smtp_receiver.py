#!/usr/bin/python3
"""Mail servers on 127.0.0.1 that write down what they get.

    smtp_receiver.py FOLDER CERTIFICATES

CERTIFICATES is a folder of make-certificates.  When all servers listen, FOLDER/ports has a line "NAME PORT" for
each; the kernel has chosen the ports:

    plain               in clear, no authentication
    plain-auth          in clear, demands it
    starttls            demands STARTTLS and authentication; PLAIN and LOGIN
    login               the same with LOGIN only
    noauth              demands STARTTLS, but no authentication
    cram                as starttls, but offers only CRAM-MD5
    tls                 TLS from the beginning, demands authentication
    starttls-CERT, tls-CERT   the same with the certificate CERT (wronghost, otherca, expired)
    silent              accepts connections and says nothing
    hangup              closes them at once
    no-service, too-busy, no-hello, tls-later, garbage   say what SCRIPTS has, one answer after the other
    endless             a greeting that goes on and on
    no-goodbye          takes a mail, and says nothing to QUIT

The user is "vzdump", the password "pä ss wörd".  FOLDER/commands gets a line for each command of importance,
FOLDER/mails a line of JSON for each mail: server, helo, tls, user, from, to, content (bytes as Latin-1).

The part of an address before the @ says what becomes of it: "unknown" is refused with 550, "later" with 451,
"wordy" with 550 in two lines, "spam" after the mail with 554, "busy" after the mail with 452; a sender
"unknown" is refused too, and "parrot" with the password in the answer.  A wrong password is
repeated in the answer.
"""
import asyncio
import json
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

USER, PASSWORD = "vzdump".encode(), "pä ss wörd".encode()

REFUSED = {
    "unknown": "550 5.1.1 nobody of that name",
    "later": "451 4.7.1 greylisted",
    "wordy": "550-5.1.1 nobody\r\n550 5.1.1 of that name",
}
REFUSED_AFTER = {
    "spam": "554 5.7.1 this is spam",
    "busy": "452 4.3.1 no room",
}


SCRIPTS = {
    "no-service": [b"554 5.3.2 no service here"],
    "too-busy": [b"421 4.3.2 too busy"],
    "no-hello": [b"220 hello", b"502 what?", b"550 5.0.0 go away", b"221 bye"],
    "tls-later": [b"220 hello", b"250-you\r\n250 STARTTLS", b"454 4.7.0 no TLS for now", b"221 bye"],
    "garbage": [b"\x1b[31m\xff\xfe\0 hello"],
}


class Handler:
    def __init__(self, folder, server):
        self.folder = folder
        self.server = server

    def write(self, file, line):
        with open(os.path.join(self.folder, file), "a", encoding="utf-8") as f:
            f.write(line + "\n")

    def command(self, session, *words):
        self.write("commands", " ".join((self.server, "tls" if session.ssl else "clear") + words))

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        self.command(session, "EHLO", hostname)
        return responses

    async def handle_MAIL(self, server, session, envelope, address, options):
        self.command(session, "MAIL", address)
        if address.startswith("unknown@"):
            return "550 5.7.1 not from you"
        if address.startswith("parrot@"):
            return "550 5.7.1 you said " + PASSWORD.decode()
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.command(session, "RCPT", address)
        local = address.split("@")[0]
        if local in REFUSED:
            return REFUSED[local]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.command(session, "DATA")
        for address in envelope.rcpt_tos:
            local = address.split("@")[0]
            if local in REFUSED_AFTER:
                return REFUSED_AFTER[local]
        login = session.auth_data
        self.write("mails", json.dumps({
            "server": self.server,
            "helo": session.host_name,
            "tls": session.ssl is not None or self.server.startswith("tls"),
            "user": login.login.decode() if session.authenticated and login else None,
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "content": envelope.original_content.decode("latin-1"),
        }))
        return "250 OK"

    def authenticate(self, server, session, envelope, mechanism, login):
        self.command(session, "AUTH", mechanism)
        # the data of LOGIN and PLAIN are alike
        assert isinstance(login, LoginPassword)
        if (login.login, login.password) == (USER, PASSWORD):
            return AuthResult(success=True, auth_data=login)
        # handled: by us, with an answer of our own; else aiosmtpd answers nothing
        said = login.password.decode(errors="replace")
        return AuthResult(success=False, handled=False, message="535 5.7.8 not with " + said)


class CramHandler(Handler):
    # aiosmtpd offers what has a name like this
    async def auth_CRAM__MD5(self, server, args):
        return AuthResult(success=False)


def context(certificates, name):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(os.path.join(certificates, name + ".pem"), os.path.join(certificates, name + ".key"))
    return c


async def silent(reader, writer):
    await reader.read()


def scripted(answers):
    async def serve(reader, writer):
        for answer in answers:
            writer.write(answer + b"\r\n")
            if answer is not answers[-1]:
                await reader.readline()
        writer.write_eof()
        await reader.read()
        writer.close()
    return serve


async def endless(reader, writer):
    try:
        while True:
            writer.write(b"220-and so on\r\n" * 100)
            await writer.drain()
    except OSError:
        writer.close()


async def no_goodbye(reader, writer):
    in_mail = False
    writer.write(b"220 hello\r\n")
    async for line in reader:
        if in_mail:
            in_mail = line != b".\r\n"
            answer = b"" if in_mail else b"250 OK\r\n"
        else:
            in_mail = line.startswith(b"DATA")
            answer = b"354 go on\r\n" if in_mail else b"" if line.startswith(b"QUIT") else b"250 OK\r\n"
        writer.write(answer)


async def hangup(reader, writer):
    writer.close()


def smtp_servers(certificates):
    """Name, arguments of SMTP(), context of the TLS around it."""
    good = context(certificates, "good")
    auth = {"auth_required": True}
    clear = {**auth, "auth_require_tls": False}  # also around TLS, which aiosmtpd does not know of
    starttls = {**auth, "tls_context": good, "require_starttls": True}
    yield "plain", {}, None
    yield "plain-auth", clear, None
    yield "starttls", starttls, None
    yield "login", {**starttls, "auth_exclude_mechanism": ["PLAIN"]}, None
    yield "noauth", {"tls_context": good, "require_starttls": True}, None
    yield "cram", {**starttls, "auth_exclude_mechanism": ["PLAIN", "LOGIN"]}, None
    yield "tls", clear, good
    for name in "wronghost", "otherca", "expired":
        bad = context(certificates, name)
        yield "starttls-" + name, {**starttls, "tls_context": bad}, None
        yield "tls-" + name, clear, bad


async def main(folder, certificates):
    loop = asyncio.get_running_loop()
    servers = {}
    for name, arguments, around in smtp_servers(certificates):
        def make(name=name, arguments=arguments):
            handler = (CramHandler if name == "cram" else Handler)(folder, name)
            # SMTPUTF8 lets it answer in UTF-8
            return SMTP(handler, hostname="receiver.example", authenticator=handler.authenticate, loop=loop,
                        enable_SMTPUTF8=True, **arguments)
        servers[name] = await loop.create_server(make, "127.0.0.1", 0, ssl=around)
    others = {"silent": silent, "hangup": hangup, "endless": endless, "no-goodbye": no_goodbye}
    others.update((name, scripted(answers)) for name, answers in SCRIPTS.items())
    for name, serve in others.items():
        servers[name] = await asyncio.start_server(serve, "127.0.0.1", 0)
    with open(os.path.join(folder, "ports.new"), "w", encoding="ascii") as f:
        for name, server in servers.items():
            f.write(f"{name} {server.sockets[0].getsockname()[1]}\n")
    os.rename(os.path.join(folder, "ports.new"), os.path.join(folder, "ports"))
    await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
