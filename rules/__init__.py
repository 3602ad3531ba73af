"""One file a rule: its page is the docstring, its cases are in fixtures/rules/."""
