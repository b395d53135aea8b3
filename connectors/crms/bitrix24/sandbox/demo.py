"""A furnished account for demonstrations: leads with people in them, deals in two stages."""

from __future__ import annotations

from connectors.crms.bitrix24.sandbox.state import Account

LEADS = (
    ("NEW", "Form: balcony glazing", 0, "Nora", "Feld", "+12025550111"),
    ("NEW", "Telegram: price of two windows", 0, "Iskander", "B.", "+12025550112"),
    ("IN_PROCESS", "Call: country house", 240000, "Pavel", "Stern", "+12025550114"),
    ("PROCESSED", "Ad: winter garden", 520000, "Hugo", "Blank", "+12025550116"),
)
DEALS = (
    ("NEW", "Office of Blank & Sons", 610000, "Rita", "Blank", "+12025550117"),
    ("PREPARATION", "Two balcony doors", 94000, "Sam", "Keller", "+12025550118"),
    ("EXECUTING", "School canteen", 1290000, "Dmitri", "Vale", "+12025550120"),
    ("WON", "Bathroom window", 27000, "Ada", "Moss", "+12025550121"),
)


def furnish(account: Account) -> None:
    """Put cards on the board; in an account without leads all of them are deals."""
    for n, (stage, title, amount, name, last, phone) in enumerate((*LEADS, *DEALS)):
        person = {"name": name, "lastName": last, "fm": [{"typeId": "PHONE", "value": phone}]}
        card = {"title": title, "opportunity": amount, "assignedById": 1 + n % len(account.users)}
        if n < len(LEADS) and account.leads:
            account.create("leads", {**card, **person, "stageId": stage})
        else:
            contact = account.create("contacts", person)
            account.create(
                "deals", {**card, "contactIds": [contact["id"]], "stageId": stage if n >= len(LEADS) else "NEW"}
            )
