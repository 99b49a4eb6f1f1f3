"""An example of a trioarb plugin: a symbol source and a guard tier."""
