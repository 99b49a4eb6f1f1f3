"""Alerts of trioarb by whatever Apprise knows."""
