"""The trade's nouns and rules, in the standard library alone."""
