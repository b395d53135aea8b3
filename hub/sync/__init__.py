"""Both sides agree: what travels to a CRM, what comes back, and who wins when both changed.

`plan` is pure and decides; `push` and `pull` carry; `split` says where a lead and a deal live over there.
"""
