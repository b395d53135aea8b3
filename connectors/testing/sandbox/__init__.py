"""What every stand-in of a CRM is made of: a server on loopback, faults on order, a postman for hooks, a board.

The stand-in itself, its records and what it refuses, lives beside its connector (`connectors/crms/<name>/sandbox`).

    app = Flask(...)
    app.extensions["sandbox"] = state           # has close()
    guard(api, faults, problem, clock)           # faults before and after the effect, and the Date header
    app.register_blueprint(board("Northwind", lanes, move))
    with serving(app) as address: ...
"""

from connectors.testing.sandbox.faults import Fault, Faults, guard
from connectors.testing.sandbox.pages import Card, Column, Lane, board
from connectors.testing.sandbox.postman import Postman
from connectors.testing.sandbox.server import main, serving

__all__ = ["Card", "Column", "Fault", "Faults", "Lane", "Postman", "board", "guard", "main", "serving"]
