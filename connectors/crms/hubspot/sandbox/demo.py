"""A furnished account for demonstrations: a pipeline for leads beside the sales pipeline, cards in both."""

from __future__ import annotations

from connectors.crms.hubspot.sandbox.state import Account

STAGES = (("New", "0.1"), ("In work", "0.2"), ("Qualified", "0.4"), ("Rejected", "0.0"))
CARDS = (
    (0, "Form: balcony glazing", "", "Nora Feld", "+12025550111"),
    (0, "Mail: request for an offer", "", "Lina Orr", "+12025550113"),
    (1, "Call: country house", "240000", "Pavel Stern", "+12025550114"),
    (2, "Ad: winter garden", "520000", "Hugo Blank", "+12025550116"),
    (4, "Office of Blank & Sons", "610000", "Rita Blank", "+12025550117"),
    (5, "Panorama, 3 panes", "187000", "Yulia Frost", "+12025550119"),
)


def furnish(account: Account) -> None:
    """Add the pipeline and put cards on the board; the numbers after its stages are the sales pipeline's."""
    stages = [
        {"label": label, "displayOrder": n, "metadata": {"probability": c}} for n, (label, c) in enumerate(STAGES)
    ]
    leads = account.pipelines.add({"label": "Leads", "displayOrder": 1, "stages": stages})
    places = [(leads["id"], ref) for ref in leads["stages"]]
    places += [("default", ref) for ref in account.pipelines.all["default"]["stages"]]
    owners = list(account.owners)
    for n, (place, name, amount, person, phone) in enumerate(CARDS):
        first, _, last = person.partition(" ")
        contact = account.create("contacts", {"firstname": first, "lastname": last, "phone": phone}, {})
        pipeline, stage = places[place]
        sent = {"dealname": name, "amount": amount, "pipeline": pipeline, "dealstage": stage}
        sent["hubspot_owner_id"] = owners[n % len(owners)]
        account.create("deals", sent, {"contacts": [contact["id"]]})
