"""Run by Tryton's own Python: a company, its two sales people, and their users, in an empty database."""

import datetime
import sys
from decimal import Decimal
from pathlib import Path

from trytond import config

config.update_etc(str(Path(sys.argv[1]) / "trytond.conf"))

from trytond.pool import Pool  # noqa: E402
from trytond.transaction import Transaction  # noqa: E402

Pool.start()
pool = Pool("tryton")
with Transaction().start("tryton", 0, readonly=True):
    pool.init()


def made(model: str, **values: object) -> object:
    [record] = pool.get(model).create([values])
    return record


with Transaction().start("tryton", 1, context={"active_test": False}):
    day = datetime.date(2020, 1, 1)
    rates = [("create", [{"date": day, "rate": Decimal(1)}])]
    currency = made("currency.currency", name="Euro", code="EUR", symbol="€", rates=rates)
    house = made("party.party", name="Northwind Windows")
    company = made("company.company", party=house.id, currency=currency.id)
    employees = {}
    for number, name in ((504101, "Vera"), (504102, "Oleg"), (0, "Hub")):
        party = made("party.party", name=name)
        employees[number] = made("company.employee", party=party.id, company=company.id)
        if number:
            made(
                "res.user", name=name, login=name.lower(), email=f"user{number}@example.com", company=company.id,
                companies=[("add", [company.id])], employee=employees[number].id,
                employees=[("add", [employees[number].id])],
            )  # fmt: skip
    hub = pool.get("res.user")(1)
    pool.get("res.user").write(
        [hub],
        {
            "email": "hub@example.com", "company": company.id, "companies": [("add", [company.id])],
            "employee": employees[0].id, "employees": [("add", [employees[0].id])],
        },
    )  # fmt: skip
