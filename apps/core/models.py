"""What every row that belongs to a user has in common."""

from typing import Any, Self, TypeVar

from django.conf import settings
from django.db import models
from django.db.models import Q

Row_co = TypeVar("Row_co", bound=models.Model, covariant=True)


class OwnedQuerySet(models.QuerySet[Row_co]):
    """Rows of users: selectors go through `for_user`."""

    def for_user(self, user: Any) -> Self:
        """Only the rows that belong to `user`."""
        return self.filter(owner=user)


class OwnedModel(models.Model):
    """A row with exactly one owner, who alone sees it."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        abstract = True


class Alert(OwnedModel):
    """Something a person should know: what happened, to what, and what to do. The same thing happening
    again counts up; it ends when the cause is gone, or when its owner puts it away."""

    class Level(models.TextChoices):
        INFO = "info", "For information"
        WARNING = "warning", "Warning"
        CRITICAL = "critical", "Act now"

    key = models.CharField(max_length=120, help_text="What it is about; open once per owner")
    level = models.CharField(max_length=10, choices=Level.choices)
    message = models.TextField()
    advice = models.TextField(default="", blank=True)
    link = models.CharField(max_length=200, default="", blank=True)
    count = models.PositiveIntegerField(default=1)
    last_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-last_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "key"],
                condition=Q(resolved_at__isnull=True),
                name="alert_open_once",
            )
        ]

    def __str__(self) -> str:
        return self.message
