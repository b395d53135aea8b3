"""Word lists written from general knowledge: extend them freely, the code holds none of its own."""


def words(text: str) -> frozenset[str]:
    """The words of a block of text."""
    return frozenset(text.split())
