"""Django settings: everything from the environment, with defaults for one machine (see .env.example)."""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import django_stubs_ext
import environ
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from aristobot import unfold

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")

# --- Where this installation keeps its data -------------------------------------------------------
VAR_DIR = Path(env.str("ARISTOBOT_VAR", default=str(BASE_DIR / "var"))).resolve()
# Unix sockets have paths of at most 100 bytes, so they live in a short directory of this user alone.
_identity = hashlib.sha256(str(VAR_DIR).encode()).hexdigest()[:8]
RUN_DIR = Path(
    env.str("ARISTOBOT_RUN", default=f"{tempfile.gettempdir()}/aristobot-{os.getuid()}-{_identity}")
)
# `manage.py up` makes this file once: the two secrets of an installation that was given none.
environ.Env.read_env(VAR_DIR / "secrets.env")

try:
    SECRET_KEY = env.str("SECRET_KEY")
    ENCRYPTION_KEYS = env.list("ARISTOBOT_ENCRYPTION_KEYS")
except ImproperlyConfigured as error:
    raise ImproperlyConfigured(
        f"{error}. `python3 manage.py up` makes it on its first start; elsewhere set it in .env."
    ) from None
for _key in ENCRYPTION_KEYS:
    try:
        Fernet(_key)
    except ValueError as error:
        raise ImproperlyConfigured(
            f"ARISTOBOT_ENCRYPTION_KEYS holds something that is no Fernet key: {error}"
        ) from None


def _number(name: str, default: float) -> float:
    try:
        return env.float(name, default=default)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a number, not {env.str(name)!r}.") from None


DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# --- Servers: by URL, or embedded in VAR_DIR when no URL is given ---------------------------------
EMBEDDED_POSTGRES = not env.str("DATABASE_URL", default="")
EMBEDDED_VALKEY = not env.str("REDIS_URL", default="")
POSTGRES_DIR = RUN_DIR
VALKEY_SOCKET = RUN_DIR / "valkey.sock"
SANDBOX_SOCKET = env.str("ARISTOBOT_SANDBOX_SOCKET", default=str(RUN_DIR / "sandbox.sock"))
# Where the sandbox lacks a layer, run the strategies of everybody all the same.
ACCEPT_WEAK_SANDBOX = env.bool("ARISTOBOT_ACCEPT_WEAK_SANDBOX", default=False)


def _database() -> dict[str, Any]:
    if EMBEDDED_POSTGRES:
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "aristobot",
            "USER": "aristobot",
            "HOST": str(POSTGRES_DIR),
        }
    if not env.str("DATABASE_URL").startswith(("postgres://", "postgresql://")):
        raise ImproperlyConfigured(
            "DATABASE_URL must be postgres://USER:PASSWORD@HOST:PORT/DATABASE; no other database will do."
        )
    database: dict[str, Any] = env.db("DATABASE_URL")
    return database


DATABASES = {"default": {**_database(), "CONN_HEALTH_CHECKS": True}}
DATABASES["default"]["OPTIONS"] = {
    "connect_timeout": 5,
    # A statement that comes again is planned once for a connection.
    "server_side_binding": True,
    "prepare_threshold": 3,
    # A process that froze in the middle of a transaction must not keep others from its rows for ever, nor
    # one that was killed while it waited for a lock.
    "options": "-c idle_in_transaction_session_timeout=20s -c client_connection_check_interval=5s",
    **DATABASES["default"].get("OPTIONS", {}),
}
DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = f"unix://{VALKEY_SOCKET}?db=0" if EMBEDDED_VALKEY else env.str("REDIS_URL")

# --- Ports and the paper exchange -----------------------------------------------------------------
BIND_HOST = env.str("ARISTOBOT_HOST", default="127.0.0.1")
WEB_PORT = int(_number("ARISTOBOT_PORT", 8000))
WEBHOOK_PORT = int(_number("ARISTOBOT_WEBHOOK_PORT", 8888))
FLOWER_URL = env.str("ARISTOBOT_FLOWER_URL", default="http://127.0.0.1:5555")
_PAPER_URLS = {
    "binance": env.str("ARISTOBOT_PAPER_BINANCE_URL", default="http://127.0.0.1:9001"),
    "bitget": env.str("ARISTOBOT_PAPER_BITGET_URL", default="http://127.0.0.1:9002"),
    "kraken": env.str("ARISTOBOT_PAPER_KRAKEN_URL", default="http://127.0.0.1:9003"),
}
_DIALECTS = BASE_DIR / "workers" / "paper_exchange" / "dialects"
PAPER_EXCHANGE_URLS = {
    name: url
    for name, url in _PAPER_URLS.items()
    if (_DIALECTS / name / "application.py").is_file()
}
# simulated, replay:FILE[,FILE...] or live[:URL]; its first word is the environment of paper brokers.
PAPER_MARKET = env.str("ARISTOBOT_PAPER_MARKET", default="simulated")
PAPER_SPEED = _number("ARISTOBOT_PAPER_SPEED", 60)

# --- Trading --------------------------------------------------------------------------------------
# How long a person has to confirm an order after it was put in words.
CONFIRMATION_SECONDS = int(_number("ARISTOBOT_CONFIRMATION_SECONDS", 15))
# Of all users together, not counting those that are suspended, stopped or over.
MAX_ACTIVE_STRATEGIES = int(_number("ARISTOBOT_MAX_ACTIVE_STRATEGIES", 20))
# Those that may log in, administrators included.
MAX_USERS = int(_number("ARISTOBOT_MAX_USERS", 5))
# How many days in a row a strategy proves itself on each step towards real money, and the capital in quote
# currency that the first step with real money may have.
PROMOTION_DAYS = int(_number("ARISTOBOT_PROMOTION_DAYS", 7))
PROMOTION_CAPITAL = int(_number("ARISTOBOT_PROMOTION_CAPITAL", 100))

# --- Backtests ------------------------------------------------------------------------------------
BACKTEST_SOCKET = env.str("ARISTOBOT_BACKTEST_SOCKET", default=str(RUN_DIR / "backtest.sock"))
# How many of one user's may wait or run at once, and how long one may run.
MAX_BACKTESTS_PER_USER = int(_number("ARISTOBOT_MAX_BACKTESTS_PER_USER", 1))
BACKTEST_MINUTES = _number("ARISTOBOT_BACKTEST_MINUTES", 30)

# --- Webhooks -------------------------------------------------------------------------------------
# An entry that a webhook asked for is not made later than this.
WEBHOOK_SECONDS = int(_number("ARISTOBOT_WEBHOOK_SECONDS", 60))
# How many of one source are taken in a minute.
WEBHOOKS_PER_MINUTE = int(_number("ARISTOBOT_WEBHOOKS_PER_MINUTE", 600))
# Proxies before the webhook server, addresses or networks: what they say of a sender's address is believed.
PROXIES = env.list("ARISTOBOT_PROXIES", default=[])

# --- Celery ---------------------------------------------------------------------------------------
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://").replace(
    "?db=", "?virtual_host="
)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # Longer than any acks_late task may run; a dead worker's messages come back within a second of it.
    "visibility_timeout": 300,
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
    "socket_timeout": 5,
    "socket_connect_timeout": 5,
}
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_EXPIRES = None
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_TASK_TIME_LIMIT = 60
CELERY_TASK_SOFT_TIME_LIMIT = 45
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_SEND_TASK_EVENTS = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = True
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_TIMEZONE = "UTC"

# --- Django ---------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin.apps.SimpleAdminConfig",  # urls.py finds the pages; workers need none
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_ace",
    "django_celery_beat",
    "revproxy",
    "apps.core",
    "apps.accounts",
    "apps.brokers",
    "apps.markets",
    "apps.strategies",
    "apps.trading",
    "apps.bots",
    "apps.webhooks",
    "apps.backtests",
    "apps.live",
    "workers",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "aristobot.urls"
WSGI_APPLICATION = "aristobot.wsgi.application"
ASGI_APPLICATION = "aristobot.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # Before the apps: Unfold's own templates would win over an app's.
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
SESSION_COOKIE_AGE = 24 * 60 * 60
SESSION_SAVE_EVERY_REQUEST = False
X_FRAME_OPTIONS = "SAMEORIGIN"  # Flower is shown in a frame of our own
SILENCED_SYSTEM_CHECKS = ["security.W019"]

# Behind a TLS proxy: cookies over https only, and the proxy's word for the scheme.
HTTPS = env.bool("ARISTOBOT_HTTPS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz)$"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = ["aristobot.formats"]
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "templates" / "static"]
WHITENOISE_USE_FINDERS = True  # straight from the packages: nothing to collect

UNFOLD = unfold.UNFOLD

LOG_LEVEL = env.str("ARISTOBOT_LOG_LEVEL", default="INFO")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "trace": {"()": "apps.core.traces.TraceFilter"},
        "tokens": {"()": "apps.core.traces.TokenMask"},
    },
    "formatters": {"line": {"format": "%(levelname)s %(name)s: %(message)s%(trace)s"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["trace", "tokens"],
        }
    },
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "apps": {"level": LOG_LEVEL},
        "urllib3.connectionpool": {"level": "ERROR"},  # Flower's proxy: a full pool is no trouble
        "workers": {"level": LOG_LEVEL},
        "aristobot": {"level": LOG_LEVEL},
    },
}
