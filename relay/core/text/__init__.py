"""What people read, as values: rich text, the markups it is written in, words and times."""
