"""The default plugins. They use `trioarb.api` alone, as a plugin of yours would."""
