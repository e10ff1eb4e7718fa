"""The kill switch at the top of every page."""

from typing import Any

from django import template
from django.template.loader import render_to_string

from apps.live.risk import read_status

register = template.Library()


@register.simple_tag(takes_context=True)
def risk_switch(context: Any) -> str:
    """What may be traded now, in words and colour, and the button that changes it."""
    request = context["request"]
    return render_to_string("live/risk_status.html", {"risk": read_status(request.user)}, request)
