"""The course of a run: what came from outside and who went on when, in one order; kept, and told again."""
