"""The webhook server: `gunicorn aristobot.wsgi:application`. It serves webhook_urls and nothing else."""

import gc
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aristobot.settings")

from django.conf import settings
from django.core.wsgi import get_wsgi_application

settings.ROOT_URLCONF = "aristobot.webhook_urls"
application = get_wsgi_application()

from apps.core.health import announce  # noqa: E402  the settings have to be ready first

announce("webhook")
# Gunicorn forks after this: what is loaded stays shared.
gc.freeze()
