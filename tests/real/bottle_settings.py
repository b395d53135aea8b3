"""BottleCRM's settings for a test: SQLite, no Redis, tasks run at once, webhooks may go to loopback.

Its tests run on SQLite too. Migrations are made for PostgreSQL and take minutes: the tables are made from the models.
"""

import os
from datetime import timedelta
from urllib.parse import urlsplit

from crm.settings import *  # noqa: F403
from crm.settings import SIMPLE_JWT
from webhooks import ssrf


class _NoMigrations:
    def __contains__(self, app):
        return True

    def __getitem__(self, app):
        return None


MIGRATION_MODULES = _NoMigrations()
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["BOTTLE_DATABASE"],
        "OPTIONS": {
            "timeout": 30,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;",
        },
    }
}
CELERY_TASK_ALWAYS_EAGER = True
CELERY_BROKER_URL = "memory://"
CELERY_RESULT_BACKEND = "cache+memory://"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
SIMPLE_JWT = {**SIMPLE_JWT, "ACCESS_TOKEN_LIFETIME": timedelta(days=3650)}


def _parts(url):
    """As the original reads an address, with any port."""
    told = urlsplit(url.strip())
    if told.scheme not in ("http", "https") or not told.hostname:
        raise ssrf.UnsafeDestination("Enter a valid URL.")
    path = (told.path or "/") + (f"?{told.query}" if told.query else "")
    return told.scheme, told.hostname, told.port or ssrf.DEFAULT_PORTS[told.scheme], path


ssrf.parse = _parts
ssrf.is_blocked = lambda address: not address.is_loopback
