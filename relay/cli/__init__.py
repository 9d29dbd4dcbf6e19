"""The verbs of the command line: one small file for each group of them."""
