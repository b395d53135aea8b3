"""Real mailboxes on loopback for the demo and the tests: pymap (installs from PyPI, in memory) or Dovecot.

`start_mailbox()` runs pymap and an SMTP door as processes of their own and returns when both answer. What comes by
SMTP is filed by IMAP APPEND, so that an open IDLE is woken by it. A new start is an empty box with a new UIDVALIDITY.
`start_dovecot(folder)` runs the server of the Debian package dovecot-imapd with its mail below `folder`.
"""

from __future__ import annotations

import imaplib
import importlib.util
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from connectors.testing.ports import free_port

USER, PASSWORD = "sales@hub.test", "secret"
PATIENCE = 30.0  # seconds a server has to answer

BOX = """
from pymap.config import IMAPConfig
from pymap.main import main
from pysasl.hashing import BuiltinHash
IMAPConfig._get_hash_context = classmethod(lambda *_: BuiltinHash(rounds=1))
main()
"""
"""pymap with one round over a password that everybody may know: its half a million cost 0.13 s of a core a login."""

DOOR = """
import asyncio, imaplib, signal, sys, time
from aiosmtpd.controller import Controller
imap, smtp, user, password = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
def file(raw):
    box = imaplib.IMAP4("127.0.0.1", imap)
    box.login(user, password)
    ok, told = box.append("INBOX", None, imaplib.Time2Internaldate(time.time()), raw)
    box.logout()
    if ok != "OK":
        raise RuntimeError(told)
class Door:
    async def handle_DATA(self, server, session, envelope):
        head = b"Delivered-To: " + (envelope.rcpt_tos or [user])[0].encode() + b"\\r\\n"
        await asyncio.to_thread(file, head + envelope.original_content)
        return "250 queued"
Controller(Door(), hostname="127.0.0.1", port=smtp, decode_data=False, enable_SMTPUTF8=True).start()
signal.pause()
"""


@dataclass
class Mailbox:
    """A running server. `settings` and `secrets` are what a connection of the source needs."""

    port: int
    smtp_port: int = 0
    host: str = "127.0.0.1"
    user: str = USER
    password: str = PASSWORD
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def settings(self) -> dict[str, str]:
        return {"host": self.host, "port": str(self.port), "user": self.user, "security": "none"}

    @property
    def secrets(self) -> dict[str, str]:
        return {"password": self.password}

    def deliver(self, raw: bytes, folder: str = "INBOX") -> None:
        """File a mail as it is. Lone line feeds become CRLF, as on every way a mail takes."""
        raw = raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        box = self.login()
        ok, told = box.append(folder, "", imaplib.Time2Internaldate(time.time()), raw)
        box.logout()
        if ok != "OK":
            raise RuntimeError(f"the mailbox did not take the mail: {told!r}")

    def login(self) -> imaplib.IMAP4:
        """A session of another mail program."""
        box = imaplib.IMAP4(self.host, self.port)
        box.login(self.user, self.password)
        return box

    def stop(self) -> None:
        for process in self.running:
            process.send_signal(signal.SIGTERM)
        for process in self.running:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def start_mailbox(user: str = USER, password: str = PASSWORD, *, smtp: bool = True) -> Mailbox:
    """pymap with an empty box, and its SMTP door."""
    imap_port, smtp_port = free_port(), free_port() if smtp else 0
    if importlib.util.find_spec("pymap") is None:
        raise RuntimeError("pymap is not installed: pip install pymap aiosmtpd")
    login = ["--demo-user", user, "--demo-password", password]
    place = ["--host", "127.0.0.1", "--port", str(imap_port)]
    commands = [[sys.executable, "-c", BOX, *place, "--no-tls", "dict", *login]]
    if smtp:
        commands.append([sys.executable, "-c", DOOR, str(imap_port), str(smtp_port), user, password])
    box = Mailbox(imap_port, smtp_port, user=user, password=password)
    return _started(box, commands)


def start_dovecot(folder: Path, port: int = 0) -> Mailbox:
    """Dovecot with Maildirs below `folder`, which outlive a restart. As root the path to it must be open to all."""
    box = Mailbox(port or free_port())
    config = _configured(folder, box)
    return _started(box, [["dovecot", "-F", "-c", str(config)]])


def _started(box: Mailbox, commands: list[list[str]]) -> Mailbox:
    quiet = subprocess.DEVNULL
    box.running = [subprocess.Popen(one, stdout=quiet, stderr=quiet) for one in commands]  # noqa: S603 -- our own words
    try:
        for port in filter(None, (box.port, box.smtp_port)):
            _await(box, port)
    except RuntimeError:
        box.stop()
        raise
    return box


def _await(box: Mailbox, port: int) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if any(process.poll() is not None for process in box.running):
            raise RuntimeError("the mail server ended while it started")
        try:
            with socket.create_connection((box.host, port), 1) as line:
                if line.recv(10):
                    return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"the mail server did not answer within {PATIENCE:.0f} seconds")


def _configured(folder: Path, box: Mailbox) -> Path:
    """A configuration for one user; as root the mail belongs to the user `mail`, Dovecot refuses to serve root's."""
    me = pwd.getpwuid(os.getuid()).pw_name
    root = me == "root"
    owner = pwd.getpwnam("mail") if root else pwd.getpwuid(os.getuid())
    mail = folder / "mail"
    mail.mkdir(parents=True, exist_ok=True)
    if root:
        os.chown(mail, owner.pw_uid, owner.pw_gid)
        folder.chmod(0o755)
    users = folder / "users"
    users.write_text(f"{box.user}:{{PLAIN}}{box.password}:{owner.pw_uid}:{owner.pw_gid}::{mail / box.user}\n")
    names = {"internal": "dovecot" if root else me, "login": "dovenull" if root else me}
    config = folder / "dovecot.conf"
    config.write_text(DOVECOT.format(folder=folder, users=users, port=box.port, **names))
    return config


DOVECOT = """
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
default_internal_user = {internal}
default_internal_group = {internal}
default_login_user = {login}
first_valid_uid = 1
first_valid_gid = 0
auth_failure_delay = 0
mail_location = maildir:~/Maildir
mail_max_userip_connections = 100
namespace inbox {{
  inbox = yes
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {users}
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {users}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    address = 127.0.0.1
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
"""
