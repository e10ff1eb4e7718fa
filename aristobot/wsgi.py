"""The webhook server: `gunicorn aristobot.wsgi:application`. It serves webhook_urls and nothing else."""

import gc
import logging
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aristobot.settings")

from django.conf import settings
from django.core.wsgi import get_wsgi_application

settings.ROOT_URLCONF = "aristobot.webhook_urls"
# Nobody logs in here, and a redirected POST would be lost.
settings.MIDDLEWARE = []
# A connection is opened once: that takes longer than everything else.
settings.DATABASES["default"]["CONN_MAX_AGE"] = None
# A sender waits: a broker that hangs has to be given up long before he does. The sweep finds the row.
settings.CELERY_BROKER_TRANSPORT_OPTIONS = {
    **settings.CELERY_BROKER_TRANSPORT_OPTIONS,
    "socket_timeout": 0.5,
    "socket_connect_timeout": 0.5,
}
django_application = get_wsgi_application()

from apps.webhooks.deadline import Deadline  # noqa: E402  the settings have to be ready first

application = Deadline(django_application, seconds=0.8)
# Whoever knocks with wrong tokens must not fill the log.
logging.getLogger("django.request").setLevel(logging.ERROR)

from apps.core.health import announce  # noqa: E402  as above

announce("webhook")
# Gunicorn forks after this: what is loaded stays shared.
gc.freeze()
