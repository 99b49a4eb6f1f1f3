"""Hold a journal against its own rules, event by event. Each module folds one aspect; `verification` all."""
