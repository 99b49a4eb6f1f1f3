"""How somebody on this machine tells a running campaign what to do."""
