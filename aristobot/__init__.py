"""Wiring of the installation; imported by nobody."""

from aristobot.celery import app as celery_app

__all__ = ["celery_app"]
