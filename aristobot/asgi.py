"""The admin's server: `uvicorn aristobot.asgi:application`."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aristobot.settings")
application = get_asgi_application()

from apps.core.health import announce  # noqa: E402  the settings have to be ready first

announce("web")
