"""Texts for people, as values: rich text, the markups, words and times."""
