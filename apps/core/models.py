"""What every row that belongs to a user has in common."""

from typing import Any, Self, TypeVar

from django.conf import settings
from django.db import models

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
