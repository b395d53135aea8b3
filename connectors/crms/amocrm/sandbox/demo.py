"""A furnished account for demonstrations: a lead block in blue, a deal block in warm colours, cards in both."""

from __future__ import annotations

from connectors.crms.amocrm.sandbox.state import Account

STAGES = (
    ("Lead: new", "#d6eaff"), ("Lead: in work", "#c1e0ff"), ("Lead: qualified", "#98cbff"),
    ("Measured", "#ffeab2"), ("Offer sent", "#ffdc7f"), ("Contract", "#ffce5a"), ("Paid", "#87f2c0"),
)  # fmt: skip
CARDS = (
    (0, "Form: balcony glazing", 0, "Nora Feld", "+12025550111"),
    (0, "Telegram: price of two windows", 0, "Iskander B.", "+12025550112"),
    (0, "Mail: request for an offer", 0, "Lina Orr", "+12025550113"),
    (1, "Call: country house", 240000, "Pavel Stern", "+12025550114"),
    (1, "Form: roof window", 38000, "Mia Torres", "+12025550115"),
    (2, "VK ad: winter garden", 520000, "Hugo Blank", "+12025550116"),
    (3, "Office of Blank & Sons", 610000, "Rita Blank", "+12025550117"),
    (3, "Two balcony doors", 94000, "Sam Keller", "+12025550118"),
    (4, "Panorama, 3 panes", 187000, "Yulia Frost", "+12025550119"),
    (5, "School canteen", 1290000, "Dmitri Vale", "+12025550120"),
    (6, "Bathroom window", 27000, "Ada Moss", "+12025550121"),
)


def furnish(account: Account) -> None:
    """Replace the stages of the main pipeline and put cards on the board."""
    main = account.pipelines.main
    stages = account.pipelines.all[main]["statuses"]
    for number in [n for n, one in stages.items() if one["is_editable"]]:
        del stages[number]
    made = [account.pipelines.add_stage(main, {"name": name, "sort": 20 + 10 * n, "color": colour})["id"]
            for n, (name, colour) in enumerate(STAGES)]  # fmt: skip
    owners = list(account.users)
    for n, (stage, name, price, person, phone) in enumerate(CARDS):
        cells = [{"field_code": "PHONE", "values": [{"value": phone, "enum_code": "WORK"}]}]
        contact = account.create("contacts", {"name": person, "custom_fields_values": cells})
        account.create("leads", {
            "name": name, "price": price, "pipeline_id": main, "status_id": made[stage],
            "responsible_user_id": owners[n % len(owners)], "_embedded": {"contacts": [{"id": contact["id"]}]},
        })  # fmt: skip
