"""Numbers in templates, written as in the admin's lists."""

from django import template

from apps.core import formats

register = template.Library()
register.filter("quantity", formats.quantity)
register.filter("price", formats.price)
register.filter("share", formats.share)
register.filter("significant", formats.significant)
register.filter("signed_money", formats.signed_money)
register.filter("signed_share", formats.signed_share)
