"""The admin's server: `uvicorn aristobot.asgi:application`."""

import os
import warnings

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aristobot.settings")
# Static files are small and come from memory: that they are read synchronously does no harm.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous")
application = get_asgi_application()

from apps.core.health import announce  # noqa: E402  the settings have to be ready first

announce("web")
