"""What the rooms complain of when something typed cannot be used, marked for the catalogue of translations.

A complaint is written where it is decided, in English; here is only the list of them. A test compares both.
"""

from __future__ import annotations


def _marked(text: str) -> str:
    """Marks a text for the catalogue; it is translated where it is shown."""
    return text


FIELDS = {
    "login": _marked("Login"),
    "password": _marked("Password"),
    "role": _marked("Role"),
    "weight": _marked("Share"),
    "name": _marked("Name"),
    "colour": _marked("Colour"),
    "conditions": _marked("Conditions"),
    "direction": _marked("Direction"),
    "rule": _marked("Rule"),
    "member": _marked("Member"),
    "pool": _marked("Pool"),
    "policy": _marked("Policy"),
}
COMPLAINTS = (
    _marked("is missing"),
    _marked("is taken"),
    _marked("is the last admin: make somebody else admin first"),
    _marked("is not here any more"),
    _marked("needs at least 8 characters"),
    _marked("must be between 0 and 100"),
    _marked("are missing: the last rule already takes everything else"),
    _marked("takes everything else and stays"),
    _marked("looks like #98cbff"),
    _marked("“%(text)s” is no span of time: write 09:00–18:00, several with a comma between"),
    _marked("“%(text)s” is no date: write 2026-12-31, and after it the hours of that day"),
    _marked("%(text)s stands there twice: keep one line"),
    _marked("“%(text)s” is no time zone: choose one like Europe/Moscow"),
    _marked("holidays of “%(text)s” are not known: choose a country of the list"),
    _marked("“%(text)s” is no region of this country: choose one, or leave it empty"),
    _marked("is still kept by people or pools: give them other hours first"),
    _marked("are not here any more: choose other hours"),
    _marked("must be a whole number of leads; 0 or nothing is no limit"),
    _marked("“%(text)s” is no skill: write field:value, as language:de"),
    _marked("are too many: fifty are the most"),
    _marked("is before the first day: choose the last day away"),
    _marked("is over already: choose today or later"),
    _marked("must be somebody else who is here"),
    _marked("is no date: write 2026-12-31"),
    _marked("“%(text)s” is no name for a pool: sixty letters and digits at most"),
    _marked("is none of hold, duty, give"),
    _marked("is missing: choose who is on duty off hours"),
    _marked("is this pool itself: choose another, or none"),
    _marked("there is no field “%(text)s”: write language, product, or field.name"),
    _marked("must be whole minutes; 0 or nothing does not ask"),
    _marked("is where leads go that no rule sends elsewhere, and stays"),
    _marked("is still led to by a rule or another pool: change those first"),
    _marked("is no time of day: write 10:00"),
    _marked("are missing: choose at least one thing to do"),
    _marked("names a stage that is not here"),
    _marked("does not say whose it becomes"),
    _marked("is missing: say what is asked, in one language at least"),
    _marked("is none of text, choice, number, date, yes"),
    _marked("are missing: a choice needs answers to choose from"),
    _marked("“%(text)s” is no name: write small letters, digits and _, as floor_area"),
    _marked("must be a whole number from -100 to 100"),
    _marked("is none of back, accept"),
    _marked("is none of first_touch, next_touch, qualify"),
    _marked("must be a whole number above 0, a year of working time at the most"),
    _marked("must be between 1 and 99, or 0 for no warning"),
)
"""What `hub.setup`, `hub.routing` and `hub.funnel` complain of."""
