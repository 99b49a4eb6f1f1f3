"""What the routes of recorded markets could have earned, without trading on them."""
