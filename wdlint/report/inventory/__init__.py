"""An inventory under a policy → text for people, JSON, CSV and an HTML page, one module a format."""
