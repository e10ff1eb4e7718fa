"""Users, for administrators."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from apps.accounts.models import User
from apps.accounts.services import TooManyUsers, take_place

admin.site.unregister(Group)


class NewUserForm(UserCreationForm):
    """One more may log in only where a place is free."""

    def clean(self) -> Any:
        """Holds the place until the user is saved."""
        data = super().clean()
        try:
            take_place()
        except TooManyUsers as error:
            self.add_error(None, str(error))
        return data


class KnownUserForm(UserChangeForm):
    """Who was switched off comes back only where a place is free."""

    def clean_is_active(self) -> bool:
        """Holds the place until the user is saved."""
        is_active: bool = self.cleaned_data["is_active"]
        if is_active and not self.initial["is_active"]:
            try:
                take_place()
            except TooManyUsers as error:
                raise forms.ValidationError(str(error)) from error
        return is_active


@admin.register(User)
class UserAdmin(DjangoUserAdmin[User], ModelAdmin):
    """Everybody made here may use the admin, for his own rows only."""

    form = KnownUserForm
    add_form = NewUserForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "is_active", "is_superuser", "last_login")
    list_filter = ("is_active", "is_superuser")
    fieldsets = (
        (None, {"fields": ("username", "password", "email")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    readonly_fields = ("last_login", "date_joined")
    filter_horizontal = ()
