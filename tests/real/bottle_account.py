"""Run by BottleCRM's own Python: an organisation, an administrator with a token, and two sales people."""

import json
import sys

import django

django.setup()

from common.models import Org, PersonalAccessToken, Profile  # noqa: E402
from common.serializer import OrgAwareRefreshToken  # noqa: E402
from django.contrib.auth import get_user_model  # noqa: E402

house = Org.objects.create(name="Northwind Windows")
told = {}
for login, role in (("hub", "ADMIN"), ("user504101", "USER"), ("user504102", "USER")):
    user = get_user_model().objects.create_user(email=f"{login}@example.com", password="a-test-only-password")
    profile = Profile.objects.create(user=user, org=house, role=role, is_active=True)
    if role == "ADMIN":
        told["token"] = PersonalAccessToken.generate(profile, "hub")[0]
        # Webhooks are made by people who signed in; a token may not.
        told["session"] = str(OrgAwareRefreshToken.for_user_and_org(user, house, profile).access_token)
with open(sys.argv[1], "w", encoding="utf-8") as file:
    json.dump(told, file)
